"""Warnings about probable mistakes in a service that is valid and works; they need the spec alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.address import Address
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.secrets.plain import is_plain, may_hide_arguments
from reconciler.core.spec import Declared, Spec
from reconciler.kinds.shared import ownership

Directives = Mapping[str, Mapping[str, str | list[str]]]

_ANYBODYS = ("/home/", "/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/")  # noqa: S108  # what is looked for
_INTERPRETERS = ("sh", "bash", "dash", "python", "python3", "perl", "ruby", "node")
_OTHERS_READ, _OTHERS_WRITE = 0o004, 0o022


def lint(
    declared: Declared, directives: Directives, commands: Sequence[str | list[str]], user: str | None
) -> Iterator[Diagnostic]:
    """Warn of deprecated directives, secrets that everybody can read, root's programs among users' files."""
    where = {"address": declared.address, "source": declared.source}
    for text in _deprecated(directives):
        yield warning(
            "deprecated directive",
            f"{text}. systemd still takes it today.",
            rule="deprecated-directive",
            **where,
        )
    for text in _public_secrets(directives, commands):
        yield warning("secret where every user can read it", text, rule="secret-command", **where)
    if runs_as_root(user, directives):
        for path in dict.fromkeys(program for command in commands for program in programs(command)):
            if path.startswith(_ANYBODYS):
                detail = (
                    f"{path} is where ordinary users write, and {declared.address} runs it as root: move it"
                    " to /opt or /usr/local."
                )
                yield warning("root runs what a user can replace", detail, rule="root-program", **where)


def runs_as_root(user: str | None, directives: Directives) -> bool:
    """Whether a service runs as root: neither its user nor DynamicUser= says otherwise."""
    return user in (None, "", "root", "0") and directives.get("Service", {}).get("DynamicUser", "no") in (
        "no",
        "false",
        "0",
        "off",
    )


def programs(command: str | list[str]) -> Iterator[str]:
    """Yield the absolute paths of the program of a command and, for an interpreter, of its script."""
    words = command if isinstance(command, list) else command.lstrip("-@:+!|").split()
    if words and words[0].startswith("/"):
        yield words[0]
        if words[0].rpartition("/")[2] in _INTERPRETERS and len(words) > 1 and words[1].startswith("/"):
            yield words[1]


def _deprecated(directives: Directives) -> Iterator[str]:
    if not directives:
        return
    from reconciler.formats.systemd.directives import deprecated

    for names in directives.values():
        for name, value in names.items():
            for setting in value if isinstance(value, list) else [value]:
                if text := deprecated(name, setting):
                    yield text


def _public_secrets(directives: Directives, commands: Iterable[str | list[str]]) -> Iterator[str]:
    """Yield details of secrets that all can see: `systemctl show` has the unit file, `ps` the commands."""
    for command in commands:
        if _looks_secret(command):
            yield (
                "A command seems to have a secret in it, which any user can read with ps: use"
                " `load_credential` or `environment_file`."
            )
            break
    if "SetCredential" in directives.get("Service", {}):
        yield (
            "SetCredential is in the unit file, which any user can read. Use `load_credential` or"
            " SetCredentialEncrypted."
        )


def _looks_secret(command: str | list[str]) -> bool:
    """Whether a command has the shape of a secret in it; a list is also judged word by word."""
    words = command.split() if isinstance(command, str) else command
    text = " ".join(words)
    if is_plain(text) and not may_hide_arguments(words):
        return False
    from reconciler.core.secrets.masking import holds_secret, secret_arguments

    if isinstance(command, str):
        return holds_secret(command)
    return holds_secret(text) or any(True for _ in secret_arguments(command))


# ------------------------------------------------------------------------------------------- across resources


def lint_spec(
    spec: Spec, services: Iterable[tuple[Declared, Sequence[str], Sequence[str], Sequence[str]]]
) -> Iterator[Diagnostic]:
    """Lint services against the other blocks of the spec.

    Each service comes with the programs that root runs, its credentials and its environment files.
    """
    declared = {block.address: block for block in spec.resources}
    for service, run, credentials, environments in services:
        where = {"address": service.address, "source": service.source}
        for path in credentials:
            if _readable(declared.get(Address("files", path))):
                yield warning(
                    "credential that every user can read",
                    readable_credential(path),
                    rule="readable-credential",
                    **where,
                )
        for path in environments:
            file = declared.get(Address("files", path))
            if _readable(file) and file is not None and _holds_secret(file):
                detail = (
                    f"{path} has what looks like a secret in it, and its mode lets every user read it: write"
                    ' `mode: "0600"`.'
                )
                yield warning("secret that every user can read", detail, rule="readable-secret", **where)
        for path in run:
            for candidate in (path, *ownership.parents(path)):
                problem = _writable(
                    declared.get(Address("files", candidate))
                    or declared.get(Address("directories", candidate))
                )
                if problem:
                    yield warning(
                        "root runs what a user can replace",
                        replaceable(path, candidate, problem),
                        rule="root-program",
                        **where,
                    )
                    break


def readable_credential(path: str) -> str:
    """The detail of the warning about a credential's source that everybody may read."""
    return f"{path} can be read by every user, so it is no secret to anybody: its mode should be 0600."


def replaceable(program: str, path: str, problem: str) -> str:
    """The detail of the warning about a program of root's that others can write, or replace in `path`."""
    about = "it" if path == program else path
    return (
        f"Root runs {program}, and {about} {problem}: whoever that is becomes root. It should be root's, and"
        " writable by root only."
    )


def writable(owner: str, group: str, mode: str) -> str:
    """Who besides root can write to a path of this owner, group and mode (octal digits); empty for nobody."""
    bits = int(mode or "0", 8)
    if owner != "root":
        return f"belongs to {owner}"
    if bits & 0o1000:  # sticky: others can add, but not replace
        return ""
    if bits & 0o002:
        return "can be written by every user"
    return f"can be written by the group {group}" if bits & _OTHERS_WRITE and group != "root" else ""


def readable(mode: str) -> bool:
    """Whether everybody may read a file of this mode."""
    return bool(int(mode or "0", 8) & _OTHERS_READ)


def _readable(file: Declared | None) -> bool:
    return file is not None and readable(getattr(file.resource, "mode", ""))


def _writable(block: Declared | None) -> str:
    if block is None:
        return ""
    owner, group = (getattr(block.resource, name, "root") for name in ("owner", "group"))
    return writable(owner, group, getattr(block.resource, "mode", ""))


def _holds_secret(file: Declared) -> bool:
    source, content = getattr(file.resource, "source", None), getattr(file.resource, "content", None)
    text = file.sources.get(source, b"").decode("utf-8", "replace") if source else content or ""
    from reconciler.core.secrets.masking import holds_secret

    return holds_secret(text)
