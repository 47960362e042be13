"""The accounts that checks are about: those of persons, and those of the system."""

from __future__ import annotations

import re

from reconciler.audit.facts import Facts
from reconciler.formats.accounts.passwd import User

_FIRST_PERSON = 1000
_NOBODY = 65534
_LEAST = re.compile(r"^UID_MIN\s+([0-9]{1,9})\s*$", re.MULTILINE)


def first_person(facts: Facts) -> int:
    """The first number of a person's account (UID_MIN of login.defs(5))."""
    least = _LEAST.search(facts.text("login.defs", absent=""))
    return int(least[1]) if least else _FIRST_PERSON


def persons(facts: Facts) -> list[User]:
    """The accounts of persons, or of services that got such a number."""
    least = first_person(facts)
    return [user for user in facts.users if user.uid >= least and user.uid != _NOBODY]


def system_accounts(facts: Facts) -> list[User]:
    """The accounts of the system, without root."""
    least = first_person(facts)
    return [user for user in facts.users if 0 < user.uid < least or user.uid == _NOBODY]
