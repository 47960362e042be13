"""The files of a user that are root's: the profile file with environment and aliases, and the sudo rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from reconciler.core.actions import ABSENT, Check, EditLines, MakeDirectory, WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Facts, Observed, Part, Verb
from reconciler.core.host import Entry, FileType, HostView
from reconciler.core.spec import Declared
from reconciler.core.steps import Cause, Step
from reconciler.formats.accounts import profile
from reconciler.formats.sudo import user_rules
from reconciler.kinds.shared import file_observe, file_part, ownership
from reconciler.kinds.users.constants import State

if TYPE_CHECKING:
    from reconciler.kinds.users.model import User

SUDO = "sudo"
PROFILE = "profile"
SUDOERS = "/etc/sudoers.d"
_OURS = "/etc/reconciler"
_ROOT = {"owner": "root", "group": "root"}
_MODES = {SUDO: "0440", PROFILE: "0644"}
_HOOKS = {profile.HOOK: profile.HOOK_TEXT, profile.LOGIN_HOOK: profile.LOGIN_HOOK_TEXT}


def path_of(address: Address) -> str:
    """The path of a part's file. sudo ignores names with a dot; names of accounts have none."""
    return f"{SUDOERS}/{address.name}" if address.part == SUDO else f"{profile.DIRECTORY}/{address.name}.sh"


def paths(address: Address) -> Iterator[str]:
    """The path of a part that is a file of its own."""
    if address.part in (SUDO, PROFILE):
        yield path_of(address)


def part_names(user: User) -> Iterator[str]:
    """The names of the parts that a user has as files. A disabled account has no sudo rules."""
    if user.environment.set or user.environment.prepend or user.aliases:
        yield PROFILE
    if user.sudo and user.state is State.PRESENT:
        yield SUDO


def parts(declared: Declared, user: User) -> Iterator[Part]:
    """The parts of a user that are files of root's."""
    name, environment, names = declared.address.name, user.environment, tuple(part_names(user))
    if PROFILE in names:
        text = profile.render(environment.set, environment.prepend, user.aliases, str(declared.address))
        yield _part(declared, PROFILE, text, sourced=True)
    if SUDO in names:
        rules = [
            user_rules.Rule(None if rule.run == user_rules.ALL else tuple(rule.run), rule.as_, rule.password)
            for rule in user.sudo
        ]
        yield _part(declared, SUDO, user_rules.render(name, rules, str(declared.address)))


def _part(declared: Declared, part: str, text: str, **more: bool) -> Part:
    content = text.encode()
    document = {"type": "file", "content": digest(content), "mode": _MODES[part], **_ROOT, **more}
    return Part(Address("users", declared.address.name, part), document, declared, content)


@frozen
class HookFacts(Facts):
    """The pieces that are missing for shells to read profile files."""

    directories: tuple[str, ...] = ()
    """The directories to make, from the top."""
    unhooked: Mapping[str, str] = field(default_factory=dict)
    """The paths of hooks to write, each with the `expects` of what is there."""
    bashrc: EditLines | None = None
    """The edit that adds the line to bash.bashrc."""


def observe(view: HostView, address: Address) -> Observed:
    """The state of the file, from one look at it. Raises Unreadable, UnsafePath."""
    observed = file_observe.look(view, path_of(address))
    if address.part != PROFILE:
        return observed
    hooks = _hooks(view)
    if observed.document is None:
        return replace(observed, private=hooks)
    sourced = not hooks.unhooked and hooks.bashrc is None
    return replace(observed, document={**observed.document, "sourced": sourced}, private=hooks)


def _hooks(view: HostView) -> HookFacts:
    """Look for the directories, the hooks and the line in bash.bashrc. Raises Unreadable, UnsafePath."""
    directories = [path for path in (_OURS, profile.DIRECTORY) if view.entry(path) is None]
    unhooked: dict[str, str] = {}
    for path, text in _HOOKS.items():
        entry, content, content_digest = _shared(view, path)
        right = (
            entry is not None
            and content == text.encode()
            and (entry.mode, entry.owner, entry.group) == ("0644", "root", "root")
        )
        if not right:
            unhooked[path] = ABSENT if entry is None else ownership.expects_with(entry, content_digest)
    return HookFacts(tuple(directories), unhooked, _bashrc(view))


def _shared(view: HostView, path: str) -> tuple[Entry | None, bytes, str]:
    """The entry of a file that is not ours alone, with its content and digest if it is a regular file."""
    entry = view.entry(path)
    return (
        (entry, *view.excerpt(path))
        if entry is not None and entry.type is FileType.FILE
        else (entry, b"", "")
    )


def _bashrc(view: HostView) -> EditLines | None:
    """The edit that adds the line to bash.bashrc; None where it has the line, or does not exist."""
    entry, content, content_digest = _shared(view, profile.BASHRC)
    if entry is None or profile.BASHRC_LINE.encode() in content.splitlines():
        return None
    expects = ownership.expects_with(entry, content_digest)
    line = (profile.BASHRC_LINE,)
    return EditLines(profile.BASHRC, line, (), entry.mode, entry.owner, entry.group, expects)


def actions(change: Change) -> Iterator[Step]:
    """Write the file, set its access, or remove it.

    The hooks stay when the last file goes: they do nothing without one.
    """
    check = Check.VISUDO if change.address.part == SUDO else Check.NONE
    steps = [*file_part.steps(change, path_of(change.address), ("content",), check=check)]
    if change.address.part == PROFILE and change.verb is not Verb.DELETE:
        yield from _hook_steps(change, (Cause(change.address),))
    yield from steps


def _hook_steps(change: Change, cause: tuple[Cause, ...]) -> Iterator[Step]:
    hooks = change.observed.facts(HookFacts)
    for path in hooks.directories:
        yield Step(MakeDirectory(path, "0755", "root", "root"), cause)
    for path, expects in hooks.unhooked.items():
        content = _HOOKS[path].encode()
        yield Step(WriteFile(path, content, digest(content), "0644", "root", "root", expects), cause)
    if hooks.bashrc is not None:
        yield Step(hooks.bashrc, cause)
