"""Questions, exit codes, options and output: what the commands have in common."""
