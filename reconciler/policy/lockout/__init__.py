"""Whether anybody is left who can log in and become root."""
