"""What came out of a comparison, to read and to look at."""
