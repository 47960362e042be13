"""Units of systemd: what they run as root, and what they give to a user who is not root (systemd.exec(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_programs import SHELLS
from reconciler.formats.systemd.specifiers import expanded
from reconciler.policy.access.group_powers import LIKELY_IN_UNITS, ROOT_GROUPS
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.places import is_relevant
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.setuid_trust import trusted
from reconciler.policy.root_reach.texts.commands import of_variables, of_words
from reconciler.policy.root_reach.texts.values import CAPABILITIES, POWERFUL, Grant, Reading, Use, as_account
from reconciler.policy.system_trees import root_runs, system_tree

_FOR_ALL = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108  # nothing is put there
_NO_COMMANDS = ("Exec", "ExecPaths", "ExecSearchPath")
_OWNED = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
}
_WITH_PATHS = (*_OWNED, "BindPaths", "BindReadOnlyPaths", "StandardOutput", "StandardError", "LoadCredential")
_POWERFUL_SOCKETS = Late(r"(?:docker|podman|containerd|lxd|incus|libvirtd|crio|virtqemud)[\w-]*\.socket")
_ROOT = ("", "root", "0")
_YES = ("yes", "true", "on", "1", "y", "t")
_CONTINUED = Late(r"[ \t]*\\\n[ \t]*")
_LINE = Late(
    r"^[ \t]*(Exec\w+|User|Group|DynamicUser|SupplementaryGroups|AmbientCapabilities|Environment"
    r"|EnvironmentFile|WorkingDirectory|LoadCredential|OpenFile|ExtensionDirectories|NoNewPrivileges|(?:State|Cache|Logs|Runtime)Directory"
    r"|Root(?:Directory|Image)|Bind(?:ReadOnly)?Paths|Standard(?:Input|Output|Error)"
    r"|What|Where|Options"
    r"|Socket(?:Mode|Group|User)|DefaultEnvironment|ManagerEnvironment|Exec)[ \t]*=(.*)$",
    re.MULTILINE,
)


def directives(texts: Sequence[str]) -> Mapping[str, list[str]]:
    """The values of the directives that count here, from a unit and its drop-ins in order; an empty value
    takes back those before it.
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        for line in _LINE.finditer(_CONTINUED.sub(" ", text) if "\\\n" in text else text):
            name, value = line[1], line[2].strip()
            if value:
                values.setdefault(name, []).append(value)
            else:
                values.pop(name, None)
    return values


def unit(name: str, texts: Sequence[str]) -> Iterator[Reading]:
    """Yield what root uses by a unit, and whom the unit makes root.

    `name` has its suffix; `texts` are those of its file and drop-ins, in the order that counts.
    """
    settings = directives(texts)
    user = _last(settings, "User")
    is_root = user in _ROOT and _last(settings, "DynamicUser") not in ("yes", "true", "on", "1")
    directory = _last(settings, "WorkingDirectory").lstrip("-").replace("~", "/root")
    commands = [
        command
        for key in settings
        if key.startswith("Exec") and key not in _NO_COMMANDS
        for command in settings[key]
    ]
    of_root = [command for command in commands if is_root or _is_privileged(command)]
    account = "root" if is_root else user or name.partition(".")[0].partition("@")[0]
    variables = dict(_pairs(settings, "Environment"))
    settings = {
        key: [expanded(value, name) for value in values] if key in _WITH_PATHS else values
        for key, values in settings.items()
    }
    for command in commands:
        words = [_expanded(word, variables) for word in _argv(command)]
        yield from as_account(of_words(words, directory), "root" if command in of_root else account)
    if of_root:
        yield from _surroundings(settings)
        yield from _open_shell(name, settings, of_root)
    elif commands:
        yield from as_account(_surroundings(settings), account)
    if not is_root:
        yield from _privileges(name, account, settings)
        yield from _owned(name, account, settings)
        yield from _covered(name, account, settings)
        yield from _handed_on(name, account, settings)
    yield from _outputs(name, account, settings)
    yield from _mount(settings)
    yield from _socket(name, settings)


def user_unit(text: str) -> Iterator[Reading]:
    """A unit of the manager of one account, which runs as that account."""
    yield from unit("a user unit", [text])


