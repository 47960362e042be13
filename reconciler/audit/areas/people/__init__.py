"""The areas on people: accounts, their groups, homes, passwords and keys, and who becomes root by sudo."""
