"""Planning one host: what is asked of it, what is refused, and the short way to "No changes"."""
