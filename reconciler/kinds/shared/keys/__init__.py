"""Keys in an authorized_keys file: the fields, the parts, and how they are observed."""
