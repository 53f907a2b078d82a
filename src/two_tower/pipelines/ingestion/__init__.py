"""Ingestion: any source's tables as typed interactions, items and users."""
