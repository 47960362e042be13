"""sudoers: whole policies read, the rules of one user written."""
