"""Reading archives: restore, verify, drill."""
