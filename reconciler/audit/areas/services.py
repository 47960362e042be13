"""Services: units that failed, and how much of the system each could reach."""
