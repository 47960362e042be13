"""expand, diff, plan, simulate, apply. Knows no kind: kinds are an argument."""
