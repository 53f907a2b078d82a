"""Train, index and serve the candidate-retrieval stage of a recommender."""

__version__ = "0.1.0"
