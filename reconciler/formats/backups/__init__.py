"""Job files, manifests, retention and doubt of backups."""
