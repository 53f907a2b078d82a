"""From interactions to histories, vocabularies, features and model inputs."""
