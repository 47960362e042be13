"""sudoers(5): reading whole policies, writing the rules of one user."""
