"""A host as a snapshot has it: a recorded path is there, one that is known not to be there is absent, and all
else is unknown.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.actions import Attributes
from reconciler.core.basics.digest import digest
from reconciler.core.basis import SnapshotBasis, Started
from reconciler.core.host import Entry, FileType, NotInSnapshot, Transaction, UnitNode, UnitState, UnsafePath
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

_SIZELESS = ("/proc/", "/sys/")
"""Files below these have no size, whatever is in them."""


class SnapshotView:
    """A HostView without a host.

    `declared` are the contents that the spec has for files, by path. `basis.unknown` has everything that was
    asked for in vain.
    """

    def __init__(self, data: Mapping[str, Any], declared: Mapping[str, bytes]) -> None:
        self.running: bool = data["running"]
        self.basis = SnapshotBasis(
            data["taken"],
            data["host"].get("machine", ""),
            {unit: Started(**record) for unit, record in data.get("started", {}).items()},
        )
        self._paths: Mapping[str, Any] = data["paths"]
        self._units: Mapping[str, Any] | None = data["units"]
        self._mounts = frozenset(data["mounts"]) if "mounts" in data else None
        self._relations: Mapping[str, Any] | None = data.get("relations")
        self._conditions: Mapping[str, bool | None] = data.get("conditions", {})
        self._declared = declared
        self._contents = {digest(content): content for content in declared.values()}
        self._children: dict[str, list[str]] = {}
        for path, record in self._paths.items():
            if record is not None and path != "/":
                self._children.setdefault(path.rpartition("/")[0] or "/", []).append(path.rpartition("/")[2])

    def entry(self, path: str) -> Entry | None:
        """As HostView.entry. Raises NotInSnapshot."""
        record = self._record(path)
        return None if record is None else _entry(record)

    def read(self, path: str) -> bytes:
        """As HostView.read. Raises NotInSnapshot."""
        return self._content(path, self._file_record(path), ("text",))

    def excerpt(self, path: str) -> tuple[bytes, str]:
        """As HostView.excerpt. Raises NotInSnapshot."""
        record = self._file_record(path)
        content = self._content(path, record, ("text", "excerpt"))
        if record.get("shortened"):
            self.basis.unknown.setdefault(path, f"the comments of the keys in {path}")
        return content, str(record.get("digest", ""))

    def digest(self, path: str) -> str:
        """As HostView.digest. Raises NotInSnapshot."""
        record = self._file_record(path)
        if "digest" in record:
            return str(record["digest"])
        if record.get("size") == 0 and not path.startswith(_SIZELESS):
            return digest(b"")
        raise self._missing(path, f"the content of {path}")

    def names(self, path: str) -> tuple[str, ...]:
        """As HostView.names. Raises NotInSnapshot."""
        record = self._record(path)
        if record is None or record.get("type") != FileType.DIRECTORY:
            if record is not None and record.get("type") == FileType.LINK:
                raise through_link(path, path, self._link_target)
            return ()
        if not record.get("listed"):
            raise self._missing(f"{path}/", f"what is in {path}")
        return tuple(sorted(self._children.get(path, ())))

    def attributes(self, path: str) -> Attributes:
        """As HostView.attributes: none is in a snapshot. Raises NotInSnapshot."""
        raise self._missing(path, f"the attributes of {path}")

    def mounts(self) -> frozenset[str]:
        """As HostView.mounts. Raises NotInSnapshot."""
        if self.running and self._mounts is None:
            raise self._missing("mounts", "what is mounted")
        return self._mounts or frozenset()

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units. Raises NotInSnapshot."""
        strange = [
            name for name in names if self.running and (self._units is None or name.endswith(_NOT_LISTED))
        ]
        if strange:
            raise self._missing(strange[0], f"the state of {strange[0]}")
        states = self._units or {}
        return {name: UnitState(**states[name]) if name in states else UnitState() for name in names}

    def named(self, name: str, *, group: bool = False) -> int | None:
        """As HostView.named. Raises NotInSnapshot where a directory service would have to be asked."""
        try:
            elsewhere = asks_elsewhere(self.excerpt(NSSWITCH)[0].decode("utf-8", "replace"))
        except (FileNotFoundError, UnsafePath, NotInSnapshot):
            return None
        if elsewhere:
            raise self._missing(
                f"nss:{name}", f"the {'group' if group else 'account'} {name} of a directory service"
            )
        return None

    def relations(self, names: Sequence[str]) -> Mapping[str, UnitNode]:
        """As HostView.relations. Raises NotInSnapshot."""
        if self.running and self._relations is None:
            raise self._missing("relations", "what units are tied to")
        return closure((name for name in names if name in (self._units or {})), self._nodes)

    def conditions(self, texts: Sequence[str]) -> Mapping[str, bool]:
        """As HostView.conditions. Raises NotInSnapshot."""
        strange = next((text for text in texts if text not in self._conditions), None)
        if strange is not None:
            raise self._missing(strange, f"whether {strange} holds")
        return {text: holds for text in texts if (holds := self._conditions[text]) is not None}

    def transaction(self, install: Sequence[str], remove: Sequence[str]) -> Transaction | None:
        """As HostView.transaction: no package manager answers."""
        return None

    def _nodes(self, names: Sequence[str]) -> dict[str, UnitNode]:
        nodes: dict[str, UnitNode] = {}
        for name in names:
            state, related = (self._units or {}).get(name, {}), (self._relations or {}).get(name, {})
            relations = {key: frozenset(value) for key, value in related.items() if isinstance(value, list)}
            if name in self._before:
                relations["Before"] = frozenset(self._before[name])
            flags = {key: value for key, value in related.items() if isinstance(value, str)}
            nodes[name] = UnitNode(
                state.get("load", "not-found"), state.get("active", "inactive"), relations, flags
            )
        return nodes

    @functools.cached_property
    def _before(self) -> Mapping[str, Sequence[str]]:
        """The units that each unit is ordered before; a snapshot has only the `After` of those."""
        before: dict[str, list[str]] = {}
        for name, relations in (self._relations or {}).items():
            for other in relations.get("After", ()):
                before.setdefault(other, []).append(name)
        return before

    def _record(self, path: str) -> Mapping[str, Any] | None:
        """The record of a path; None when nothing was there.

        Raises UnsafePath, NotInSnapshot.
        """
        check_plain(path)
        steps = path.split("/")
        for depth in range(2, len(steps)):
            ancestor = "/".join(steps[:depth])
            record = self._record_or_unknown(ancestor)
            if record is None:
                return None
            if record is _UNKNOWN:
                raise self._missing(path, path)
            if record.get("type") == FileType.LINK:
                raise through_link(ancestor, path.rpartition("/")[0], self._link_target)
            if record.get("type") != FileType.DIRECTORY:
                return None
        record = self._record_or_unknown(path)
        if record is _UNKNOWN:
            raise self._missing(path, path)
        return record  # type: ignore[no-any-return]  # from JSON that the schema has accepted

    def _record_or_unknown(self, path: str) -> Any:
        """The record of a path, None when nothing was there, or _UNKNOWN."""
        if path in self._paths:
            return self._paths[path]
        parent = self._paths.get(path.rpartition("/")[0] or "/")
        return None if parent is not None and parent.get("listed") else _UNKNOWN

    def _link_target(self, path: str) -> str | None:
        """The target of a symbolic link; None for anything else."""
        record = self._record_or_unknown(path)
        return record["target"] if isinstance(record, dict) and record.get("type") == FileType.LINK else None

    def _file_record(self, path: str) -> Mapping[str, Any]:
        """The record of a regular file. Raises FileNotFoundError, UnsafePath, NotInSnapshot."""
        record = self._record(path)
        if record is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        kind = FileType(record.get("type", FileType.FILE))
        if kind is not FileType.FILE:
            raise UnsafePath("not a regular file", f"{path} is {_KINDS[kind]}")
        return record

    def _content(self, path: str, record: Mapping[str, Any], keys: Sequence[str]) -> bytes:
        text = next((record[key] for key in keys if key in record), None)
        if text is not None:
            return str(text).encode("utf-8", "surrogateescape")
        if record.get("size") == 0 and not path.startswith(_SIZELESS):
            return b""
        if record.get("digest") in self._contents:
            return self._contents[record["digest"]]
        if (unveiled := self._unveiled(path, record)) is not None:
            return unveiled
        error = self._missing(path, f"the content of {path}")
        if record.get("binary"):
            # No snapshot can have it: the plan is incomplete only where the caller cannot do without.
            self.basis.unknown.pop(path)
        raise error

    def _unveiled(self, path: str, record: Mapping[str, Any]) -> bytes | None:
        """The content of somebody else's file, from the values that the spec declares for it.

        None where that cannot be told.
        """
        if not {"values", "digest"} <= record.keys() or path not in self._declared:
            return None
        from reconciler.formats.veiled import unveiled  # only where something of somebody else's is declared

        try:
            texts = (self._declared[path].decode("utf-8", "replace"), record.get("excerpt", ""))
            return unveiled(path, record["values"], texts).encode("utf-8", "surrogateescape")
        except ValueError:
            return None

    def _missing(self, key: str, fact: str) -> NotInSnapshot:
        """Note a fact as unknown. Returns the error to raise."""
        self.basis.unknown.setdefault(key, fact)
        return NotInSnapshot("unknown", f"the snapshot does not have {fact}")


def _entry(record: Mapping[str, Any]) -> Entry:
    kind = FileType(record.get("type", FileType.FILE))
    mode = record.get("mode", "0777" if kind is FileType.LINK else "")
    return Entry(
        kind,
        mode,
        record.get("owner", "root"),
        record.get("group", "root"),
        record.get("size", 0),
        record.get("mtime", 0),
        record.get("links", 1),
        record.get("target", ""),
        record.get("ctime", 0),
        record["digest"] if record.get("digest", "").startswith("sha256:") else "",
    )
