"""A host in memory: what a plan would leave behind."""
