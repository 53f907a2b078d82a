"""From interactions to histories, vocabularies, features and model inputs."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
