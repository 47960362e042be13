"""The account that a program runs as, as the host's name service has it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

from reconciler.core.basics.frozen import frozen
from reconciler.core.host import HostError


@frozen
class Account:
    """The rights and the surroundings of a user's process."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """All groups, the own one included."""
    variables: Mapping[str, str]
    """The variables that login(1) would set."""


def account(name: str) -> Account:
    """The account of this name. Raises HostError when there is none."""
    try:
        entry = pwd.getpwnam(name)
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, OSError) as problem:
        raise HostError("a user is missing", f"{name}: no such user") from problem
    variables = {
        "HOME": entry.pw_dir or "/",
        "LOGNAME": entry.pw_name,
        "SHELL": entry.pw_shell or "/bin/sh",
        "USER": entry.pw_name,
    }
    return Account(entry.pw_uid, entry.pw_gid, tuple(groups), variables)
