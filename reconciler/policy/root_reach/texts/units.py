"""Units of systemd: what they run as root, whatever user they name, and what they give to a user who is not
(systemd.exec(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_programs import SHELLS
from reconciler.policy.access.group_powers import LIKELY_IN_UNITS, ROOT_GROUPS
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.places import is_relevant
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.setuid_trust import trusted
from reconciler.policy.root_reach.texts.commands import of_variables, of_words
from reconciler.policy.root_reach.texts.values import CAPABILITIES, POWERFUL, Grant, Reading, Use, as_account
from reconciler.policy.system_trees import root_runs, system_tree

_NO_COMMANDS = ("Exec", "ExecPaths", "ExecSearchPath")
_OWNED = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
}
_PRIVILEGED = "+!"
_POWERFUL_SOCKETS = Late(r"(?:docker|podman|containerd|lxd|incus|libvirtd|crio|virtqemud)[\w-]*\.socket")
_ROOT = ("", "root", "0")
_YES = ("yes", "true", "on", "1", "y", "t")
_CONTINUED = Late(r"[ \t]*\\\n[ \t]*")
_LINE = Late(
    r"^[ \t]*(Exec\w+|User|Group|DynamicUser|SupplementaryGroups|AmbientCapabilities|Environment"
    r"|EnvironmentFile|WorkingDirectory|LoadCredential|OpenFile|ExtensionDirectories|NoNewPrivileges|(?:State|Cache|Logs|Runtime)Directory"
    r"|Root(?:Directory|Image)|Bind(?:ReadOnly)?Paths|StandardInput"
    r"|What|Where|Options"
    r"|Socket(?:Mode|Group|User)|DefaultEnvironment|ManagerEnvironment|Exec)[ \t]*=(.*)$",
    re.MULTILINE,
)


def directives(texts: Sequence[str]) -> Mapping[str, list[str]]:
    """Every value of the directives that count here, of a unit and its drop-ins in order; an empty one takes
    back those before it.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        for line in _LINE.finditer(_CONTINUED.sub(" ", text) if "\\\n" in text else text):
            name, value = line[1], line[2].strip()
            if value:
                found.setdefault(name, []).append(value)
            else:
                found.pop(name, None)
    return found


def unit(name: str, texts: Sequence[str]) -> Iterator[Reading]:
    """All that a unit makes of root.

    `name` has its suffix; `texts` are those of its file and drop-ins, in the order that counts.
    """
    said = directives(texts)
    user = _last(said, "User")
    is_root = user in _ROOT and _last(said, "DynamicUser") not in ("yes", "true", "on", "1")
    directory = _last(said, "WorkingDirectory").lstrip("-").replace("~", "/root")
    commands = [
        command for key in said if key.startswith("Exec") and key not in _NO_COMMANDS for command in said[key]
    ]
    of_root = [command for command in commands if is_root or _is_privileged(command)]
    account = "root" if is_root else user or name.partition(".")[0].partition("@")[0]
    variables = dict(_pairs(said, "Environment"))
    for command in commands:
        words = [_expanded(word, variables) for word in _argv(command)]
        yield from as_account(of_words(words, directory), "root" if command in of_root else account)
    if of_root:
        yield from _surroundings(said)
        yield from _open_shell(name, said, of_root)
    elif commands:
        yield from as_account(_surroundings(said), account)
    if not is_root:
        yield from _given(name, account, said)
        yield from _owned(name, account, said)
        yield from _covered(name, account, said)
        yield from _handed_on(name, account, said)
    yield from _mount(said)
    yield from _socket(name, said)


def user_unit(text: str) -> Iterator[Reading]:
    """A unit of the manager of one account, which runs as that account."""
    yield from unit("a user unit", [text])


def _last(said: Mapping[str, list[str]], name: str) -> str:
    values = said.get(name)
    return values[-1] if values else ""


def _is_privileged(command: str) -> bool:
    """Whether a command has root's rights whatever User= says: `+`, and `!` where there is no `!!`
    (systemd.service(5)).
    """
    prefix = command[: len(command) - len(command.lstrip("@-:+!|"))]
    return "+" in prefix or prefix.count("!") == 1


