"""What came out of a comparison: data to read, a page, and pictures."""
