"""Where a spec's bytes come from: files, Git, standard input."""
