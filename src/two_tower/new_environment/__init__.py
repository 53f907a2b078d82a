"""Writes an environment for your own tables: `python -m two_tower.new_environment`."""
