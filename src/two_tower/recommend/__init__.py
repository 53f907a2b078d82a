"""Recommendations from an item index: filters, order and explanations."""
