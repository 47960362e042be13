"""The file system: what one pass over all files shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from reconciler.audit.facts import Facts
from reconciler.audit.model import Fail, Finding, NotKnown, Severity, Snippet
from reconciler.audit.registry import check
from reconciler.core.basis import SnapshotBasis
from reconciler.formats.accounts import account_files
from reconciler.formats.audit.capabilities import POWERFUL, names_of
from reconciler.formats.audit.files import parse_packages
from reconciler.formats.audit.known_programs import CAPABLE, SET_ID
from reconciler.formats.file_scan import FileScan, ScannedEntry, Scope, parse_scan
from reconciler.policy.paths import reason
from reconciler.policy.root_reach.programs import shell_from

_HARMLESS_DEVICES = frozenset(("1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:2", "0:0"))
"""null, zero, full, random, urandom, tty, ptmx, and the mark of an overlay for what was removed."""


def file_scan(facts: Facts) -> FileScan:
    """The pass over the files; it is made once. Raises HostError."""
    return facts.parsed("file-scan", parse_scan, _scope(facts))


def _scope(facts: Facts) -> str:
    """The part of the scope that the policy declares, as JSON; a snapshot has the usual pass."""
    policy, usual = facts.policy, Scope()
    is_usual = (policy.scan_paths, policy.scan_skip, policy.scan_seconds) == (("/",), (), usual.seconds)
    if is_usual or isinstance(facts.view.basis, SnapshotBasis):
        return ""
    paths = policy.scan_paths if "/" not in policy.scan_paths else (*policy.scan_paths, *usual.paths)
    scope = {
        "paths": list(dict.fromkeys(paths)),
        "skip": [*usual.skip, *policy.scan_skip],
        "seconds": policy.scan_seconds,
    }
    return json.dumps(scope, sort_keys=True)


def rest(scan: FileScan, predicate: str) -> Iterator[NotKnown]:
    """Yield what the pass did not see: then a check has not looked at everything."""
    if scan.partial:
        where = f" in {shown(scan.stopped_at)}" if scan.stopped_at else ""
        budget = {"time": "the time for it was up", "files": "there are too many files"}
        yield NotKnown(
            "the rest of the files", f"the pass ended early{where}: {budget.get(scan.partial, scan.partial)}"
        )
    if scan.unread:
        path, why = scan.unread_at[0]
        yield NotKnown("directories that were not read", f"{scan.unread}, the first {shown(path)}: {why}")
    if more := scan.left_out(predicate):
        yield NotKnown("more of them", f"{more} besides those that are named")


def shown(path: str) -> str:
    """A path in one line that every terminal can show."""
    if path.isprintable():
        return path
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in path
    )


def rights(facts: Facts, entry: ScannedEntry) -> str:
    """Mode and owner, and whether others are kept out by a directory above."""
    users = {user.uid: user.name for user in account_files.users(facts.view)}
    groups = {group.gid: group.name for group in account_files.groups(facts.view)}
    owner = f"{users.get(entry.uid, entry.uid)}:{groups.get(entry.gid, entry.gid)}"
    return f"{entry.mode} {owner}" + ("" if entry.open else ", below a directory that others may not enter")


def packages(facts: Facts, paths: Iterable[str]) -> Mapping[str, str]:
    """The packages of paths. Raises NotInstalled, Unreadable."""
    asked = sorted(path for path in paths if path.startswith(("/usr/", "/bin/", "/sbin/", "/lib", "/opt/")))
    return facts.parsed("packages-of", parse_packages, json.dumps(asked)) if asked else {}


@check(
    "world-writable-files",
    severity=Severity.HIGH,
    title="No file can be written by everybody",
    rationale="Every account and every service that was broken into can change it for whoever reads it next.",
    remediation="Take the right away: chmod o-w FILE; give a group to those who need it.",
    cis=("7.1.11",),
)
def world_writable_files(facts: Facts) -> Iterator[Finding]:
    """Regular files and device nodes with the right to write for others."""
    scan, allowed = file_scan(facts), facts.policy.world_writable
    for entry in scan.of("world-writable"):
        if entry.number not in _HARMLESS_DEVICES and entry.path not in allowed:
            yield Fail(shown(entry.path), "no right to write for others", rights(facts, entry))
    yield from rest(scan, "world-writable")


@check(
    "world-writable-directories",
    severity=Severity.HIGH,
    title="In a directory that everybody writes, everybody removes only what is their own",
    rationale=(
        "Without the sticky bit every account can replace the files of all others there, and whoever opens"
        " one by its name gets another."
    ),
    remediation="Set the sticky bit (chmod +t DIRECTORY), or take the right away (chmod o-w DIRECTORY).",
    cis=("7.1.11",),
)
def world_writable_directories(facts: Facts) -> Iterator[Finding]:
    """Directories that others may write, without the sticky bit."""
    scan = file_scan(facts)
    users = {user.uid: user.name for user in reversed(account_files.users(facts.view))}
    groups = {group.gid: group.name for group in reversed(account_files.groups(facts.view))}
    allowed = facts.policy.world_writable
    for entry in (entry for entry in scan.of("open-directory") if entry.path not in allowed):
        access = {"mode": f"1{entry.mode[1:]}", "owner": users.get(entry.uid), "group": groups.get(entry.gid)}
        is_known = all(access.values()) and entry.path == shown(entry.path) and not reason(entry.path, "")
        snippet = Snippet(("directories", entry.path), access) if is_known else None
        yield Fail(shown(entry.path), "the sticky bit (1777)", rights(facts, entry), spec=snippet)
    yield from rest(scan, "open-directory")


@check(
    "unowned-files",
    severity=Severity.MEDIUM,
    title="Every file belongs to an account and a group that exist",
    rationale="The next account that gets the number gets the files, with the rights of their old owner.",
    remediation="Look at them (find / -nouser -o -nogroup), and give them away with chown or remove them.",
    cis=("7.1.12",),
)
def unowned_files(facts: Facts) -> Iterator[Finding]:
    """Numbers of owners and groups without a name, each once with its first file.

    Numbers that are set aside for containers (subuid(5)) and for DynamicUser= belong to somebody.
    """
    scan = file_scan(facts)
    first: dict[str, str] = {}
    counts: dict[str, int] = {}
    for entry in scan.of("unowned"):
        first.setdefault(entry.number, entry.path)
        counts[entry.number] = counts.get(entry.number, 0) + 1
    for strange, path in first.items():
        more = f" and {counts[strange] - 1} more" if counts[strange] > 1 else ""
        yield Fail(strange, "an owner that exists", f"{shown(path)}{more}", shown(path))
    yield from rest(scan, "unowned")


@check(
    "setuid-shells",
    severity=Severity.CRITICAL,
    title="No program from which a shell is one step runs as root for everybody",
    rationale="Whoever may start it is root: it is how somebody who was in comes back.",
    remediation="Take the bit away: chmod u-s,g-s FILE; look how it got there, and who was root then.",
    cis=("7.1.13",),
)
def setuid_shells(facts: Facts) -> Iterator[Finding]:
    """Programs that are root's, with the setuid bit, and that start a shell or write any file."""
    scan = file_scan(facts)
    for entry in scan.of("setuid"):
        why = shell_from(entry.path, None)
        if int(entry.mode, 8) & 0o4000 and entry.uid == 0 and why and not _is_known(entry.path):
            yield Fail(shown(entry.path), "no setuid bit", f"{rights(facts, entry)}; {why}")
    yield from rest(scan, "setuid")


