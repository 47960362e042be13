"""Parsers of what the audit is answered: text in, values out; a module for each area."""
