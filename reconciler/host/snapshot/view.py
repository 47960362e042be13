"""A host as a snapshot tells of it: what was recorded is answered, what is known not to be there is absent,
the rest is unknown.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.actions import Attributes
from reconciler.core.basics.digest import digest
from reconciler.core.basis import SnapshotBasis, Started
from reconciler.core.host import Entry, FileType, NotInSnapshot, UnitNode, UnitState, UnsafePath
from reconciler.formats.accounts.nsswitch import PATH as NSSWITCH
from reconciler.formats.accounts.nsswitch import asks_elsewhere
from reconciler.host.files.safe_path import check_plain, through_link
from reconciler.host.systemd.unit_relations import closure

UNITS = (".service", ".timer", ".socket", ".path", ".target", ".mount")
"""The types of systemd's units that a snapshot lists: all units of these that are loaded."""
_NOT_LISTED = (".device", ".scope", ".slice", ".swap", ".automount")
_UNKNOWN = object()
_KINDS = {
    FileType.LINK: "a symbolic link",
    FileType.DIRECTORY: "a directory",
    FileType.OTHER: "a FIFO, socket or device",
}


class SnapshotView:
    """A HostView without a host.

    `declared` are the contents that the spec has for files, by path. Everything asked for in vain is kept in
    `basis.unknown`.
    """

    def __init__(self, data: Mapping[str, Any], declared: Mapping[str, bytes]) -> None:
        self.running: bool = data["running"]
        self.basis = SnapshotBasis(
            data["taken"],
            data["host"].get("machine", ""),
            {unit: Started(**said) for unit, said in data.get("started", {}).items()},
        )
        self._paths: Mapping[str, Any] = data["paths"]
        self._units: Mapping[str, Any] | None = data["units"]
        self._mounts = frozenset(data["mounts"]) if "mounts" in data else None
        self._relations: Mapping[str, Any] | None = data.get("relations")
        self._conditions: Mapping[str, bool | None] = data.get("conditions", {})
        self._declared = declared
        self._contents = {digest(content): content for content in declared.values()}
        self._children: dict[str, list[str]] = {}
        for path, said in self._paths.items():
            if said is not None and path != "/":
                self._children.setdefault(path.rpartition("/")[0] or "/", []).append(path.rpartition("/")[2])

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry. Raises NotInSnapshot."""
        said = self._said(path)
        return None if said is None else _entry(said)

    def read(self, path: str) -> bytes:
        """As HostView.read. Raises NotInSnapshot."""
        return self._content(path, self._file(path), ("text",))

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt. Raises NotInSnapshot."""
        said = self._file(path)
        content = self._content(path, said, ("text", "excerpt"))
        if said.get("shortened"):
            self.basis.unknown.setdefault(path, f"the comments of the keys in {path}")
        return content, str(said.get("digest", ""))

    def digest(self, path: str) -> str:
        """As HostView.digest. Raises NotInSnapshot."""
        said = self._file(path)
        if "digest" in said:
            return str(said["digest"])
        if said.get("size") == 0:
            return digest(b"")
        raise self._not_known(path, f"the content of {path}")

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names. Raises NotInSnapshot."""
        said = self._said(path)
        if said is None or said.get("type") != FileType.DIRECTORY:
            if said is not None and said.get("type") == FileType.LINK:
                raise through_link(path, path, self._target)
            return ()
        if not said.get("listed"):
            raise self._not_known(f"{path}/", f"what is in {path}")
        return tuple(sorted(self._children.get(path, ())))

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes: none is in a snapshot. Raises NotInSnapshot."""
        raise self._not_known(path, f"the attributes of {path}")

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts. Raises NotInSnapshot."""
        if self.running and self._mounts is None:
            raise self._not_known("mounts", "what is mounted")
        return self._mounts or frozenset()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units. Raises NotInSnapshot."""
        strange = [
            name for name in names if self.running and (self._units is None or name.endswith(_NOT_LISTED))
        ]
        if strange:
            raise self._not_known(strange[0], f"the state of {strange[0]}")
        known = self._units or {}
        return {name: UnitState(**known[name]) if name in known else UnitState() for name in names}

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named. Raises NotInSnapshot where a directory service would have to be asked."""
        try:
            elsewhere = asks_elsewhere(self.excerpt(NSSWITCH)[0].decode("utf-8", "replace"))
        except (FileNotFoundError, UnsafePath, NotInSnapshot):
            return None
        if elsewhere:
            raise self._not_known(
                f"nss:{name}", f"the {'group' if group else 'account'} {name} of a directory service"
            )
        return None

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations. Raises NotInSnapshot."""
        if self.running and self._relations is None:
            raise self._not_known("relations", "what units are tied to")
        return closure((name for name in names if name in (self._units or {})), self._nodes)

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions. Raises NotInSnapshot."""
        strange = next((text for text in texts if text not in self._conditions), None)
        if strange is not None:
            raise self._not_known(strange, f"whether {strange} holds")
        return {text: holds for text in texts if (holds := self._conditions[text]) is not None}

    def _nodes(self, names: Sequence[str]) -> dict[str, UnitNode]:
        nodes: dict[str, UnitNode] = {}
        for name in names:
            state, told = (self._units or {}).get(name, {}), (self._relations or {}).get(name, {})
            relations = {key: frozenset(value) for key, value in told.items() if isinstance(value, list)}
            if name in self._before:
                relations["Before"] = frozenset(self._before[name])
            flags = {key: value for key, value in told.items() if isinstance(value, str)}
            nodes[name] = UnitNode(
                state.get("load", "not-found"), state.get("active", "inactive"), relations, flags
            )
        return nodes

    @functools.cached_property
    def _before(self) -> Mapping[str, Sequence[str]]:
        """The units that are ordered behind each unit: a snapshot has an order only from the other side."""
        before: dict[str, list[str]] = {}
        for name, told in (self._relations or {}).items():
            for other in told.get("After", ()):
                before.setdefault(other, []).append(name)
        return before

    def _said(self, path: str) -> Mapping[str, Any] | None:
        """The record of a path; None when nothing was there.

        Raises UnsafePath, NotInSnapshot.
        """
        check_plain(path)
        steps = path.split("/")
        for depth in range(2, len(steps)):
            at = "/".join(steps[:depth])
            said = self._known(at)
            if said is None:
                return None
            if said is _UNKNOWN:
                raise self._not_known(path, path)
            if said.get("type") == FileType.LINK:
                raise through_link(at, path.rpartition("/")[0], self._target)
            if said.get("type") != FileType.DIRECTORY:
                return None
        said = self._known(path)
        if said is _UNKNOWN:
            raise self._not_known(path, path)
        return said  # type: ignore[no-any-return]  # from JSON that the schema has accepted

    def _known(self, path: str) -> Any:
        if path in self._paths:
            return self._paths[path]
        parent = self._paths.get(path.rpartition("/")[0] or "/")
        return None if parent is not None and parent.get("listed") else _UNKNOWN

    def _target(self, path: str) -> str | None:
        said = self._known(path)
        return said["target"] if isinstance(said, dict) and said.get("type") == FileType.LINK else None

    def _file(self, path: str) -> Mapping[str, Any]:
        said = self._said(path)
        if said is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        kind = FileType(said.get("type", FileType.FILE))
        if kind is not FileType.FILE:
            raise UnsafePath("not a regular file", f"{path} is {_KINDS[kind]}")
        return said

    def _content(self, path: str, said: Mapping[str, Any], keys: Sequence[str]) -> bytes:
        text = next((said[key] for key in keys if key in said), None)
        if text is not None:
            return str(text).encode("utf-8", "surrogateescape")
        if said.get("size") == 0:
            return b""
        if said.get("digest") in self._contents:
            return self._contents[said["digest"]]
        if (unveiled := self._unveiled(path, said)) is not None:
            return unveiled
        missing = self._not_known(path, f"the content of {path}")
        if said.get("binary"):  # nobody can show it: only who cannot do without makes the plan incomplete
            self.basis.unknown.pop(path)
        raise missing

    def _unveiled(self, path: str, said: Mapping[str, Any]) -> bytes | None:
        """The content of somebody else's file in the values that the spec declares for it; None where that
        cannot be told.
        """
        if not {"values", "digest"} <= said.keys() or path not in self._declared:
            return None
        from reconciler.formats.veiled import unveiled  # only where something of somebody else's is declared

        try:
            texts = (self._declared[path].decode("utf-8", "replace"), said.get("excerpt", ""))
            return unveiled(path, said["values"], texts).encode("utf-8", "surrogateescape")
        except ValueError:
            return None

    def _not_known(self, key: str, what: str) -> NotInSnapshot:
        self.basis.unknown.setdefault(key, what)
        return NotInSnapshot("unknown", f"the snapshot does not have {what}")


def _entry(said: Mapping[str, Any]) -> Entry:
    kind = FileType(said.get("type", FileType.FILE))
    mode = said.get("mode", "0777" if kind is FileType.LINK else "")
    return Entry(
        kind,
        mode,
        said.get("owner", "root"),
        said.get("group", "root"),
        said.get("size", 0),
        said.get("mtime", 0),
        said.get("links", 1),
        said.get("target", ""),
        said.get("ctime", 0),
        said["digest"] if said.get("digest", "").startswith("sha256:") else "",
    )
