"""Files that root reads or runs and that somebody else can write."""
