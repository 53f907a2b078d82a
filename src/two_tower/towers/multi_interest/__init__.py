"""multi_interest."""
