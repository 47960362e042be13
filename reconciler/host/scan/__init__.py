"""One pass over the local file systems, for all checks of files together (the values: `formats.file_scan`).

`places` chooses the file systems, `walk` reads them, `predicates` says what counts, `child` does it in a
process of its own that gives way to everybody else.
"""
