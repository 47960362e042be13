"""Our own units, which `install` declares."""
