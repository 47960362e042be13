"""A plan in text, JSON and Markdown."""
