"""reconciler backup: its commands, with a module for the options."""
