"""Backup jobs whose engine is tar: an archive is a file, a destination a directory."""
