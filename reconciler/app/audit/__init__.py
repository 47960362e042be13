"""The commands `audit` and `user audit`, their answers for a snapshot, and the record for the report."""
