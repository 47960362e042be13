"""The host's own programs as judges of files before they are put in place."""
