"""Units during a plan and an apply: reloads, gates, stale processes, and units that systemd takes along."""
