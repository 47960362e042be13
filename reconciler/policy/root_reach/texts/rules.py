"""Texts that say who may do what: PAM, polkit, doas, devices, mounts, sshd, docker, D-Bus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_commands import text_files
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.places import is_relevant, place_of
from reconciler.policy.root_reach.programs import shell_from
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.texts.commands import of_text, of_variables, of_words
from reconciler.policy.root_reach.texts.lines import lines_of
from reconciler.policy.root_reach.texts.values import CAPABILITIES, POWERFUL, Grant, Reading, Use, as_account

_PAM_TYPES = ("auth", "account", "session", "password")
_PAM_LIBRARIES = Late(r"/(?:usr/)?lib(?:/[^/]+)?/security/.*")
_KERNEL = Late(r'\bKERNELS?\s*==\s*"([^"]*)"')
_DISK_NAMES = Late(r"(?:sd|hd|vd|xvd|nvme|dm-|md|mem|kmem|port|mmcblk|loop|\*).*")
_DISK_SYSTEMS = Late(r'\bSUBSYSTEMS?\s*==\s*"(?:block|mem)"')
_DEVICE = Late(r'\b(OWNER|GROUP|MODE)\s*:?=\s*"([^"]+)"')
_ROOT_ACTIONS = Late(
    r"systemd1|policykit\.exec|\.pkexec|udisks|packagekit|accounts|machine1|portable1|import1|libvirt|snapd|flatpak|cockpit|\.$|\*$|^org\.[a-z]+$"
)
"""Actions of polkit that hand out root, or a beginning of names that may be any."""
ROOT_NAMES = ("", "-", "root", "0")


def pam(text: str) -> Iterator[Reading]:
    """Modules that let in without asking, modules and programs from elsewhere (pam.conf(5))."""
    for line in lines_of(text.replace("\\\n", " ")):
        words = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", "_"), line).split()
        if words and words[0].lstrip("-") not in _PAM_TYPES:
            words = words[1:]  # pam.conf has the service in front
        if len(words) > 2:
            yield from _pam_rule(words[0].lstrip("-"), words[1], words[2], words[3:])


def _pam_rule(sort: str, control: str, module: str, arguments: list[str]) -> Iterator[Reading]:
    name = module.rpartition("/")[2]
    if module.startswith("/") and not _PAM_LIBRARIES.fullmatch(module):
        yield Use(module, "loads")
    if name in ("pam_exec.so", "pam_script.so", "pam_python.so"):
        yield from (Use(word) for word in arguments if word.startswith("/"))
    yield from (
        Use(word.partition("=")[2], "reads")
        for word in arguments
        if re.match(r"(?:file|conffile|envfile|dir)=/", word)
    )
    lets_in = control == "sufficient" or re.match(r"\[.*success=(?:done|ok|\d)", control) is not None
    if sort != "auth" or not lets_in:
        return
    if name == "pam_permit.so":
        yield Grant(EVERYBODY, "PAM lets everybody in without a password", Rank.UID)
    elif name == "pam_wheel.so" and "trust" in arguments:
        group = next((word.partition("=")[2] for word in arguments if word.startswith("group=")), "root")
        yield Grant(f"%{group}", f"PAM trusts the group {group}", Rank.SUDO_ALL)
    elif name == "pam_succeed_if.so":
        conditions = " ".join(arguments)
        yield from (
            Grant(who, "PAM lets them in without a password", Rank.UID)
            for who in re.findall(r"user = (\S+)", conditions)
        )
        yield from (
            Grant(f"%{group}", "PAM lets them in without a password", Rank.UID)
            for group in re.findall(r"ingroup (\S+)", conditions)
        )


def security(text: str) -> Iterator[Reading]:
    """Groups, capabilities and variables that PAM gives at login (group.conf(5), capability.conf(5),
    pam_env.conf(5)).
    """
    for line in lines_of(text):
        fields = [field.strip() for field in line.split(";")]
        words = line.split()
        if len(fields) == 5:
            groups = sorted(POWERFUL.intersection(re.split(r"[,\s]+", fields[4])))
            who = [
                EVERYBODY if name == "*" else name
                for name in re.split(r"[|&\s]+", fields[2])
                if not name.startswith("!")
            ]
            yield from (
                Grant(name, f"PAM puts them into the group {groups[0]} at login", Rank.GROUP)
                for name in who
                if groups
            )
        elif words[0].lower().lstrip("^!").split(",")[0] in CAPABILITIES | {"all"}:
            named = (EVERYBODY if name == "*" else name.replace("@", "%") for name in words[1:])
            yield from (Grant(name, f"PAM gives them {words[0]} at login", Rank.CAPABILITY) for name in named)
        else:
            for path in re.findall(r"(?:DEFAULT|OVERRIDE)=\"?(/[^\s\"]*)", line):
                yield from of_variables({words[0]: path})


def polkit(text: str) -> Iterator[Reading]:
    """Yield whom rules in JavaScript and older keyed files let do something without asking (polkit(8))."""
    # polkitd has an account of its own since Debian 12: what it runs is not root, but root does what it
    # allows.
    yield from (
        Use(path, by="polkitd", likely=True)
        for path in re.findall(r"polkit\.spawn\(\s*\[\s*[\"'](/[^\"']*)", text)
    )
    lets = re.search(r"Result\.YES|[\"']yes[\"']|Result(?:Any|Active|Inactive)\s*=\s*yes", text)
    admins = re.search(r"addAdminRule|AdminIdentities", text)
    if lets is None and admins is None:
        return
    actions = re.findall(
        r"action\.id\.?\w*\(?\s*(?:={2,3}\s*)?[\"']([^\"']+)|^Action\s*=\s*(\S+)", text, re.MULTILINE
    )
    named = [first or second for first, second in actions]
    is_harmless = bool(named) and not any(_ROOT_ACTIONS.search(action) for action in named)
    if admins is None and is_harmless:
        return
    users = re.findall(r"\.user\s*={2,3}\s*[\"']([^\"']+)|unix-user:([\w.-]+)", text)
    groups = re.findall(r"isInGroup\(\s*[\"']([^\"']+)|unix-group:([\w.-]+)", text)
    names = [first or second for first, second in users] + [f"%{first or second}" for first, second in groups]
    words = (
        "polkit lets them do without asking what root does"
        if lets
        else "polkit takes them for an administrator"
    )
    yield from (Grant(name, words, Rank.GROUP) for name in names or [EVERYBODY])


def polkit_actions(text: str) -> Iterator[Reading]:
    """Yield the programs that pkexec runs as root, and the actions that anybody may take without a password
    (pkexec(1)).
    """
    for name, body in re.findall(r"<action\s+id=\"([^\"]+)\"[^>]*>(.*?)</action>", text, re.DOTALL):
        program = re.search(r"policykit\.exec\.path\"[^>]*>\s*(/[^<\s]+)", body)
        if program is not None:
            yield Use(program[1])
        if re.search(r"<allow_(?:any|inactive|active)>\s*yes\s*<", body) is None:
            continue
        if program is not None and shell_from(program[1], None):
            yield Grant(
                EVERYBODY, f"polkit lets them run {program[1]} as root without a password", Rank.SETUID
            )
        elif program is None and _ROOT_ACTIONS.search(name):
            yield Grant(EVERYBODY, f"polkit lets them do {name} without a password", Rank.GROUP)


def doas(text: str) -> Iterator[Reading]:
    """Yield who is permitted to be root by doas.conf(5)."""
    for line in lines_of(text):
        match = re.fullmatch(
            r"permit\s+((?:(?:nopass|persist|keepenv|nolog|setenv\s*\{[^}]*\})\s+)*)(\S+)\s*(.*)", line
        )
        if match is None:
            continue
        target = re.search(r"\bas\s+(\S+)", match[3])
        program = re.search(r"\bcmd\s+(\S+)(?:\s+args\s*(.*))?", match[3])
        if target is not None and target[1] != "root":
            continue
        who = f"%{match[2][1:]}" if match[2].startswith(":") else match[2]
        how = "without a password" if "nopass" in match[1] else "with a password"
        arguments = None if program is None or program[2] is None else program[2].split()
        if program is None or shell_from(program[1], arguments):
            yield Grant(who, f"doas: {program[1] if program else 'anything'} {how}", Rank.SUDO_ALL)


def devices(line: str) -> Iterator[Grant]:
    """Yield to whom a rule of udev gives disks or memory."""
    kernel = _KERNEL.search(line)
    if (
        _DISK_SYSTEMS.search(line) is None
        if kernel is None
        else not any(map(_DISK_NAMES.fullmatch, kernel[1].split("|")))
    ):
        return
    assignments = {match[1]: match[2] for match in _DEVICE.finditer(line)}
    if assignments.get("OWNER", "root") not in ROOT_NAMES:
        yield Grant(
            assignments["OWNER"], f"udev gives {assignments['OWNER']} the disks of the host", Rank.GROUP
        )
    if assignments.get("GROUP", "disk") not in (*ROOT_NAMES, "disk", "cdrom", "floppy"):
        yield Grant(
            f"%{assignments['GROUP']}",
            f"udev gives the group {assignments['GROUP']} the disks of the host",
            Rank.GROUP,
        )
    if re.fullmatch(r"0?[0-7]{2}[2367]", assignments.get("MODE", "")):
        yield Grant(EVERYBODY, "udev gives everybody the disks of the host", Rank.GROUP)


def fstab(text: str) -> Iterator[Reading]:
    """Directories that are put over those that root runs from, and file systems that bring setuid programs
    along (fstab(5)).
    """
    for line in lines_of(text):
        words = [*line.split(), "", "", "", ""]
        source, mount_point, options = words[0], words[1], words[3].split(",")
        if (
            source.startswith("/")
            and "bind" in options
            and (place_of(mount_point) is not None or is_relevant(mount_point))
        ):
            yield Use(source, f"mounts over {mount_point}")
        if {"user", "users"}.intersection(options) and "suid" in options:
            yield Grant(EVERYBODY, f"everybody mounts {source} with its setuid programs", Rank.SETUID)


def sshd(text: str) -> Iterator[Reading]:
    """Further files that sshd and root's ssh read, commands that they run and for whom, and what everybody is
    shown.

    Sources: sshd_config(5), ssh_config(5). `policy.access.ssh.key_holders` asks whose keys sign for
    everybody.
    """
    accounts = [""]
    lax = re.search(r"(?im)^[ \t]*strictmodes[ \t=]+no\b", text) is not None
    for line in lines_of(text):
        for command in re.findall(
            r"(?i)^(?:match\s.*\bexec|proxycommand|localcommand|knownhostscommand)[\s=]+\"?(/[^\"]*)", line
        ):
            yield from of_text(command)
        keyword, _, argument = re.sub(r"[\s=]+", " ", line, count=1).partition(" ")
        if keyword.lower() == "match":
            accounts = _matched(argument)
        for reading in _of_sshd(keyword.lower(), argument.strip().strip('"'), lax=lax):
            for account in accounts:
                yield from as_account((reading,), account)


def _matched(criteria: str) -> list[str]:
    """The accounts and groups (`%GROUP`) of a Match block; an empty name where it may be anybody, root
    included.
    """
    match = re.search(r"(?i)\b(user|group)\s+(\S+)", criteria)
    names = match[2].strip('"').split(",") if match is not None else []
    if match is None or any(re.search(r"[*?!]", name) for name in names):
        return [""]
    return [f"%{name}" if match[1].lower() == "group" else name for name in names]


def _of_sshd(keyword: str, argument: str, *, lax: bool) -> Iterator[Reading]:
    values = [value.strip('"') for value in argument.split()]
    match keyword:
        case "include" | "trustedusercakeys":
            yield from (
                Use(value.partition("*")[0].rstrip("/"), "reads") for value in values if value.startswith("/")
            )
        case "forcecommand":
            yield from of_text(argument)
        case "subsystem":
            yield from of_words(values[1:])
        case "authorizedkeyscommand" | "authorizedprincipalscommand" if argument.startswith("/"):
            yield Use(values[0])  # what it prints decides who is root
        case "authorizedkeysfile" if lax:
            yield from (
                Use(value.partition("%")[0].rstrip("/"), "is logged in to by the keys in")
                for value in values
                if value[0] == "/"
            )
        case "setenv":
            yield from of_variables(
                {name: value for name, _, value in (word.partition("=") for word in values)}
            )
        case "banner" if secret(argument, ""):
            yield Grant(EVERYBODY, f"sshd shows whoever connects what is in {argument}", Rank.GROUP)


def authorized_keys(text: str) -> Iterator[Reading]:
    """Yield the commands to which keys of root's are confined; `policy.access.ssh.key_holders` asks who holds
    the others.
    """
    from reconciler.formats.ssh.authorized_keys import read

    for key in filter(None, map(read, lines_of(text))):
        forced = dict(key.options).get("command")
        yield from (Use(path) for path in text_files(forced or ""))


def credential_keys(text: str) -> Iterator[Reading]:
    """Keys that systemd puts into root's own file at boot (systemd.system-credentials(7))."""
    from reconciler.formats.ssh.authorized_keys import read

    yield from authorized_keys(text)
    for key in filter(None, map(read, lines_of(text))):
        if dict(key.options).get("command") is None:
            yield Grant(f"the holder of {key.fingerprint}", "a key with which root logs in", Rank.SUDO_ALL)


