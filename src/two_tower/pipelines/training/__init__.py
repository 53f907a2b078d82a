"""Train both towers on histories: the only pipeline, with export, that needs a GPU."""
