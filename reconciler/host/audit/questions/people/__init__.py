"""The questions on people: accounts, logins, passwords and sudo."""
