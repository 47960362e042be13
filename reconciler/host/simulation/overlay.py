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
    """HostView's methods for paths, and the path actions with the results that they have on a real tree.

    `base`, the tree below, is never written.
    """

    def __init__(self, base: HostView) -> None:
        self._base = base
        self._nodes: dict[str, Node | None] = {}
        """The changed paths; None where the change removed what was there."""
        self._children: dict[str, set[str]] = {}
        """The names of changed paths by their directory."""
        self._changed_children: dict[str, set[str]] = {}
        """The paths in a directory that are changed, or have changes below them.

        They lead to all changes in a tree, so that its removal need not look through every path.
        """
        self._archives: dict[str, dict[str, Node]] = {}
        """The changed nodes of each archived tree, by the archive's path."""

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
        content = self._changed_content(path)
        return self._base.read(path) if content is None else content

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt."""
        content = self._changed_content(path)
        return self._base.excerpt(path) if content is None else (content, digest(content))

    def digest(self, path: str) -> str:
        """As HostView.digest."""
        content = self._changed_content(path)
        return self._base.digest(path) if content is None else digest(content)

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes."""
        if self.entry(path) is None:
            return ()
        attributes = self._kept_attributes(path)
        return self._base.attributes(path) if attributes is None else attributes

    def _changed_content(self, path: str) -> bytes | None:
        """The content of a file if it was changed here, else None. Raises FileNotFoundError, UnsafePath."""
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
        changed_names = self._children.get(path, set())
        base_names = (
            [name for name in self._base.names(path) if name not in changed_names]
            if not self._is_new(path)
            else []
        )
        return tuple(
            sorted(
                [*base_names, *(name for name in changed_names if self._nodes[join(path, name)] is not None)]
            )
        )

    def touched(self) -> Iterator[str]:
        """Every path that was changed or removed."""
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
        """Put a node at a path, or remove the path; the path may have been anything before."""
        self._nodes[path] = node
        parent, _, name = path.rpartition("/")
        self._children.setdefault(parent or "/", set()).add(name)
        while path != "/":
            parent = path.rpartition("/")[0] or "/"
            changed = self._changed_children.setdefault(parent, set())
            if path in changed:
                break
            changed.add(path)
            path = parent

    def _changed_below(self, path: str) -> Iterator[str]:
        """The changed paths below a path, and those that lead to them."""
        for inner in self._changed_children.get(path, ()):
            yield inner
            yield from self._changed_below(inner)

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
        attributes = self._kept_attributes(action.path) if action.attributes is None else action.attributes
        self.put(action.path, Node(entry, action.content, attributes))

    def _edit(self, action: EditLines) -> None:
        self._need_parent(action.path)
        self._expect(action.path, action.expects)
        entry = self.entry(action.path)
        content = self.excerpt(action.path)[0] if entry is not None else None
        if content is None and action.remove and not action.add:
            return
        new_content = edited(content or b"", action.add, action.remove)
        if entry is not None and new_content == content and _has_access(entry, action):
            return
        new_entry = new_file(action.mode, action.owner, action.group, new_content)
        self.put(action.path, Node(new_entry, new_content, self._kept_attributes(action.path)))

    def _kept_attributes(self, path: str) -> Attributes | None:
        """The attributes of a path, for a node that replaces what is there; None: those of the tree below.

        They are not read here: a snapshot has none.
        """
        node = self._nodes.get(path)
        if node is None:
            return () if path in self._nodes or self.entry(path) is None else None
        return node.attributes

    def _make_directory(self, action: MakeDirectory) -> None:
        self._need_parent(action.path)
        state = self._state_of(action.path)
        skeleton_names = set(self.names(action.skeleton)) if action.skeleton else set()
        if state != ABSENT and (state != DIRECTORY or set(self.names(action.path)) - skeleton_names):
            raise mismatch(action.path, ABSENT, state)
        self.put(
            action.path,
            Node(new_directory(action.mode, action.owner, action.group), attributes=action.attributes or ()),
        )
        for name in sorted(skeleton_names):
            self._copy(join(action.skeleton, name), join(action.path, name), action.owner, action.group)

    def _copy(self, source: str, path: str, owner: str, group: str) -> None:
        """Copy a path of a skeleton, with all below it, for an owner and group."""
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
        attributes = self._kept_attributes(action.path) if action.attributes is None else action.attributes
        self.put(action.path, Node(changed, node.content if node else None, attributes))

    def _link(self, action: MakeLink) -> None:
        parent = parent_of(action.path)
        is_parent_missing = self.entry(parent) is None
        if is_parent_missing:
            self._need_parent(parent, action.path)
        self._expect(action.path, action.expects)
        if is_parent_missing:
            self.put(parent, Node(new_directory("0755", "root", "root")))
        self._need_parent(action.path)
        self.put(action.path, Node(new_link(action.target, action.owner or "root", action.group or "root")))

    def _remove(self, action: RemovePath) -> None:
        state = self._state_of(action.path)
        if state != ABSENT:
            self._remove_path(action, state)
        parent = parent_of(action.path)
        may_prune = action.prune_parent and parent != "/" and self.entry(parent) is not None
        if may_prune and not self.names(parent):
            self.put(parent, None)

    def _remove_path(self, action: RemovePath, state: str) -> None:
        if state != action.expects:
            raise mismatch(action.path, action.expects, state)
        if state == DIRECTORY and self.names(action.path):
            raise ActionFailed("the change could not be made", f"{action.path}: the directory is not empty")
        self.put(action.path, None)

    def _archive_tree(self, action: ArchiveTree) -> None:
        """Keep the changed nodes of a tree; the others are not read, so that no plan reads through a home."""
        self._need_directory(action.path)
        inner = (action.path, *self._changed_below(action.path))
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
        """Remove a path with all below it."""
        for inner in (path, *self._changed_below(path)):
            for table in (self._nodes, self._children, self._changed_children):
                table.pop(inner, None)
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
        """Raise ActionFailed unless a path is in the expected state and can be replaced."""
        state = self._state_of(path)
        if state != expects:
            raise mismatch(path, expects, state)
        if state == DIRECTORY:
            raise not_replaceable(path)

    def _state_of(self, path: str) -> str:
        state = state_of(self.entry(path), lambda: self.digest(path))
        if state == OTHER:
            raise UnsafePath(
                "not a file, directory or link", f"{path} is a FIFO, socket or device; it is left alone"
            )
        return state

    def _need_parent(self, path: str, shown: str = "") -> None:
        """Raise ActionFailed or UnsafePath unless the parent is a directory; the error is about `shown`."""
        parent = parent_of(path)
        entry = self.entry(parent)
        if entry is None:
            raise missing_directory(shown or path, parent)
        if entry.type is FileType.LINK and parent not in self._nodes and self._base_follows(path):
            return
        if entry.type is FileType.LINK:
            raise UnsafePath(
                "the path leads through a symbolic link",
                f"{parent} is a link; write {entry.target} instead of {parent}",
            )
        if entry.type is not FileType.DIRECTORY:
            raise missing_directory(shown or path, parent, "is not a directory")

    def _base_follows(self, path: str) -> bool:
        """Whether the tree below follows the link that is the path's parent (`safe_path.HOMES`)."""
        try:
            self._base.entry(path)
        except UnsafePath:
            return False
        return True

    def _reachable(self, path: str) -> bool:
        """Whether every changed path above is still a directory. Raises UnsafePath for a link."""
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
        """Whether a directory was made here: the tree below then has none of its content."""
        return path in self._nodes and self._base_type(path) is not FileType.DIRECTORY

    def _base_type(self, path: str) -> FileType | None:
        try:
            entry = self._base.entry(path)
        except UnsafePath:
            return None
        return entry.type if entry else None


def _has_access(entry: Entry, action: EditLines) -> bool:
    return (entry.mode, entry.owner, entry.group) == (action.mode, action.owner, action.group)
