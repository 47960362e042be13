"""Text to document and back, for every format that we write. Pure."""
