"""Recipe → an archive in MovieLens format, and the interests that made it."""
