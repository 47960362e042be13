"""Backup jobs whose engine is restic: a snapshot is an archive, a repository a destination.

The modules beside this package ask here where a job has `restic`; results are of the same types.
"""
