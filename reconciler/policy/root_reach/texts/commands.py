"""Commands and shell texts that root runs, and those among them that hand root over by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_commands import commands, run_files, text_files, variable_files
from reconciler.policy.access.ways import EVERYBODY, Rank
from reconciler.policy.root_reach.texts.handing import handed, served
from reconciler.policy.root_reach.texts.values import CAPABILITIES, POWERFUL, Grant, Mention, Reading, Use

SPECIFICATIONS = (".yaml", ".yml")

_HANDS_OUT = Late(
    r"sudoers|NOPASSWD|authorized_keys|/etc/(?:passwd|shadow|group|doas)|visudo|chpasswd|polkit|docker\.sock"
)
_SETUID = Late(r"(?:u|a|ug)?\+[rwx]*s|0?[2467][0-7]{3}")
_MEMBER_OPTION = Late(r"-\w*G|--groups|-a|--add|-aG|-G")


def of_text(text: str, directory: str = "", variables: Mapping[str, str] | None = None) -> Iterator[Reading]:
    """Yield what root uses by a text of the shell that it runs, and whom the text makes root."""
    yield from (Use(path) for path in text_files(text, directory, variables=variables))
    for command in commands(text, directory, variables):
        yield from of_command(command.words)
        yield from handed(command.words, command.directory)
    yield from served(text)
    if _HANDS_OUT.search(text):
        yield Mention(text)


def of_words(words: Sequence[str], directory: str = "") -> Iterator[Reading]:
    """Yield what root uses by an argv that it runs, and whom the argv makes root."""
    yield from (
        Use(path, "applies" if path.endswith(SPECIFICATIONS) else "runs")
        for path in run_files(words, directory)
    )
    text = next((words[at + 1] for at, word in enumerate(words[:-1]) if re.fullmatch(r"-[a-z]*c", word)), "")
    yield from of_command(words)
    yield from handed(words, directory)
    if text:
        yield from (reading for reading in of_text(text, directory) if not isinstance(reading, Use))
    elif _HANDS_OUT.search(" ".join(words)):
        yield Mention(" ".join(words))


def of_variables(variables: Mapping[str, str]) -> Iterator[Reading]:
    """Yield what root loads by variables in the environment of its processes."""
    yield from (Use(path, "loads what is in") for path in variable_files(variables))


def of_command(words: Sequence[str]) -> Iterator[Grant]:
    """Yield whom a command of root's makes root: by a membership, a setuid bit, the number 0, an open
    shell.
    """
    if not words:
        return
    name, arguments = words[0].rpartition("/")[2], list(words[1:])
    reader = _COMMANDS.get(name)
    if reader is not None:
        yield from reader(arguments)


def _member(arguments: list[str]) -> Iterator[Grant]:
    """usermod -aG sudo eve, gpasswd -a eve docker, adduser eve sudo."""
    plain = [word for word in arguments if not word.startswith("-")]
    groups = {group for word in plain for group in word.split(",") if group in POWERFUL}
    for who in (word for word in plain if groups and not groups.intersection(word.split(","))):
        yield Grant(who, f"root makes them a member of {', '.join(sorted(groups))}", Rank.GROUP)
    if plain and _sets_uid_0(arguments):
        yield Grant(plain[-1], "root gives them the number 0", Rank.UID)


def _sets_uid_0(arguments: list[str]) -> bool:
    return not {"--uid=0", "-u0"}.isdisjoint(arguments) or any(
        following.strip("'\"") == "0" and (word == "--uid" or re.fullmatch(r"-[a-zA-Z]*u", word))
        for word, following in pairwise(arguments)
    )


def _chmod(arguments: list[str]) -> Iterator[Grant]:
    if len(arguments) > 1 and _SETUID.fullmatch(
        next((word for word in arguments if not word.startswith("-")), "")
    ):
        yield Grant(EVERYBODY, f"root sets the setuid bit of {arguments[-1]}", Rank.SETUID)


def _setcap(arguments: list[str]) -> Iterator[Grant]:
    names = {name for word in arguments[:-1] for name in re.findall(r"cap_\w+", word)} & CAPABILITIES
    yield from (
        [Grant(EVERYBODY, f"root gives {arguments[-1]} {', '.join(sorted(names))}", Rank.SETUID)]
        if names
        else []
    )


def _passwd(arguments: list[str]) -> Iterator[Grant]:
    if arguments[-1:] == ["root"] and any(word in ("-d", "--delete") for word in arguments):
        yield Grant(EVERYBODY, "root's password is emptied", Rank.UID)


def _getty(arguments: list[str]) -> Iterator[Grant]:
    if (
        any(
            arguments[at : at + 2] in (["--autologin", "root"], ["-a", "root"])
            for at in range(len(arguments))
        )
        or "--autologin=root" in arguments
    ):
        yield Grant(EVERYBODY, "a terminal logs root in without a password", Rank.UID)


def _netcat(arguments: list[str]) -> Iterator[Grant]:
    if any(word in ("-e", "-c", "--exec", "--sh-exec") for word in arguments):
        yield Grant(EVERYBODY, "root hands a command to whoever connects", Rank.UID)


def _socat(arguments: list[str]) -> Iterator[Grant]:
    if any(re.match(r"(?:EXEC|SYSTEM|SHELL):", word, re.IGNORECASE) for word in arguments):
        yield Grant(EVERYBODY, "root hands a command to whoever connects", Rank.UID)


def _install(arguments: list[str]) -> Iterator[Grant]:
    modes = [after for word, after in pairwise(arguments) if word in ("-m", "--mode")] + [
        word[7:] for word in arguments if word.startswith("--mode=")
    ]
    yield from _chmod([modes[-1], arguments[-1]]) if modes else ()


def _shared(arguments: list[str]) -> Iterator[Grant]:
    if arguments and not {"-c", "--credential", "-A", "--ssl-ca"}.intersection(arguments):
        yield Grant(EVERYBODY, "root hands a terminal to whoever connects", Rank.UID)


def _notebooks(arguments: list[str]) -> Iterator[Grant]:
    if "--allow-root" in arguments:
        by = "notebooks run as root for whoever has their token or password, or needs none"
        yield Grant(EVERYBODY, by, likely=True)


def _python(arguments: list[str]) -> Iterator[Grant]:
    """python -m jupyterlab --allow-root."""
    module = next((after for word, after in pairwise(arguments) if word == "-m"), "")
    yield from _notebooks(arguments) if module.startswith(("jupyter", "notebook")) else ()


def _dockerd(arguments: list[str]) -> Iterator[Grant]:
    if "tcp://" in " ".join(arguments) and not any(word.startswith("--tlsverify") for word in arguments):
        yield Grant(EVERYBODY, "docker listens on the network without a certificate", Rank.GROUP)


_COMMANDS = {
    **dict.fromkeys(("usermod", "gpasswd", "adduser", "useradd", "addgroup", "groupmems"), _member),
    **dict.fromkeys(("agetty", "getty", "mingetty"), _getty),
    **dict.fromkeys(("nc", "ncat", "netcat", "nc.traditional"), _netcat),
    **dict.fromkeys(
        ("jupyter", "jupyter-lab", "jupyter-notebook", "jupyter-server", "jupyter-nbclassic"), _notebooks
    ),
    **dict.fromkeys(("python", "python3"), _python),
    "chmod": _chmod,
    "dockerd": _dockerd,
    "install": _install,
    "ttyd": _shared,
    "setcap": _setcap,
    "passwd": _passwd,
    "socat": _socat,
}
