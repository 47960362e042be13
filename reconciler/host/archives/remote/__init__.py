"""Directories of archives on other machines, reached by the system's OpenSSH."""
