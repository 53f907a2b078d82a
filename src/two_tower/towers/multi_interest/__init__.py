"""History encoder with several interests per user."""
