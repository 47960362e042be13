"""Who can log in and who becomes root, before and after a plan."""
