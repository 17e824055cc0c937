"""What both sides compute on: data sets, and inputs made from them."""