def _last(settings: Mapping[str, list[str]], name: str) -> str:
    values = settings.get(name)
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


def _pairs(settings: Mapping[str, list[str]], *keys: str) -> Iterator[tuple[str, str]]:
    for word in (word for key in keys for value in settings.get(key, ()) for word in _quoted(value)):
        name, _, value = word.partition("=")
        yield name, value


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """A word with the variables of the unit itself, which systemd or a shell puts in their place."""
    return (
        re.sub(r"\$\{?(\w+)\}?", lambda match: variables.get(match[1], match[0]), word)
        if "$" in word
        else word
    )


def _surroundings(settings: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what decides, beside the command line, what runs: variables, files of them, another root,
    mounts.
    """
    for value in settings.get("EnvironmentFile", ()):
        path = value.lstrip("-").partition("*")[0]
        yield from [Use(path.rstrip("/"), "reads the variables in")] if path.startswith("/") else []
    yield from of_variables(dict(_pairs(settings, "Environment")))
    for key, verb in (
        ("RootDirectory", "runs from"),
        ("RootImage", "runs from"),
        ("ExecSearchPath", "runs programs from"),
    ):
        for value in settings.get(key, ()):
            yield from (Use(path, verb) for path in value.lstrip("-").split(":") if path.startswith("/"))
    for path in (
        word.lstrip("-") for value in settings.get("ExtensionDirectories", ()) for word in value.split()
    ):
        yield Use(path, "runs programs from")
    for key in ("BindPaths", "BindReadOnlyPaths"):
        for pair in (word for value in settings.get(key, ()) for word in value.split()):
            source, _, destination = pair.lstrip("-").partition(":")
            if destination and is_relevant(destination.partition(":")[0]):
                yield Use(source, f"mounts over {destination.partition(':')[0]}")


def _open_shell(name: str, settings: Mapping[str, list[str]], commands: Sequence[str]) -> Iterator[Grant]:
    """Yield everybody where a shell of root's waits at a socket or a terminal."""
    where = _last(settings, "StandardInput")
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


def _privileges(name: str, user: str, settings: Mapping[str, list[str]]) -> Iterator[Grant]:
    """Capabilities and groups that a user's processes get from the unit."""
    names = {
        word.lower()
        for value in settings.get("AmbientCapabilities", ())
        for word in value.lstrip("~").split()
    }
    inverted = any(value.startswith("~") for value in settings.get("AmbientCapabilities", ()))
    powerful = sorted((CAPABILITIES - names) if inverted else names & CAPABILITIES)
    if powerful:
        capabilities = ", ".join(word.upper() for word in powerful[:3]) + (
            " and more" if len(powerful) > 3 else ""
        )
        yield Grant(user, f"{name} runs as {user} with {capabilities}", Rank.CAPABILITY)
    groups = {
        word
        for key in ("SupplementaryGroups", "Group")
        for value in settings.get(key, ())
        for word in value.split()
    }
    for group in sorted(groups):
        if group in ROOT_GROUPS:
            yield Grant(user, f"{name} runs as {user} in the {ROOT_GROUPS[group]}", Rank.GROUP)
        elif group in LIKELY_IN_UNITS:
            yield Grant(user, f"{name} runs as {user} in the {LIKELY_IN_UNITS[group]}", likely=True)


def _owned(name: str, user: str, settings: Mapping[str, list[str]]) -> Iterator[Grant]:
    """Directories of the system that systemd gives to a user with all that is in them (systemd.exec(5))."""
    for directive, top in _OWNED.items():
        for word in (word for value in settings.get(directive, ()) for word in value.split()):
            path = f"{top}/{word.partition(':')[0].strip('/')}"
            if system_tree(path) or root_runs(path) or is_relevant(path):
                yield Grant(user, f"{name} makes {path} {user}'s own", Rank.WRITES)


def _covered(name: str, user: str, settings: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what a user's processes, which may start su and sudo, see in place of files that these trust."""
    if (
        _last(settings, "NoNewPrivileges") in _YES
        or settings.get("RootDirectory")
        or settings.get("RootImage")
    ):
        return
    pairs = [
        pair
        for key in ("BindPaths", "BindReadOnlyPaths")
        for value in settings.get(key, ())
        for pair in value.split()
    ]
    pairs += [f"{path}:/usr" for value in settings.get("ExtensionDirectories", ()) for path in value.split()]
    for source, _, mounted in (pair.lstrip("-").partition(":") for pair in pairs):
        destination = mounted.partition(":")[0]
        if destination and destination != source and trusted(destination):
            yield Use(source, f"trusts for {name} at {destination} what is in", likely=True)
            yield Grant(
                user,
                f"{name} runs as {user} with {source} in place of {destination}, which su and sudo trust",
            )


def _handed_on(name: str, user: str, settings: Mapping[str, list[str]]) -> Iterator[Reading]:
    """Yield what systemd reads as root and gives to a user's processes: a secret, or whatever a link of that
    user's leads to.
    """
    variables = [value.lstrip("-") for value in settings.get("EnvironmentFile", ())]
    standard = _last(settings, "StandardInput").removeprefix("file:")
    opened = [value.partition(":")[2].partition(":")[0] for value in settings.get("LoadCredential", ())]
    opened += [value.partition(":")[0] for value in settings.get("OpenFile", ())] + [standard]
    for path in dict.fromkeys(path for path in (*variables, *opened) if path.startswith("/")):
        if secret(path, user):
            yield Grant(user, f"{name} hands {user} what is in {path}", Rank.GROUP)
    for path in dict.fromkeys(path for path in opened if path.startswith("/")):
        yield Use(path, f"reads for {user} what is at", only=user)


def _outputs(name: str, account: str, settings: Mapping[str, list[str]]) -> Iterator[Use]:
    """Yield the directories of files that systemd opens as root, through links, for the output of whichever
    account (systemd.exec(5)).

    In the directories for everybody the kernel follows no link of others (fs.protected_symlinks).
    """
    for directive in ("StandardOutput", "StandardError"):
        kind, _, path = _last(settings, directive).partition(":")
        directory = path.partition("%")[0].rpartition("/")[0]
        if kind in ("file", "append", "truncate") and directory and not f"{path}/".startswith(_FOR_ALL):
            words = f"opens {path} for the output of {name}, and follows a link in"
            yield Use(directory, words, likely=account == "root")


def _mount(settings: Mapping[str, list[str]]) -> Iterator[Use]:
    source, mount_point = _last(settings, "What"), _last(settings, "Where")
    if (
        source.startswith("/")
        and mount_point
        and "bind" in _last(settings, "Options").split(",")
        and is_relevant(mount_point)
    ):
        yield Use(source, f"mounts over {mount_point}")


def _socket(name: str, settings: Mapping[str, list[str]]) -> Iterator[Grant]:
    """The socket of a daemon that does root's work for whoever reaches it."""
    if (
        not _POWERFUL_SOCKETS.fullmatch(name)
        or not {"SocketMode", "SocketGroup", "SocketUser"} & settings.keys()
    ):
        return
    mode = _last(settings, "SocketMode") or "0666"
    if re.fullmatch(r"[0-7]{3,4}", mode) and int(mode, 8) & 0o002:
        yield Grant(EVERYBODY, f"{name} is open to everybody", Rank.GROUP)
    group, user = _last(settings, "SocketGroup"), _last(settings, "SocketUser")
    if group and group not in POWERFUL:
        yield Grant(f"%{group}", f"{name} is open to the group {group}", Rank.GROUP)
    if user not in _ROOT:
        yield Grant(user, f"{name} is open to {user}", Rank.GROUP)


def manager(text: str) -> Iterator[Reading]:
    """The variables that systemd gives to every service (systemd-system.conf(5))."""
    settings = directives([text])
    yield from of_variables(dict(_pairs(settings, "DefaultEnvironment", "ManagerEnvironment")))


def dbus_service(text: str) -> Iterator[Reading]:
    """A service that D-Bus starts, as root if it says so."""
    settings = directives([text])
    if _last(settings, "User") in _ROOT:
        yield from (reading for value in settings.get("Exec", ()) for reading in of_words(_argv(value)))
