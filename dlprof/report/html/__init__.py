"""The report page and its figures: one HTML file that needs no network."""
