"""The files that accounts are kept in: passwd, shadow, group, gshadow, subordinate ids, profile."""