@check(
    "setuid-programs",
    severity=Severity.HIGH,
    title="Programs that run with the rights of their owner or group are those of Debian, and no others",
    rationale=(
        "A flaw in such a program makes whoever starts it root, or gives them the rights of its group; an"
        " attacker leaves one behind to come back."
    ),
    remediation=(
        "Take the bits away: chmod u-s,g-s FILE; if the program needs them, declare the file with its mode in"
        " the spec."
    ),
    cis=("7.1.13",),
)
def setuid_programs(facts: Facts) -> Iterator[Finding]:
    """Files with one of the bits that no package brought, or whose program is not known to need it."""
    scan = file_scan(facts)
    owners = packages(facts, (entry.path for entry in scan.of("setuid")))
    for entry in scan.of("setuid"):
        if _is_declared(facts, entry) or (entry.path in owners and _is_known(entry.path)):
            continue
        package = owners.get(entry.path)
        origin = f"its package {package} is not known to need it" if package else "no package brought it"
        yield Fail(shown(entry.path), "no setuid or setgid bit", f"{rights(facts, entry)}; {origin}")
    yield from rest(scan, "setuid")


@check(
    "file-capabilities",
    severity=Severity.HIGH,
    title="Programs with capabilities of their own are those of Debian, and no others",
    rationale="A capability is a part of root's rights for whoever starts the program, and ls hides it.",
    remediation=(
        "Take them away: setcap -r FILE; if a service needs one, give it by AmbientCapabilities= in its unit."
    ),
)
def file_capabilities(facts: Facts) -> Iterator[Finding]:
    """Files with capabilities that no package brought, or that its program is not known to need."""
    scan = file_scan(facts)
    owners = packages(facts, (entry.path for entry in scan.of("capability")))
    for entry in scan.of("capability"):
        names = names_of(entry.capability)
        expected = CAPABLE.get(entry.path.rpartition("/")[2], frozenset())
        is_known = entry.path in owners and names and names <= expected
        if is_known or entry.path in facts.policy.capabilities:
            continue
        powers = ", ".join(sorted(names)) or "an attribute that is not understood"
        is_root = "; one step from root" if names & POWERFUL else ""
        yield Fail(shown(entry.path), "no capabilities", f"{powers}{is_root}")
    yield from rest(scan, "capability")


