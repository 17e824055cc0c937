"""The original study's own way of measuring, kept to reproduce its conclusion; unsound, and labelled so throughout."""
