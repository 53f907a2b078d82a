"""From interactions to what towers read: splits, histories, windows, ids, features."""
