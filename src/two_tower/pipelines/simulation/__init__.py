"""Recipe → simulated MovieLens archive, and the true interests behind its ratings."""
