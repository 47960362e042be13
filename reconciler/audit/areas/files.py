"""Files: who can read and change what the system stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Severity
from reconciler.audit.registry import check

_SECRET = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-")
_PUBLIC = ("/etc/passwd", "/etc/group", "/etc/passwd-", "/etc/group-")
_ALLOWED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys(_SECRET, (0o640, ("root", "shadow"))),
    **dict.fromkeys(_PUBLIC, (0o644, ("root",))),
}
"""The most that each may give, and the groups that it may belong to. A mask: 0000 is as good as 0600."""


@check(
    "account-files",
    severity=Severity.CRITICAL,
    title="Only root writes the account files, and only root and the group shadow read the hashes",
    rationale=(
        "Whoever writes them makes himself root; whoever reads the hashes can guess the passwords elsewhere,"
        " unseen."
    ),
    remediation=(
        "Give the file back: chown root:shadow and chmod u-x,g-wx,o-rwx for shadow and gshadow; chown"
        " root:root and chmod 0644 for passwd and group."
    ),
    cis=("7.1.1", "7.1.2", "7.1.3", "7.1.4", "7.1.5", "7.1.6", "7.1.7", "7.1.8"),
)
def account_files_are_roots(facts: Facts) -> Iterator[Fail]:
    """Owner, group and mode of passwd, group, shadow, gshadow and their backups, as far as they are there."""
    for path, (mask, groups) in _ALLOWED.items():
        entry = facts.entry(path)
        if entry is None:
            continue
        too_much = int(entry.mode, 8) & ~mask
        if too_much or entry.owner != "root" or entry.group not in groups:
            expected = f"at most {mask:04o} root:{' or root:'.join(groups)}"
            yield Fail(path, expected, f"{entry.mode} {entry.owner}:{entry.group}", path)
