"""sshd_config and authorized_keys."""
