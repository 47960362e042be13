"""Questions, exit codes, options and output that the commands have in common."""
