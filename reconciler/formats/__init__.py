"""Text and document, both ways, for every format we write. Pure."""
