"""How data sets are stored: each format is read by one file."""