def docker(text: str) -> Iterator[Reading]:
    """Yield who reaches the socket of docker, and the paths from which it runs containers (dockerd(8))."""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(settings, dict):
        return
    group = settings.get("group")
    if isinstance(group, str) and group not in ("root", "docker"):
        yield Grant(f"%{group}", f"the group {group} reaches docker by /etc/docker/daemon.json", Rank.GROUP)
    hosts = settings.get("hosts")
    if (
        isinstance(hosts, list)
        and any(str(host).startswith("tcp:") for host in hosts)
        and not settings.get("tlsverify")
    ):
        yield Grant(EVERYBODY, "docker listens on the network without a certificate", Rank.GROUP)
    runtimes = settings.get("runtimes")
    for runtime in runtimes.values() if isinstance(runtimes, dict) else ():
        path = runtime.get("path") if isinstance(runtime, dict) else None
        yield from [Use(path)] if isinstance(path, str) and path.startswith("/") else []
    root = settings.get("data-root")
    yield from [Use(root, "runs containers from")] if isinstance(root, str) and root.startswith("/") else []


def dbus(text: str) -> Iterator[Reading]:
    """Yield whom D-Bus lets speak for or with the manager of the system (dbus-daemon(1))."""
    for sort, name, body in re.findall(
        r"<policy\s+(user|group)=\"([^\"]+)\"[^>]*>(.*?)</policy>", text, re.DOTALL
    ):
        if name not in ("root", "0") and re.search(
            r"<allow\s+(?:own|send_destination)=\"org\.freedesktop\.(?:systemd1|PolicyKit1|login1)", body
        ):
            yield Grant(
                name if sort == "user" else f"%{name}", "D-Bus lets them speak for the system's own services"
            )
