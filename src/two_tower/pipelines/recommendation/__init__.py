"""Recommendations of all or listed users."""
