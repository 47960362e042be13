"""Files and output on people: accounts, logins, passwords and sudo."""
