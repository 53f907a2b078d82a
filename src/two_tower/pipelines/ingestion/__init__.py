"""Ingestion: tables as any source has them → typed interactions, items and users."""
