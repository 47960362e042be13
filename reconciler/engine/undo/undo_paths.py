"""The action that brings one path back to its state before a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler.core.actions import (
    Action,
    ArchiveTree,
    Attributes,
    EditLines,
    MakeDirectory,
    MakeLink,
    PathAction,
    RemovePath,
    RemoveTree,
    RestoreTree,
    SetAccess,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.host import FileType, HostView, PreImage
from reconciler.core.journal import PastRun
from reconciler.core.state import Memory
from reconciler.engine.undo import path_state
from reconciler.engine.undo.path_state import Edited, PathState
from reconciler.formats.accounts import account_files


@frozen
class UndoRequest:
    """The wish to undo a run, or a part of it.

    `overwrite` are addresses whose changes since are given up, `unprotect` those whose protection is lifted;
    `selects` as in Request.
    """

    past: PastRun
    memory: Memory
    edited: Edited
    overwrite: Collection[str] = ()
    targets: Collection[str] = ()
    excludes: Collection[str] = ()
    unprotect: Collection[str] = ()

    def selects(self, address: Address) -> bool:
        """Whether this part is to be undone."""
        names = {str(address), str(address.resource), address.kind}
        return not names & set(self.excludes) and (not self.targets or bool(names & set(self.targets)))

    def overwrites(self, addresses: Iterable[Address]) -> bool:
        """Whether what was changed since on behalf of these is given up."""
        names = {name for address in addresses for name in (str(address), str(address.resource))}
        return bool(names & set(self.overwrite))


@dataclass(slots=True)
class Draft:
    """A reversal in the making: what is refused, and what does not come back."""

    wish: UndoRequest
    view: HostView
    refused: dict[Address, str] = field(default_factory=dict)
    kept: dict[Address, list[str]] = field(default_factory=dict)

    def refuse(self, addresses: Iterable[Address], why: str) -> None:
        """Note why something is not undone."""
        for address in addresses:
            self.refused.setdefault(address, why)

    def keep(self, addresses: Iterable[Address], why: str) -> None:
        """Note what does not come back."""
        for address in addresses:
            self.kept.setdefault(address, []).append(why)


@frozen
class PathStep:
    """A step on a path of the run that is undone. `saved` is what it replaced, there or beside it."""

    action: PathAction
    addresses: tuple[Address, ...]
    saved: tuple[PreImage, ...]


@frozen
class TouchedPath:
    """The thing that was at a path and the one that is there now.

    `trees` are the directories that went as a whole, `within` the one that the path was in.
    """

    saved: PreImage
    now: PathState | None
    trees: Mapping[str, str]
    within: str


def undoing(
    draft: Draft,
    path: str,
    actions: Sequence[PathAction],
    situation: TouchedPath,
    addresses: tuple[Address, ...],
) -> Action | None:
    """The action that brings the path back, if one is needed and allowed."""
    key, edited, now = draft.wish.memory.key, draft.wish.edited, situation.now
    before = _named(draft, path_state.was(situation.saved))
    as_user = next((user for action in actions if (user := _as_user(action))), "")
    if as_user and before is not None and before.attributes:
        before = _of_a_home(draft, path, before, addresses)
    elif as_user and before is not None and now is not None and now.attributes:
        now = replace(now, attributes=path_state.in_a_home(now.attributes))
    if all(isinstance(action, SetAccess) for action in actions) and not (
        before and before.content and _as_user(actions[0])
    ):
        before = _access_only(draft, path, before, now, addresses)
    if path_state.same(before, now, key):
        return None
    chain = [before]
    for action in actions:
        chain.append(_left(chain[-1], action, path, edited))
    if situation.within and now is None:
        if not situation.trees[situation.within]:
            return None  # it went for good with its directory, which says so
        draft.keep(addresses, f"{path} comes back with {situation.within}, as the run had left it by then")
        return None
    rows = [draft.wish.past.rows.get(address) for address in addresses]
    secret = any(map(_is_sensitive, actions)) or any(row.sensitive for row in rows if row)
    if any(path_state.same(state, now, key) for state in chain[1:]) or draft.wish.overwrites(addresses):
        return _put_back(
            draft,
            path,
            before,
            now,
            _How(as_user, secret, addresses, _lines(actions), situation.trees.get(path)),
        )
    as_left = chain[-1]
    if (
        now
        and as_left
        and now.content is not None
        and as_left.content is not None
        and isinstance(actions[-1], EditLines)
    ):
        return _lines_back(path, before, as_left, now, as_user, edited)
    draft.refuse(
        addresses,
        f"{path} was changed since: {path_state.words(now)}"
        + ("" if now is None or chain[-1] else ", and was removed then"),
    )
    return None


def _named(draft: Draft, thing: PathState | None) -> PathState | None:
    """The state with the names that numbers have by now: the run may have given the owner an account."""
    if thing is None or not (thing.owner.isdecimal() or thing.group.isdecimal()):
        return thing
    accounts = account_files.known_accounts(draft.view)
    users = {str(user.uid): user.name for user in accounts.users.values()}
    groups = {str(gid): name for gid, name in accounts.group_names.items()}
    return replace(
        thing, owner=users.get(thing.owner, thing.owner), group=groups.get(thing.group, thing.group)
    )


def _as_user(action: PathAction) -> str:
    """The user with whose rights an action was done, empty for root."""
    match action:
        case WriteFile() | EditLines() | MakeDirectory() | SetAccess():
            return action.as_user
        case MakeLink() | RemovePath() | ArchiveTree() | RemoveTree() | RestoreTree():
            return ""
        case _:
            assert_never(action)


def _is_sensitive(action: PathAction) -> bool:
    return isinstance(action, WriteFile | RemovePath) and action.sensitive


def _left(thing: PathState | None, action: PathAction, path: str, edited: Edited) -> PathState | None:
    """The state that the action left at the path, which may be a directory that it made or removed beside its
    own path.
    """
    if action.path == path:
        return path_state.after(thing, action, edited)
    return PathState(FileType.DIRECTORY, "0755", "root", "root") if isinstance(action, MakeLink) else None


def _lines(actions: Iterable[PathAction]) -> tuple[str, ...]:
    return tuple(line for action in actions if isinstance(action, EditLines) for line in action.add)


@frozen
class _How:
    """`added` are the lines that the run added to a file that was not there.

    `archive` is that of a directory that went as a whole: empty when none was made, None when nothing of that
    kind happened.
    """

    as_user: str
    secret: bool
    addresses: tuple[Address, ...]
    added: tuple[str, ...]
    archive: str | None = None


def _put_back(
    draft: Draft, path: str, before: PathState | None, now: PathState | None, how: _How
) -> Action | None:
    if before is None:
        return _remove(draft, path, now, how)
    if how.archive is not None and now is None:
        return _tree_back(draft, path, before, how)
    if _only_access(before, now, how):
        attributes = (
            None if now is None or before.attributes == now.attributes else _settable(before.attributes)
        )
        return SetAccess(path, before.mode, before.owner, before.group, how.as_user, attributes)
    if before.type is FileType.DIRECTORY and now is None:
        return MakeDirectory(
            path, before.mode, before.owner, before.group, how.as_user, attributes=before.attributes
        )
    if FileType.DIRECTORY in (before.type, now.type if now else None):
        draft.refuse(
            how.addresses, f"{path} was changed since: {path_state.words(now)}; it was a {before.type}"
        )
        return None
    return _anew(path, before, path_state.expected(now), how)


def _only_access(before: PathState, now: PathState | None, how: _How) -> bool:
    """Whether only mode, owner and attributes have to come back. A capability comes with its content, in a
    new file.
    """
    in_home = bool(how.as_user) and before.type is FileType.FILE and before.content is not None
    if now is None or in_home or before.type is not now.type or before.type is FileType.LINK:
        return False
    return before.digest in ("", now.digest) and not _lost_capability(before, now)


def _anew(path: str, before: PathState, expects: str, how: _How) -> Action:
    """A file or link in place of what is there."""
    if before.type is FileType.LINK:
        plain = {before.owner, before.group} <= {"", "root"}
        return MakeLink(path, before.target, expects, *(("", "") if plain else (before.owner, before.group)))
    assert before.content is not None
    access = (before.mode, before.owner, before.group)
    return WriteFile(
        path,
        before.content,
        before.digest,
        *access,
        expects,
        how.secret,
        how.as_user,
        attributes=before.attributes,
    )


def _tree_back(draft: Draft, path: str, before: PathState, how: _How) -> Action | None:
    """A home that went as a whole: from its archive, where there is one."""
    if how.archive:
        return RestoreTree(path, how.archive, before.mode, before.owner, before.group, before.attributes)
    draft.keep(how.addresses, f"{path} does not come back: `home: delete` is irreversible")
    return None


def _lost_capability(before: PathState, now: PathState) -> bool:
    """Whether a file capability has to come back: then with its content, in a new file, so that it is never
    on another one.
    """
    value = dict(before.attributes or ()).get(path_state.CAPABILITY)
    return (
        before.content is not None
        and value is not None
        and dict(now.attributes or ()).get(path_state.CAPABILITY) != value
    )


def _settable(attributes: Attributes | None) -> Attributes | None:
    return (
        None
        if attributes is None
        else tuple((name, value) for name, value in attributes if name != path_state.CAPABILITY)
    )


def _access_only(
    draft: Draft, path: str, before: PathState | None, now: PathState | None, addresses: tuple[Address, ...]
) -> PathState | None:
    """The state to bring back where the run changed only mode and owner: the content of today stays."""
    if before is None or now is None or not _lost_capability(before, now):
        return before and replace(before, digest="", content=None)
    if before.digest == now.digest:
        return before
    draft.keep(
        addresses, f"{path} comes back without its file capability: that belongs to the content that it had"
    )
    return replace(before, digest="", content=None, attributes=_settable(before.attributes))


def _of_a_home(draft: Draft, path: str, before: PathState, addresses: tuple[Address, ...]) -> PathState:
    """The part of a state that its owner can bring back."""
    own = path_state.in_a_home(before.attributes or ())
    lost = [name for name, _ in before.attributes or () if name not in dict(own)]
    if lost:
        draft.keep(
            addresses,
            f"{path} comes back without {', '.join(lost)}: in a home only the user's own rights are used",
        )
    return replace(before, attributes=own)


def _remove(draft: Draft, path: str, now: PathState | None, how: _How) -> Action | None:
    """Remove an object that was not there before. In a home nothing is deleted, and data nowhere."""
    assert now is not None
    if not how.as_user:
        return RemovePath(path, path_state.expected(now), sensitive=how.secret)
    content = draft.wish.edited(now.content or b"", (), how.added) if now.type is FileType.FILE else b""
    if now.type is FileType.FILE and how.added and content != now.content:
        return EditLines(
            path, (), how.added, now.mode, now.owner, now.group, path_state.expected(now), how.as_user
        )
    draft.keep(how.addresses, f"{path} stays: nothing in a home is deleted")
    return None


def _lines_back(
    path: str, before: PathState | None, as_left: PathState, now: PathState, as_user: str, edited: Edited
) -> Action | None:
    """Edit a file that others have changed too: lines that the run added go, lines that it took out are added
    at the end.
    """
    old, new = _text_lines(before), _text_lines(as_left)
    added, taken = (
        tuple(line for line in new if line not in old),
        tuple(line for line in old if line not in new),
    )
    assert now.content is not None
    if edited(now.content, taken, added) == now.content:
        return None
    return EditLines(path, taken, added, now.mode, now.owner, now.group, path_state.expected(now), as_user)


def _text_lines(thing: PathState | None) -> tuple[str, ...]:
    content = thing.content if thing and thing.content else b""
    return tuple(
        dict.fromkeys(
            line.removesuffix("\r") for line in content.decode("utf-8", "surrogateescape").split("\n") if line
        )
    )
