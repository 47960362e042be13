"""A copy-on-write file tree in memory, over anything that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core.actions import (
    ABSENT,
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
    remnant,
)
from reconciler.core.basics.digest import digest
from reconciler.core.host import ActionFailed, Entry, FileType, HostView, PreImage, UnsafePath
from reconciler.host.files.expects import (
    DIRECTORY,
    OTHER,
    mismatch,
    missing_directory,
    not_replaceable,
    state_of,
)
from reconciler.host.files.lines import edited
from reconciler.host.files.safe_path import check_plain
from reconciler.host.simulation.nodes import Node, join, new_directory, new_file, new_link, parent_of


class Overlay:
    """HostView's methods for paths, and the path actions, with the results of a real tree.

    Nothing below is ever written.
    """

    def __init__(self, base: HostView) -> None:
        self._base = base
        self._nodes: dict[str, Node | None] = {}
        self._children: dict[str, set[str]] = {}
        self._leading: dict[str, set[str]] = {}
        """By directory the paths directly in it at or below which something is set: a tree that goes is not
        looked for among all paths.
        """
        self._archives: dict[str, dict[str, Node]] = {}

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry."""
        if not self._reachable(path):
            return None
        if path in self._nodes:
            node = self._nodes[path]
            return node.entry if node else None
        return self._base.entry(path)

    def read(self, path: str) -> bytes:
        """As HostView.read."""
        content = self._written(path)
        return self._base.read(path) if content is None else content

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        content = self._written(path)
        return self._base.excerpt(path) if content is None else (content, digest(content))

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        content = self._written(path)
        return self._base.digest(path) if content is None else digest(content)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        if self.entry(path) is None:
            return ()
        kept = self._kept(path)
        return self._base.attributes(path) if kept is None else kept

    def _written(self, path: str) -> bytes | None:
        """A file's content if it was changed here. Raises as read."""
        entry = self.entry(path)
        if entry is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        if entry.type is not FileType.FILE:
            raise UnsafePath("not a regular file", f"{path} is a {entry.type.value}")
        node = self._nodes.get(path)
        return node.content if node else None

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names."""
        entry = self.entry(path)
        if entry is not None and entry.type is FileType.LINK:
            raise UnsafePath("the path leads through a symbolic link", f"{path} is a link to {entry.target}")
        if entry is None or entry.type is not FileType.DIRECTORY:
            return ()
        here = self._children.get(path, set())
        below = (
            [name for name in self._base.names(path) if name not in here] if not self._is_new(path) else []
        )
        return tuple(sorted([*below, *(name for name in here if self._nodes[join(path, name)] is not None)]))

    def touched(self) -> Iterator[str]:
        """Every path that was written or removed."""
        return iter(self._nodes)

    def capture(self, path: str) -> PreImage:
        """As Executor.capture."""
        entry = self.entry(path)
        if entry is None:
            return PreImage(path, None)
        content = self.read(path) if entry.type is FileType.FILE else None
        return PreImage(
            path,
            entry.type,
            entry.mode,
            entry.owner,
            entry.group,
            entry.target,
            content,
            self.attributes(path),
        )

    def put(self, path: str, node: Node | None) -> None:
        """Set or remove what is at a path, whatever was there."""
        self._nodes[path] = node
        parent, _, name = path.rpartition("/")
        self._children.setdefault(parent or "/", set()).add(name)
        while path != "/":
            parent = path.rpartition("/")[0] or "/"
            leading = self._leading.setdefault(parent, set())
            if path in leading:
                break
            leading.add(path)
            path = parent

    def _below(self, path: str) -> Iterator[str]:
        """The paths below one that are set, and those that lead to them."""
        for inner in self._leading.get(path, ()):
            yield inner
            yield from self._below(inner)

    def execute(self, action: PathAction) -> None:
        """Do a path action. Raises ActionFailed, UnsafePath."""
        check_plain(action.path)
        match action:
            case WriteFile():
                self._write(action)
            case EditLines():
                self._edit(action)
            case MakeDirectory():
                self._make_directory(action)
            case SetAccess():
                self._set_access(action)
            case MakeLink():
                self._link(action)
            case RemovePath():
                self._remove(action)
            case ArchiveTree():
                self._archive_tree(action)
            case RemoveTree():
                self._remove_tree(action)
            case RestoreTree():
                self._restore_tree(action)

    def _write(self, action: WriteFile) -> None:
        self._need_parent(action.path)
        self._expect(action.path, action.expects)
        entry = new_file(action.mode, action.owner, action.group, action.content)
        kept = self._kept(action.path) if action.attributes is None else action.attributes
        self.put(action.path, Node(entry, action.content, kept))

    def _edit(self, action: EditLines) -> None:
        self._need_parent(action.path)
        self._expect(action.path, action.expects)
        entry = self.entry(action.path)
        content = self.excerpt(action.path)[0] if entry is not None else None
        if content is None and action.remove and not action.add:
            return
        new = edited(content or b"", action.add, action.remove)
        if (
            entry is not None
            and new == content
            and (entry.mode, entry.owner, entry.group) == (action.mode, action.owner, action.group)
        ):
            return
        whole = new_file(action.mode, action.owner, action.group, new)
        self.put(action.path, Node(whole, new, self._kept(action.path)))

    def _kept(self, path: str) -> Attributes | None:
        """The attributes that what is at a path keeps when it is replaced.

        Not looked up: a snapshot has none.
        """
        node = self._nodes.get(path)
        if node is None:
            return () if path in self._nodes or self.entry(path) is None else None
        return node.attributes

    def _make_directory(self, action: MakeDirectory) -> None:
        self._need_parent(action.path)
        found = self._state(action.path)
        allowed = set(self.names(action.skeleton)) if action.skeleton else set()
        if found != ABSENT and (found != DIRECTORY or set(self.names(action.path)) - allowed):
            raise mismatch(action.path, ABSENT, found)
        self.put(
            action.path,
            Node(new_directory(action.mode, action.owner, action.group), attributes=action.attributes or ()),
        )
        for name in sorted(allowed):
            self._copy(join(action.skeleton, name), join(action.path, name), action.owner, action.group)

    def _copy(self, source: str, path: str, owner: str, group: str) -> None:
        """Copy what a skeleton has, and give it to somebody."""
        entry = self.entry(source)
        if entry is None or self.entry(path) is not None:
            return
        content = self.excerpt(source)[0] if entry.type is FileType.FILE else None
        self.put(
            path,
            Node(
                replace(entry, owner=owner, group=group, nlink=2 if entry.type is FileType.DIRECTORY else 1),
                content,
            ),
        )
        for name in self.names(source) if entry.type is FileType.DIRECTORY else ():
            self._copy(join(source, name), join(path, name), owner, group)

    def _set_access(self, action: SetAccess) -> None:
        entry = self.entry(action.path)
        if entry is None:
            raise ActionFailed("nothing is there", f"{action.path} is gone; plan again")
        if entry.type not in (FileType.FILE, FileType.DIRECTORY):
            raise UnsafePath(
                "not a file or directory",
                f"{action.path} is a {entry.type.value}; its mode and owner are left alone",
            )
        if entry.type is FileType.FILE and entry.nlink > 1:
            raise UnsafePath(
                "the file has other names",
                f"{action.path} is one of {entry.nlink} hard links, a change would hit all",
            )
        node = self._nodes.get(action.path)
        changed = replace(entry, mode=action.mode, owner=action.owner, group=action.group)
        kept = self._kept(action.path) if action.attributes is None else action.attributes
        self.put(action.path, Node(changed, node.content if node else None, kept))

    def _link(self, action: MakeLink) -> None:
        parent = parent_of(action.path)
        missing = self.entry(parent) is None
        if missing:
            self._need_parent(parent, action.path)
        self._expect(action.path, action.expects)
        if missing:
            self.put(parent, Node(new_directory("0755", "root", "root")))
        self._need_parent(action.path)
        self.put(action.path, Node(new_link(action.target, action.owner or "root", action.group or "root")))

    def _remove(self, action: RemovePath) -> None:
        found = self._state(action.path)
        if found != ABSENT:
            self._remove_found(action, found)
        parent = parent_of(action.path)
        if (
            action.prune_parent
            and parent != "/"
            and self.entry(parent) is not None
            and not self.names(parent)
        ):
            self.put(parent, None)

    def _remove_found(self, action: RemovePath, found: str) -> None:
        if found != action.expects:
            raise mismatch(action.path, action.expects, found)
        if found == DIRECTORY and self.names(action.path):
            raise ActionFailed("the change could not be made", f"{action.path}: the directory is not empty")
        self.put(action.path, None)

    def _archive_tree(self, action: ArchiveTree) -> None:
        """Only what was changed here is kept: a plan does not read through a home."""
        self._need_directory(action.path)
        inner = (action.path, *self._below(action.path))
        self._archives[action.archive] = {
            path: node for path in inner if (node := self._nodes.get(path)) is not None
        }

    def _remove_tree(self, action: RemoveTree) -> None:
        for path in (action.path, remnant(action.path)):
            entry = self.entry(path)
            if entry is not None:
                if entry.type is not FileType.FILE or action.archive:
                    self._need_directory(path)
                self._vanish(path)

    def _vanish(self, path: str) -> None:
        for inner in (path, *self._below(path)):
            for known in (self._nodes, self._children, self._leading):
                known.pop(inner, None)
        self.put(path, None)

    def _restore_tree(self, action: RestoreTree) -> None:
        self._need_parent(action.path)
        self._expect(action.path, ABSENT)
        for path, node in sorted(self._archives.get(action.archive, {}).items()):
            self.put(path, node)
        top = new_directory(action.mode, action.owner, action.group)
        self.put(action.path, Node(top, attributes=action.attributes or ()))

    def _need_directory(self, path: str) -> None:
        entry = self.entry(path)
        if entry is None:
            raise ActionFailed("nothing is there", f"{path} is gone; plan again")
        if entry.type is not FileType.DIRECTORY:
            raise UnsafePath("not a directory", f"{path} is a {entry.type.value}; it is left alone")

    def _expect(self, path: str, expects: str) -> None:
        found = self._state(path)
        if found != expects:
            raise mismatch(path, expects, found)
        if found == DIRECTORY:
            raise not_replaceable(path)

    def _state(self, path: str) -> str:
        found = state_of(self.entry(path), lambda: self.digest(path))
        if found == OTHER:
            raise UnsafePath(
                "not a file, directory or link", f"{path} is a FIFO, socket or device; it is left alone"
            )
        return found

    def _need_parent(self, path: str, wanted: str = "") -> None:
        parent = parent_of(path)
        entry = self.entry(parent)
        if entry is None:
            raise missing_directory(wanted or path, parent)
        if entry.type is FileType.LINK and parent not in self._nodes and self._is_led(path):
            return
        if entry.type is FileType.LINK:
            raise UnsafePath(
                "the path leads through a symbolic link",
                f"{parent} is a link; write {entry.target} instead of {parent}",
            )
        if entry.type is not FileType.DIRECTORY:
            raise missing_directory(wanted or path, parent, "is not a directory")

    def _is_led(self, path: str) -> bool:
        """Whether the tree below follows the link that the path is behind (`safe_path.HOMES`)."""
        try:
            self._base.entry(path)
        except UnsafePath:
            return False
        return True

    def _reachable(self, path: str) -> bool:
        """Whether every directory on the way that was changed here is one. Raises UnsafePath for a link."""
        parent = parent_of(path)
        while parent != "/":
            if parent in self._nodes:
                node = self._nodes[parent]
                if node is None:
                    return False
                if node.entry.type is FileType.LINK:
                    raise UnsafePath(
                        "the path leads through a symbolic link", f"{parent} is a link to {node.entry.target}"
                    )
                if node.entry.type is not FileType.DIRECTORY:
                    return False
            parent = parent_of(parent)
        return True

    def _is_new(self, path: str) -> bool:
        """Whether the directory is not one of the tree below: then neither is what is in it."""
        return path in self._nodes and self._base_type(path) is not FileType.DIRECTORY

    def _base_type(self, path: str) -> FileType | None:
        try:
            entry = self._base.entry(path)
        except UnsafePath:
            return None
        return entry.type if entry else None
