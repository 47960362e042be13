"""Backup jobs whose engine is restic: a snapshot is an archive, a repository a destination.

Its module `engine` is what `jobs.engines` knows of it; results are of the same types as those of tar.
"""
