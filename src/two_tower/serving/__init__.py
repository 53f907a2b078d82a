"""What turns a request in raw ids and values into a query vector."""
