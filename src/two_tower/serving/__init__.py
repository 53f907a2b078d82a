"""Serving: query vectors and recommendations for requests in raw ids and values."""
