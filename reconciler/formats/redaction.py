"""The part that a snapshot keeps of files that are not ours: the facts that a plan asks for, and nothing
else.

Each function takes the text of a file and returns a text in which the rest of the program reads the same
facts. None: nothing can be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from reconciler.core.secrets.masking import holds_secret
from reconciler.formats import fstab, logrotate
from reconciler.formats.accounts import nsswitch, profile
from reconciler.formats.accounts.users import parse_ranges
from reconciler.formats.packages import dpkg_status
from reconciler.formats.ssh import authorized_keys, key_options, sshd_config
from reconciler.formats.sudo import policy
from reconciler.formats.systemd import unit
from reconciler.formats.systemd.unit_refusals import COMMANDS, DECIDING, NAMED, commands

SET = "(set)"
"""Stands for a password: somebody can use it."""

_NO_PASSWORD = frozenset(("", "x", "*", "!", "!!", "!*"))
_NUMBERS = re.compile(r"^[ \t]*[A-Z_]+[ \t]+(?:0|[1-9][0-9]*)(?=[ \t]*(?:#|$))", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_SHELL = re.compile(r"/[!-~]*")
_TOLD = DECIDING | {
    *(
        "After",
        "Before",
        "BindTo",
        "BindsTo",
        "Conflicts",
        "PartOf",
        "PropagateReloadFrom",
        "PropagateReloadTo",
        "PropagatesReloadTo",
    ),
    *(
        "PropagatesStopTo",
        "RefuseManualStart",
        "RefuseManualStop",
        "ReloadPropagatedFrom",
        "Requires",
        "RequiresOverridable",
        "Requisite",
    ),
    *(
        "RequisiteOverridable",
        "Service",
        "SourcePath",
        "StopPropagatedFrom",
        "StopWhenUnneeded",
        "Unit",
        "Upholds",
        "Wants",
    ),
}
"""The directives that tie a unit to others or decide about its jobs: unit names and closed words."""
_NOTED = DECIDING | NAMED | {"ExecReload"}
_PLAIN = re.compile(r"[A-Za-z0-9_.@:/~ -]*")
"""A closed word, the name of a unit, or a path."""
_TIMER = re.compile(r"[ \t]*On(?:Calendar|Unit(?:In)?ActiveSec)[ \t]*=[^\n\\]*")
_HARMLESS = frozenset(
    (
        "cert-authority",
        "expiry-time",
        "from",
        "permitlisten",
        "permitopen",
        "principals",
        "restrict",
        "tunnel",
    )
)
"""Options of keys whose value is no secret; the value of `command` or `environment` can be one."""


def passwords(text: str) -> str:
    """passwd(5), shadow(5), group(5), gshadow(5) without passwords: only whether there is one, and whether it
    is locked.
    """
    rows = (line.split(":") for line in text.split("\n") if ":" in line and not line.startswith("#"))
    return "".join(":".join([row[0], _password(row[1]), *row[2:]]) + "\n" for row in rows)


def _password(field: str) -> str:
    if field in _NO_PASSWORD:
        return field
    return f"!{SET}" if field.startswith("!") and field.lstrip("!") else "!" if field.startswith("!") else SET


def numbers(text: str) -> str:
    """login.defs(5): the settings that are numbers."""
    return "".join(f"{match[0].strip()}\n" for match in _NUMBERS.finditer(text))


def ranges(text: str) -> str:
    """The entries of subuid(5) or subgid(5)."""
    return "".join(f"{row.name}:{row.first}:{row.count}\n" for row in parse_ranges(text))


def shells(text: str) -> str:
    """The paths in /etc/shells."""
    return "".join(f"{line}\n" for line in text.split("\n") if _SHELL.fullmatch(line))


def hostname(text: str) -> str:
    """The name in /etc/hostname."""
    lines = (line.strip() for line in text.split("\n"))
    name = next((line for line in lines if line and not line.startswith("#")), "")
    return f"{name}\n" if _NAME.fullmatch(name) else ""


def only(*lines: str) -> Callable[[str], str]:
    """The function that keeps only these lines of ours of a shared file, as far as it has them."""
    return lambda text: "".join(f"{line}\n" for line in lines if line in text.splitlines())


def same(ours: str) -> Callable[[str], str]:
    """The function that keeps a file that has exactly this text, and nothing of any other."""
    return lambda text: text if text == ours else ""


def policies(text: str) -> str | None:
    """logrotate.conf(5): the logs that have a policy, and the included files."""
    config = logrotate.parse(text)
    patterns = [pattern for stanza in config.stanzas for pattern in stanza.patterns]
    included = [value for name, value, _ in config.directives if name == "include"]
    if any(set(word) & set("\"'\\{}\n") for word in (*patterns, *included)):
        return None
    excerpt_text = "".join(f"include {value}\n" for value in included) + "".join(
        f'"{pattern}" {{\n}}\n' for pattern in patterns
    )
    again = logrotate.parse(excerpt_text)
    return (
        excerpt_text
        if [pattern for stanza in again.stanzas for pattern in stanza.patterns] == patterns
        else None
    )


def times(text: str) -> str:
    """systemd.timer(5): the lines that say when it elapses."""
    return "".join(f"{line}\n" for line in text.splitlines() if _TIMER.fullmatch(line))


def keys(text: str, ours: Collection[str]) -> tuple[str, bool] | None:
    """authorized_keys: the keys with their options and comments, and whether a comment was left out because
    it looks like a secret.

    None if a line is no key, or an option of a key that is not ours could hold a secret. `ours` are the
    fingerprints of our keys.
    """
    lines: list[str] = []
    shortened = False
    for line in (line.removesuffix("\r") for line in text.split("\n")):
        if authorized_keys.is_idle(line):
            continue
        key = authorized_keys.read(line)
        if key is None or (
            key.fingerprint not in ours and any(not _is_harmless(name) for name, _ in key.options)
        ):
            return None
        short = replace(key, comment="").render() if key.comment and holds_secret(key.comment) else line
        shortened = shortened or short != line
        lines.append(f"{short}\n")
    return "".join(lines), shortened


def _is_harmless(option: str) -> bool:
    return (
        option in _HARMLESS
        or option.removeprefix("no-") in key_options.FLAGS
        or option in ("no-touch-required", "verify-required")
    )


FACTS: Mapping[str, Callable[[str], str]] = {
    "/etc/passwd": passwords,
    "/etc/group": passwords,
    "/etc/shadow": passwords,
    "/etc/gshadow": passwords,
    "/etc/subuid": ranges,
    "/etc/subgid": ranges,
    "/etc/login.defs": numbers,
    "/etc/shells": shells,
    "/etc/hostname": hostname,
    dpkg_status.PATH: dpkg_status.outline,
}
"""Files that hold facts, each with the function that makes the text that HostView.read returns from a
snapshot, whoever owns them.
"""

_UNITS = (
    r"/(?:etc|run|usr/lib|usr/local/lib)/systemd/(?:system|system\.control|generator|generator\.late)"
    r"/[^/]+\.(?:service|socket|timer|path|target|mount|swap|slice)"
)


def package_unit(text: str) -> str:
    """A unit file that is not ours: the directives that enable it, tell whether it ends by itself and can be
    reloaded, and may make systemd refuse it.
    """
    return _unit(text, names=False)


def drop_in(text: str) -> str:
    """A drop-in that is not ours: as `package_unit`, and the names of its other directives."""
    return _unit(text, names=True)


def _unit(text: str, *, names: bool) -> str:
    lines: list[str] = []
    for section, directives in unit.as_written(text).items():
        if section == unit.STRAY:
            continue
        lines.append(f"[{section}]")
        for name, values in directives.items():
            for value in [values] if isinstance(values, str) else values:
                if section == "Install" or (name in _TOLD and _PLAIN.fullmatch(value)):
                    lines.append(f"{name}={value}")
                elif name in COMMANDS:
                    lines.append(f"{name}={' ; '.join('?' * commands(value)) if value else ''}")
                elif names or name in _NOTED:
                    lines.append(f"{name}={'?' if value else ''}")
    return "\n".join((*lines, ""))


def with_module(*modules: str) -> Callable[[str], str]:
    """The function that keeps the lines of pam.d(5) that name one of these modules."""
    return lambda text: "".join(
        f"{line}\n" for line in text.splitlines() if any(module in line for module in modules)
    )


_SKELETON = re.compile(r"/etc/skel/(?!\.ssh/).*")
_EXCERPTS: tuple[tuple[re.Pattern[str], Callable[[str], str | None]], ...] = (
    (re.compile(re.escape(profile.BASHRC)), only(profile.BASHRC_LINE)),
    (re.compile(re.escape(profile.HOOK)), same(profile.HOOK_TEXT)),
    (re.compile(re.escape(profile.LOGIN_HOOK)), same(profile.LOGIN_HOOK_TEXT)),
    (re.compile(r"/etc/logrotate\.conf|/etc/logrotate\.d/[^/]+"), policies),
    (re.compile(r"/(?:etc|run|lib|usr/lib)/systemd/system/logrotate\.timer(?:\.d/[^/]+\.conf)?"), times),
    (re.compile(_UNITS), package_unit),
    (
        re.compile(rf"{_UNITS}\.d/[^/]+\.conf|/(?:etc|run|usr/lib)/systemd/system/service\.d/[^/]+\.conf"),
        drop_in,
    ),
    (_SKELETON, only()),
    (re.compile(r"/etc/ssh/sshd_config(?:\.d/[^/]+)?"), sshd_config.decisive),
    (re.compile(r"/etc/sudoers(?:\.d/[^/]+)?"), policy.without_secrets),
    (re.compile(re.escape(fstab.PATH)), fstab.outline),
    (re.compile(re.escape(nsswitch.PATH)), nsswitch.outline),
    (re.compile(r"/run/systemd/users/[0-9]+"), with_module("STATE=")),
    (
        re.compile(r"/etc/pam\.d/(?:sshd|common-account|common-auth|common-session)"),
        with_module("pam_shells.so", "pam_limits.so", "pam_access.so"),
    ),
)


def excerpt(path: str) -> Callable[[str], str | None] | None:
    """The function that makes the outline of a file for HostView.excerpt; None for a file that is not shared
    with us.
    """
    return next((outline for pattern, outline in _EXCERPTS if pattern.fullmatch(path)), None)
