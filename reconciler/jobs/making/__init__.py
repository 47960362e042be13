"""Making an archive: its commands, what it is built upon, and its copies in other destinations."""
