"""An item index that meets its recall target."""
