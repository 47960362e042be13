"""Files: who can read and change what the system stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.audit.facts import Facts
from reconciler.audit.mends import directory
from reconciler.audit.model import Fail, Finding, NotApplicable, NotKnown, Severity, Snippet
from reconciler.audit.registry import check
from reconciler.core.host import FileType, HostError
from reconciler.formats.audit.files import HASHES, parse_changed, parse_readers

_PUBLIC = ("/etc/passwd", "/etc/group", "/etc/passwd-", "/etc/group-")
_ALLOWED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys(HASHES, (0o640, ("root", "shadow"))),
    **dict.fromkeys(_PUBLIC, (0o644, ("root",))),
}
"""The most that each may give, and the groups that it may belong to. A mask: 0000 is as good as 0600."""
_CRON = (
    "/etc/crontab",
    *(f"/etc/cron.{name}" for name in ("d", "hourly", "daily", "weekly", "monthly", "yearly")),
)
_CRONTABS = "/var/spool/cron/crontabs"
_BOOT = (
    *("/boot/grub", "/boot/grub/grub.cfg", "/boot/grub/user.cfg", "/boot/grub/custom.cfg"),
    *("/boot/loader", "/boot/loader/loader.conf", "/etc/default/grub", "/etc/grub.d"),
)


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
        " root:root and chmod 0644 for passwd and group; setfacl -b takes an access list away."
    ),
    cis=("7.1.1", "7.1.2", "7.1.3", "7.1.4", "7.1.5", "7.1.6", "7.1.7", "7.1.8"),
)
def account_files_are_roots(facts: Facts) -> Iterator[Fail]:
    """Owner, group and mode of passwd, group, shadow, gshadow and their backups, as far as they are there.

    The mode does not show whom an access list lets read the hashes.
    """
    readers = _listed_readers(facts)
    for path, (mask, groups) in _ALLOWED.items():
        entry = facts.entry(path)
        if entry is None:
            continue
        too_much = int(entry.mode, 8) & ~mask
        listed = readers.get(path, ())
        if too_much or entry.owner != "root" or entry.group not in groups or listed:
            expected = f"at most {mask:04o} root:{' or root:'.join(groups)}"
            by_list = f"; by an access list read by {', '.join(listed)}" if listed else ""
            yield Fail(path, expected, f"{entry.mode} {entry.owner}:{entry.group}{by_list}", path)


def _listed_readers(facts: Facts) -> Mapping[str, Sequence[str]]:
    """The accounts and groups besides root and shadow that access lists let read the files with hashes."""
    listed = facts.parsed("hash-readers", parse_readers)
    if not listed:
        return {}
    users = {user.uid: user.name for user in facts.users}
    groups = {group.gid: group.name for group in facts.groups}
    readers: dict[str, list[str]] = {}
    for reader in listed:
        name = (groups if reader.group else users).get(reader.number, str(reader.number))
        if name not in ("root", "shadow"):
            readers.setdefault(reader.path, []).append(f"group {name}" if reader.group else name)
    return readers


@check(
    "cron-files",
    severity=Severity.CRITICAL,
    title="Only root writes what cron runs as root",
    rationale="cron runs these lines and scripts as root, or as the account that they belong to.",
    remediation="Give it back: chown root:root PATH and chmod go-w PATH.",
)
def cron_files_are_roots(facts: Facts) -> Iterator[Finding]:
    """Crontabs and cron's directories with all in them: root's, and nobody else's to write."""
    for path in _CRON:
        yield from _misgiven(facts, path, 0o755, ("root",))
        entry = facts.entry(path)
        if entry is not None and entry.type is FileType.DIRECTORY:
            for name in facts.names(path):
                yield from _misgiven(facts, f"{path}/{name}", 0o755, ("root",))
    yield from _misgiven(facts, _CRONTABS, 0o1730, ("crontab", "root"))


@check(
    "cron-allow",
    severity=Severity.LOW,
    title="The accounts that may have cron jobs are named",
    rationale="Without the list every account, those of services too, can leave jobs behind that run on.",
    remediation="Write the accounts into /etc/cron.allow, one a line (empty: root alone), with mode 0640.",
    cis=("2.4.1.8",),
)
def cron_is_allowed_to_some(facts: Facts) -> Iterator[Finding]:
    """/etc/cron.allow, where crontab(1) is there."""
    yield from _allowed(facts, "/usr/bin/crontab", "/etc/cron.allow", "crontab")


@check(
    "at-allow",
    severity=Severity.LOW,
    title="The accounts that may have at jobs are named",
    rationale="Without the list every account that at.deny does not name can leave jobs behind.",
    remediation="Write the accounts into /etc/at.allow, one a line (empty: root alone), with mode 0640.",
    cis=("2.4.2.1",),
)
def at_is_allowed_to_some(facts: Facts) -> Iterator[Finding]:
    """/etc/at.allow, where at(1) is there."""
    yield from _allowed(facts, "/usr/bin/at", "/etc/at.allow", "daemon")


