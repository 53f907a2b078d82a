"""Parameters of training: what each means, and what is allowed."""
