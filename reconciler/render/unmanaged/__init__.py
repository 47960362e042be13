"""What `unmanaged` prints: as text, and its schema."""
