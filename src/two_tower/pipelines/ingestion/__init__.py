"""Ingestion: tables as any source has them → typed interactions, items and users."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
