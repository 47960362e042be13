"""Files in homes: changed with the user's own rights, filled, archived, removed and put back."""