def _argv(command: str) -> list[str]:
    plain = command.lstrip("@-:+!|")
    words = _quoted(plain) if re.search(r"[\"'\\%$]", plain) else plain.split()
    return [words[0], *words[2:]] if "@" in command[: len(command) - len(plain)] and len(words) > 1 else words


def _quoted(plain: str) -> list[str]:
    from reconciler.formats.systemd.exec_words import words

    try:
        return [word.text.replace("%%", "%").replace("$$", "$") for word in words(plain)]
    except ValueError:
        return plain.split()


def _pairs(said: Mapping[str, list[str]], *keys: str) -> Iterator[tuple[str, str]]:
    for word in (word for key in keys for value in said.get(key, ()) for word in _quoted(value)):
        name, _, value = word.partition("=")
        yield name, value


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """A word with the variables of the unit itself, which systemd or a shell puts in their place."""
    return (
        re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], found[0]), word)
        if "$" in word
        else word
    )


def _surroundings(said: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what decides beside the command line about what runs.

    These are variables, files of variables, another root, mounts.
    """
    for value in said.get("EnvironmentFile", ()):
        path = value.lstrip("-").partition("*")[0]
        yield from [Use(path.rstrip("/"), "reads the variables in")] if path.startswith("/") else []
    yield from of_variables(dict(_pairs(said, "Environment")))
    for key, verb in (
        ("RootDirectory", "runs from"),
        ("RootImage", "runs from"),
        ("ExecSearchPath", "runs programs from"),
    ):
        for value in said.get(key, ()):
            yield from (Use(path, verb) for path in value.lstrip("-").split(":") if path.startswith("/"))
    for path in (
        word.lstrip("-") for value in said.get("ExtensionDirectories", ()) for word in value.split()
    ):
        yield Use(path, "runs programs from")
    for key in ("BindPaths", "BindReadOnlyPaths"):
        for pair in (word for value in said.get(key, ()) for word in value.split()):
            source, _, place = pair.lstrip("-").partition(":")
            if place and is_relevant(place.partition(":")[0]):
                yield Use(source, f"mounts over {place.partition(':')[0]}")


def _open_shell(name: str, said: Mapping[str, list[str]], commands: Sequence[str]) -> Iterator[Grant]:
    """A shell of root's that waits at a socket or a terminal."""
    where = _last(said, "StandardInput")
    if where not in ("socket", "tty", "tty-force", "tty-fail"):
        return
    for words in map(_argv, commands):
        if (
            words
            and words[0].rpartition("/")[2] in SHELLS
            and all(word.startswith("-") for word in words[1:])
        ):
            yield Grant(
                EVERYBODY, f"{name} starts a shell of root's at its {where.partition('-')[0]}", Rank.UID
            )


def _given(name: str, user: str, said: Mapping[str, list[str]]) -> Iterator[Grant]:
    """Capabilities and groups that a user's processes get from the unit."""
    names = {
        word.lower() for value in said.get("AmbientCapabilities", ()) for word in value.lstrip("~").split()
    }
    inverted = any(value.startswith("~") for value in said.get("AmbientCapabilities", ()))
    powerful = sorted((CAPABILITIES - names) if inverted else names & CAPABILITIES)
    if powerful:
        told = ", ".join(word.upper() for word in powerful[:3]) + (" and more" if len(powerful) > 3 else "")
        yield Grant(user, f"{name} runs as {user} with {told}", Rank.CAPABILITY)
    groups = {
        word
        for key in ("SupplementaryGroups", "Group")
        for value in said.get(key, ())
        for word in value.split()
    }
    for group in sorted(groups):
        if group in ROOT_GROUPS:
            yield Grant(user, f"{name} runs as {user} in the {ROOT_GROUPS[group]}", Rank.GROUP)
        elif group in LIKELY_IN_UNITS:
            yield Grant(user, f"{name} runs as {user} in the {LIKELY_IN_UNITS[group]}", likely=True)


def _owned(name: str, user: str, said: Mapping[str, list[str]]) -> Iterator[Grant]:
    """Directories of the system that systemd gives to a user with all that is in them (systemd.exec(5))."""
    for directive, top in _OWNED.items():
        for word in (word for value in said.get(directive, ()) for word in value.split()):
            path = f"{top}/{word.partition(':')[0]}"
            if system_tree(path) or root_runs(path) or is_relevant(path):
                yield Grant(user, f"{name} makes {path} {user}'s own", Rank.WRITES)


def _covered(name: str, user: str, said: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what a user's processes see in place of files that su and sudo trust, which they may start."""
    if _last(said, "NoNewPrivileges") in _YES or said.get("RootDirectory") or said.get("RootImage"):
        return
    pairs = [
        pair
        for key in ("BindPaths", "BindReadOnlyPaths")
        for value in said.get(key, ())
        for pair in value.split()
    ]
    pairs += [f"{path}:/usr" for value in said.get("ExtensionDirectories", ()) for path in value.split()]
    for source, _, rest in (pair.lstrip("-").partition(":") for pair in pairs):
        place = rest.partition(":")[0]
        if place and place != source and trusted(place):
            yield Use(source, f"trusts for {name} at {place} what is in", likely=True)
            yield Grant(
                user, f"{name} runs as {user} with {source} in place of {place}, which su and sudo trust"
            )


def _handed_on(name: str, user: str, said: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what systemd reads as root and gives to a user's processes.

    This is a secret, or whatever a link of that user's leads to.
    """
    variables = [value.lstrip("-") for value in said.get("EnvironmentFile", ())]
    standard = _last(said, "StandardInput").removeprefix("file:")
    opened = [value.partition(":")[2].partition(":")[0] for value in said.get("LoadCredential", ())]
    opened += [value.partition(":")[0] for value in said.get("OpenFile", ())] + [standard]
    for path in dict.fromkeys(path for path in (*variables, *opened) if path.startswith("/")):
        if secret(path, user):
            yield Grant(user, f"{name} hands {user} what is in {path}", Rank.GROUP)
    for path in dict.fromkeys(path for path in opened if path.startswith("/")):
        yield Use(path, f"reads for {user} what is at", only=user)


def _mount(said: Mapping[str, list[str]]) -> Iterator[Use]:
    source, place = _last(said, "What"), _last(said, "Where")
    if (
        source.startswith("/")
        and place
        and "bind" in _last(said, "Options").split(",")
        and is_relevant(place)
    ):
        yield Use(source, f"mounts over {place}")


def _socket(name: str, said: Mapping[str, list[str]]) -> Iterator[Grant]:
    """The socket of a daemon that does root's work for whoever reaches it."""
    if not _POWERFUL_SOCKETS.fullmatch(name) or not {"SocketMode", "SocketGroup", "SocketUser"} & said.keys():
        return
    mode = _last(said, "SocketMode") or "0666"
    if re.fullmatch(r"[0-7]{3,4}", mode) and int(mode, 8) & 0o002:
        yield Grant(EVERYBODY, f"{name} is open to everybody", Rank.GROUP)
    group, user = _last(said, "SocketGroup"), _last(said, "SocketUser")
    if group and group not in POWERFUL:
        yield Grant(f"%{group}", f"{name} is open to the group {group}", Rank.GROUP)
    if user not in _ROOT:
        yield Grant(user, f"{name} is open to {user}", Rank.GROUP)


def manager(text: str) -> Iterator[Reading]:
    """The variables that systemd gives to every service (systemd-system.conf(5))."""
    said = directives([text])
    yield from of_variables(dict(_pairs(said, "DefaultEnvironment", "ManagerEnvironment")))


def dbus_service(text: str) -> Iterator[Reading]:
    """A service that D-Bus starts, as root if it says so."""
    said = directives([text])
    if _last(said, "User") in _ROOT:
        yield from (reading for value in said.get("Exec", ()) for reading in of_words(_argv(value)))
