"""Who logs in by sshd, with which key, and who becomes root by a key."""
