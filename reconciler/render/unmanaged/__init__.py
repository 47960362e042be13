"""The output of `unmanaged`: text, and the schema of its JSON."""
