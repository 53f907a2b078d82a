"""The negative engine: candidates that queries are contrasted with."""
