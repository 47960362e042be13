"""Secrets: passwords and keys that lie about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from reconciler.audit.areas.filesystem import file_scan, rest, rights, shown
from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.formats.audit.secrets import SecretLine, parse_kinds, parse_lines
from reconciler.formats.file_scan import ScannedEntry

_PUBLISHED = ("/usr/", "/etc/ssl/certs/", "/etc/ca-certificates/")
"""Directories of packages: everybody has what is there, and it is no secret."""
_OF_TESTS = ("/site-packages/", "/dist-packages/", "/node_modules/", "/gems/", "/testdata/")
"""Directories of libraries, which come with keys for their tests."""
_KEY = "a private key"


@check(
    "private-keys-readable",
    severity=Severity.HIGH,
    title="Nobody but its owner reads a private key",
    rationale="Whoever has the key is its owner wherever it opens a door, or is the server it stands for.",
    remediation="Take the right away (chmod 0600 FILE), and make a new key: others may have read this one.",
)
def private_keys_are_closed(facts: Facts) -> Iterator[Finding]:
    """Files that have a private key in them, which everybody can read; it is told by name and content."""
    yield from _readable(facts, keys=True)


@check(
    "credentials-readable",
    severity=Severity.HIGH,
    title="Nobody but its owner reads a file with passwords or tokens",
    rationale="They open databases, clouds and registries for every account of this host.",
    remediation="Take the right away (chmod 0600 FILE), and change what is in it: others may have read it.",
)
def credentials_are_closed(facts: Facts) -> Iterator[Finding]:
    """.netrc, .pgpass, .env, those of AWS, Kubernetes, Docker, Hugging Face and the like, which everybody can
    read and that hold a secret.
    """
    yield from _readable(facts, keys=False)


@check(
    "secrets-in-units",
    severity=Severity.MEDIUM,
    title="No unit file has a password or a token in it",
    rationale="Every account can ask systemd for the environment and the command line of a unit.",
    remediation=(
        "Move it to a file of root's with mode 0600, and name that by LoadCredential= or EnvironmentFile=;"
        " then change it: others may have read it."
    ),
)
def units_have_no_secrets(facts: Facts) -> Iterator[Finding]:
    """The lines of units and drop-ins that no package brought: place and name, never the secret."""
    answer = facts.parsed("secret-lines", parse_lines)
    yield from _lines(answer.units)
    yield from (NotKnown(path, "it cannot be read") for path in answer.unread)


@check(
    "secrets-in-environment-files",
    severity=Severity.HIGH,
    title="No file that everybody can read has a password or a token for a service in it",
    rationale="Every account of the host, those of services too, can use it.",
    remediation="Take the right away (chmod 0600 FILE), and change the secret: others may have read it.",
)
def environments_are_closed(facts: Facts) -> Iterator[Finding]:
    """The files of EnvironmentFile=, /etc/environment, /etc/default, /etc/profile.d and the lines of cron."""
    answer = facts.parsed("secret-lines", parse_lines)
    yield from _lines(answer.files)
    yield from (NotKnown(path, "it cannot be read") for path in answer.unread)


def _lines(lines: Iterable[SecretLine]) -> Iterator[Finding]:
    """Yield a finding for each file."""
    by_path: dict[str, list[SecretLine]] = {}
    for line in lines:
        by_path.setdefault(line.path, []).append(line)
    for path, inside in by_path.items():
        places = ", ".join(f"{line.name} in line {line.line}" for line in inside[:5])
        more = f" and {len(inside) - 5} more" if len(inside) > 5 else ""
        yield Fail(shown(path), "no secret", f"{places}{more}", shown(path))


def _readable(facts: Facts, *, keys: bool) -> Iterator[Finding]:
    scan = file_scan(facts)
    candidates = {entry.path: entry for entry in scan.of("credential") if _counts(entry)}
    kinds: Mapping[str, str] = (
        facts.parsed("secret-kinds", parse_kinds, json.dumps(sorted(candidates))) if candidates else {}
    )
    for path, kind in kinds.items():
        if kind == "unread":
            yield NotKnown(shown(path), "it cannot be read")
        elif (kind == _KEY) is keys:
            yield Fail(
                shown(path), "no right to read for others", f"{rights(facts, candidates[path])}; {kind}"
            )
    yield from rest(scan, "credential")


def _counts(entry: ScannedEntry) -> bool:
    """Whether others get there, and it is not what everybody has anyway."""
    is_local = entry.path.startswith("/usr/local/") or not entry.path.startswith(_PUBLISHED)
    return entry.open and is_local and not any(part in entry.path for part in _OF_TESTS)
