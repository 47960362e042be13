"""What root reads or runs that somebody else can write."""