@check(
    "root-home",
    severity=Severity.HIGH,
    title="Nobody but root gets into root's home",
    rationale="Keys, histories and scripts of root are there, and what root's shell runs at each login.",
    remediation="Close it: chown root:root /root and chmod 0700 /root.",
)
def roots_home_is_closed(facts: Facts) -> Iterator[Finding]:
    """Owner and mode of /root."""
    yield from _misgiven(facts, "/root", 0o700, ("root",))


@check(
    "boot-loader-files",
    severity=Severity.HIGH,
    title="Only root writes the configuration of the boot loader, and only root reads a password in it",
    rationale="Whoever writes it chooses the kernel and its options: a shell in the place of the system.",
    remediation="Give it back: chown root:root PATH and chmod go-w PATH; with a password in it chmod 0600.",
)
def boot_loader_is_roots(facts: Facts) -> Iterator[Finding]:
    """/boot/grub with its configuration, and that of systemd-boot."""
    paths = [path for path in _BOOT if facts.entry(path) is not None]
    if not paths:
        raise NotApplicable("there is no boot loader in /boot")
    for path in paths:
        yield from _misgiven(facts, path, 0o600 if _has_password(facts, path) else 0o755, ("root",))


@check(
    "root-runs-foreign-files",
    severity=Severity.CRITICAL,
    title="Root runs and reads nothing that somebody else can write or replace",
    rationale=(
        "A unit, cron job, logrotate or sudo rule that names a file in a directory of somebody else gives"
        " them root the next time it runs."
    ),
    remediation=(
        "Give the file and every directory above it to root (chown root:root, chmod go-w), or let root run"
        " another one."
    ),
)
def root_runs_its_own(facts: Facts) -> Iterator[Finding]:
    """Everything that root reads or runs on this host, with what it names and every directory above: the rule
    by which a plan says who becomes root.
    """
    from reconciler.audit.reach import ways_to_root

    yield from ways_to_root(facts)


@check(
    "changed-programs",
    severity=Severity.CRITICAL,
    title="Programs are as their packages brought them",
    rationale=(
        "Whoever was root may have left a program that lets them in again. dpkg's list shows a change by"
        " accident or by the careless; somebody careful changes the list too."
    ),
    remediation=(
        "Find out who changed it. Install the package again (apt-get install --reinstall PACKAGE) if it was"
        " an accident; if it was not, the host cannot be trusted and is set up anew."
    ),
    needs=("dpkg",),
)
def programs_are_unchanged(facts: Facts) -> Iterator[Finding]:
    """The programs and the modules of PAM by dpkg's digests."""
    answer = facts.parsed("changed-programs", parse_changed)
    for path, package in answer.changed.items():
        yield Fail(path, f"as in the package {package}", "another content")
    for path, package in answer.missing.items():
        yield Fail(path, f"as in the package {package}", "not there")
    for path, why in answer.unread.items():
        yield NotKnown(path, why)
    if answer.partial:
        yield NotKnown("the rest of the programs", f"the time was up after {answer.checked}")


def _misgiven(facts: Facts, path: str, mask: int, groups: Sequence[str]) -> Iterator[Finding]:
    """Yield the finding about a path that gives more than the mask, or is not root's.

    A link counts as what root made it, by its owner.
    """
    try:
        entry = facts.entry(path)
    except HostError as problem:
        yield NotKnown(path, problem.detail or problem.summary)
        return
    if entry is None:
        return
    too_much = int(entry.mode, 8) & ~mask if entry.type is not FileType.LINK else 0
    if too_much or entry.owner != "root" or (entry.group not in groups and int(entry.mode, 8) & 0o020):
        expected = f"at most {mask:04o} root:{' or root:'.join(groups)}"
        group = entry.group if entry.group in groups else groups[0]
        snippet = directory(path, entry, int(entry.mode, 8) & mask, group=group)
        yield Fail(path, expected, f"{entry.mode} {entry.owner}:{entry.group}", path, spec=snippet)


def _allowed(facts: Facts, program: str, path: str, group: str) -> Iterator[Finding]:
    if facts.entry(program) is None:
        raise NotApplicable(f"{program} is not there")
    if facts.entry(path) is None:
        snippet = Snippet(
            ("files", path), {"content": _users_of(facts), "mode": "0640", "owner": "root", "group": group}
        )
        yield Fail(path, "a list of accounts", "not there: every account may", spec=snippet)
        return
    yield from _misgiven(facts, path, 0o644, ("root", group))


def _users_of(facts: Facts) -> str:
    """Root and the accounts that have a crontab now, one a line."""
    try:
        names = facts.names(_CRONTABS)
    except HostError:
        names = ()
    return "".join(f"{name}\n" for name in dict.fromkeys(("root", *names)))


def _has_password(facts: Facts, path: str) -> bool:
    """Whether a file of the boot loader has the hash of a password; not where it cannot be read."""
    try:
        entry = facts.entry(path)
        is_read = entry is not None and entry.type is FileType.FILE and int(entry.mode, 8) & 0o044
        return bool(is_read) and b"password" in facts.view.read(path)
    except (FileNotFoundError, HostError):
        return False
