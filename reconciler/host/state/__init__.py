"""Our own state: ledger, journal, undo store, lock, notes."""
