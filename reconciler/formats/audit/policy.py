"""The policy of the audit as it stands in /etc/reconciler/audit.json, which an audit without a spec reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.frozen import frozen
from reconciler.formats.systemd import timespan

FORMAT = 1
PATH = "/etc/reconciler/audit.json"
RESOURCE = "policy"
"""The name of the only resource of the kind `audit`."""
_NOT_OURS = "it is not as `reconciler apply` writes it; apply again"


class NotAPolicy(Exception):
    """The text is no policy of this version. The message says why."""


@frozen
class Waiver:
    """A finding that is known and borne for a while."""

    check: str
    why: str
    until: str
    """The last day on which it holds, `2027-01-31`, in UTC."""
    object: str = "*"
    """The object: `*` stands for any text, `?` for a character; case counts."""
    owner: str = ""


@frozen
class Policy:
    """The policy of one host; without one, that of nobody."""

    fail_on: str = "high"
    """The severity from which on a finding makes the audit fail."""
    ports: frozenset[tuple[str, int]] = frozenset()
    """Ports that may be open to others, `("tcp", 443)`."""
    users: frozenset[str] = frozenset()
    """Accounts that may be there without being declared."""
    sudo: frozenset[str] = frozenset()
    """Accounts and `%GROUPS` that may have rules of sudo without being declared."""
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The members that groups with power may have."""
    setuid: frozenset[str] = frozenset()
    """Paths of programs that may have the setuid or setgid bit."""
    capabilities: frozenset[str] = frozenset()
    """Paths of programs that may have capabilities."""
    world_writable: frozenset[str] = frozenset()
    """Paths that everybody may write to."""
    waivers: tuple[Waiver, ...] = ()
    """Findings that do not count, each with its reason."""
    scan_paths: tuple[str, ...] = ("/",)
    """The directories whose files are looked at."""
    scan_skip: tuple[str, ...] = ()
    """Directories below them that are left out."""
    scan_seconds: float = 120.0
    """The time after which the pass over the files ends."""


def render(data: Mapping[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(data, indent=2) + "\n"


def parse(text: str) -> dict[str, Any]:
    """The document in the file. Raises NotAPolicy."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise NotAPolicy(f"it is not JSON: {problem}") from problem
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise NotAPolicy("another version wrote it; apply again")
    return data


def policy(data: Mapping[str, Any]) -> Policy:
    """The policy of a document. Raises NotAPolicy."""
    try:
        return _policy(data)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise NotAPolicy(_NOT_OURS) from problem


def _policy(data: Mapping[str, Any]) -> Policy:
    allow, scan = data.get("allow", {}), data.get("scan", {})
    ports = (text.split(" ") for text in allow.get("ports", ()))
    names = {
        name: frozenset(allow.get(name, ()))
        for name in ("users", "sudo", "setuid", "capabilities", "world_writable")
    }
    return Policy(
        fail_on=data["fail_on"],
        ports=frozenset((protocol, int(port)) for protocol, port in ports),
        groups={name: frozenset(members) for name, members in allow.get("groups", {}).items()},
        waivers=tuple(Waiver(**waiver) for waiver in data.get("waivers", ())),
        scan_paths=tuple(scan.get("paths", ("/",))),
        scan_skip=tuple(scan.get("skip", ())),
        scan_seconds=timespan.seconds(scan.get("budget", "2min")),
        **names,
    )