@check(
    "device-nodes",
    severity=Severity.HIGH,
    title="Device nodes are in /dev, and nowhere else",
    rationale="Whoever may open a node of a disk reads and writes all of it, whatever its files' modes.",
    remediation=(
        "Remove the node; a program in a chroot needs no more than null, zero, full, random, urandom and tty."
    ),
)
def device_nodes(facts: Facts) -> Iterator[Finding]:
    """Block and character devices outside of /dev, but those that are harmless."""
    scan = file_scan(facts)
    for entry in scan.of("device"):
        if entry.number not in _HARMLESS_DEVICES:
            device = f"{entry.type} {entry.number}"
            yield Fail(shown(entry.path), "no device outside of /dev", f"{device}, {rights(facts, entry)}")
    yield from rest(scan, "device")


@check(
    "dot-files-writable",
    severity=Severity.HIGH,
    title="The dot files of an account can be written by nobody else",
    rationale="Shells run what is in them: whoever writes one is that account at its next login.",
    remediation="Take the right away: chmod go-w FILE.",
    cis=("7.2.10",),
)
def dot_files(facts: Facts) -> Iterator[Finding]:
    """Files and directories in homes with a name that begins with a dot: the right to write of others, and of
    a group that has other members than the owner.
    """
    scan = file_scan(facts)
    users = account_files.users(facts.view)
    names = {user.uid: user.name for user in users}
    members = {group.gid: set(group.members) for group in account_files.groups(facts.view)}
    for user in users:
        members.setdefault(user.gid, set()).add(user.name)
    for entry in scan.of("dot-file"):
        is_own = members.get(entry.gid, set()) <= {names.get(entry.uid), "root"}
        if not is_own or int(entry.mode, 8) & 0o002:
            yield Fail(shown(entry.path), "no right to write for others", rights(facts, entry))
    yield from rest(scan, "dot-file")


def _is_known(path: str) -> bool:
    return path.rpartition("/")[2] in SET_ID


def _is_declared(facts: Facts, entry: ScannedEntry) -> bool:
    """Whether the spec declares the file with these bits, or its policy allows them."""
    if entry.path in facts.policy.setuid:
        return True
    declared = facts.intent.resources.get("files", {}).get(entry.path)
    mode = getattr(declared, "mode", None)
    return mode is not None and int(mode, 8) & 0o6000 == int(entry.mode, 8) & 0o6000
