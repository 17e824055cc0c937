"""One log-ratio a trial in, conclusions out: verdict, power, many tests at once, the size at which the sides cross."""
