"""The negative engine: which candidates a query is told apart from."""
