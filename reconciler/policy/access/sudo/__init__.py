"""Who becomes root by sudo: its rules, its own files, and the environment that it leaves to a program."""
