"""Typed tables from any source: its columns, the rows that don't fit, and a report."""
