"""The sources of a spec's bytes: files, Git, standard input."""
