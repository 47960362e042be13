"""Unit files: sections, directives, command lines, values."""
