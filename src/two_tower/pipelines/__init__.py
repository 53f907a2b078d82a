"""Kedro pipelines, one package each; they meet in the catalog only."""
