"""Taking a snapshot: which facts of a host are recorded, and which of its content may be.

Content is recorded of files that the ledger says are ours, and of a few shared files as far as
`formats.redaction` keeps it. A digest is recorded of files in /etc and beside ours that every account of the
host could read: a short secret could be guessed from any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core import content_marks
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest, keyed_digest
from reconciler.core.basis import Started
from reconciler.core.changes import Document
from reconciler.core.host import FileType, HostError, HostView, UnitNode, UnitState
from reconciler.core.kind import Kinds
from reconciler.core.secrets.masking import holds_secret
from reconciler.core.state import LedgerRow, Memory
from reconciler.formats import redaction
from reconciler.formats.accounts import account_files
from reconciler.formats.backups import manifest
from reconciler.formats.veiled import veiled
from reconciler.host.snapshot.archives import manifests
from reconciler.host.snapshot.contents import (
    KEYS,
    is_of_keys,
    mentioned_paths,
    names_secret,
    text_of,
    without_values,
)
from reconciler.host.snapshot.ledger import memory_data
from reconciler.host.snapshot.recorder import Recorder
from reconciler.host.snapshot.scans import NOT_LISTED, SCANS, SKIP, SOME
from reconciler.host.snapshot.view import UNITS
from reconciler.host.systemd.unit_relations import EVERYBODY
from reconciler.kinds.shared.key_parts import fingerprint_of

FORMAT_VERSION = "1.0"
_LARGEST_TEXT = 64 << 10
_LARGEST = 1 << 20
_MOST_BYTES = 256 << 20
_OF_THE_KERNEL = ("/proc/", "/sys/", "/dev/", "/run/")


def take(
    host: HostView,
    kinds: Kinds,
    memory: Memory,
    *,
    who: Mapping[str, str],
    units: Sequence[str],
    now: str,
    started: Mapping[str, Started],
    **more: Any,
) -> dict[str, Any]:
    """The document.

    `who`: `name` and `machine`. `units` are all that systemd has loaded; `now` is a UTC time stamp as in RFC
    3339.

    `started` is what is remembered of processes.
    """
    found = _Taker(host, kinds, memory)
    found.record()
    states = host.units([name for name in units if name.endswith(UNITS)]) if host.running else None
    processes = found.started(started)
    if states is not None:
        found.note_times(name for name, state in states.items() if state.invocation)
    return {
        "format_version": FORMAT_VERSION,
        "taken": now,
        "host": dict(who),
        "running": host.running,
        "mounts": sorted(path for path in host.mounts() if not path.startswith(_OF_THE_KERNEL)),
        **more,
        "units": (
            None
            if states is None
            else {name: _state(state) for name, state in sorted(states.items()) if state != UnitState()}
        ),
        "relations": None if states is None else _relations(host.relations(units)),
        **({"conditions": dict(sorted(asked.items()))} if (asked := found.recorder.conditions_asked) else {}),
        "started": processes,
        "paths": dict(sorted(found.recorder.known().items())),
        "unlisted": sorted(found.recorder.unlisted),
        "withheld": dict(sorted(found.withheld.items())),
        "memory": memory_data(replace(memory, rows={**memory.rows, **found.rows()})),
    }


def _relations(nodes: Mapping[str, UnitNode]) -> dict[str, Any]:
    """The relations of units, and what decides about jobs for them, by name.

    The order of their jobs is told once, by the later one, and only between units that can have jobs
    (`UNITS`).
    """
    told = {name: {**_related(node), **node.flags} for name, node in nodes.items()}
    return {name: data for name, data in sorted(told.items()) if data}


def _related(node: UnitNode) -> dict[str, list[str]]:
    related = {
        relation: names - EVERYBODY for relation, names in node.relations.items() if relation != "Before"
    }
    if "After" in related:
        related["After"] = frozenset(name for name in related["After"] if name.endswith(UNITS))
    return {relation: sorted(names) for relation, names in related.items() if names}


def _state(state: UnitState) -> dict[str, str]:
    known = {"load": state.load, "active": state.active, "sub": state.sub, "invocation": state.invocation}
    return {name: value for name, value in known.items() if value}


class _Taker:
    """One snapshot in the making."""

    def __init__(self, host: HostView, kinds: Kinds, memory: Memory) -> None:
        self.recorder = Recorder(host)
        self._host = host
        self._kinds = kinds
        self._rows = {address: row for address, row in memory.rows.items() if address.kind in kinds}
        self._key = memory.key
        self._bytes = 0
        self._roots: set[str] = set()
        self._untold: set[str] = set()
        self._manifests: frozenset[str] = frozenset()
        self._documents: dict[Address, Document] = {}
        self.withheld: dict[str, bool] = {}
        """Addresses of which the ledger's document is not told, and whether it is what is on the host."""

    def started(self, known: Mapping[str, Started]) -> dict[str, Any]:
        """The memory of processes, as far as it may be told: whether each file is the same.

        A file's digest stays here.
        """
        now = {
            content_marks.settings_key(address): self._settings(address, document)
            for address, document in self._documents.items()
        }
        written, secret = self._written(), self._paths(secret=True)

        def verdict(path: str, remembered: str) -> str:
            found = now.get(path) if path.startswith("=") else content_marks.mark(self._host, path, self._key)
            if content_marks.compared(remembered, found, self._key):
                return content_marks.SAME
            told = (
                remembered
                if path not in secret and remembered.startswith((content_marks.PLAIN, content_marks.ABSENT))
                else written.get(path, "")
            )
            return (
                f"{content_marks.OTHER}:{told}"
                if told and content_marks.compared(remembered, told, self._key)
                else content_marks.OTHER
            )

        for one in known.values():
            for path in (*one.marks, *one.stamps):
                if not path.startswith("="):
                    content_marks.moments(self.recorder, path)
        return {
            unit: {
                "invocation": one.invocation,
                "marks": {path: verdict(path, remembered) for path, remembered in one.marks.items()},
                "stamps": dict(one.stamps),
            }
            for unit, one in sorted(known.items())
        }

    def _written(self) -> dict[str, str]:
        """Plain digests of files that we wrote, by path, as far as the ledger may tell them."""
        found: dict[str, str] = {}
        for address, row in self._rows.items():
            content, paths = (
                (row.document or {}).get("content"),
                tuple(self._kinds[address.kind].paths(address)),
            )
            if (
                not row.sensitive
                and isinstance(content, str)
                and content.startswith("sha256:")
                and len(paths) == 1
            ):
                found[paths[0]] = content
        return found

    def _settings(self, address: Address, document: Document) -> str:
        return content_marks.settings_mark(self._kinds[address.kind], document, self._key)

    def note_times(self, running: Iterable[str]) -> None:
        """Times of what may be newer than a process, and when that was started.

        All else is older than the oldest of them.
        """
        links = [f"{content_marks.INVOCATIONS}{name}" for name in running if name.endswith(".service")]
        told = [*links, content_marks.RELOADED]
        for path in told:
            self.recorder.note(path)
        times = self.recorder.times
        oldest = min((times[path][0] for path in told if path in times), default=0)
        for path, (written, changed) in times.items():
            said = self.recorder.paths.get(path)
            if said is not None and oldest and (path in told or max(written, changed) > oldest):
                said |= {"mtime": written, "ctime": changed}

    def record(self) -> None:
        """Places first, then what may be said of their content."""
        homes = self._homes()
        for home in homes.values():
            for path in (f"{home}/.ssh", *(f"{home}/.ssh/{name}" for name in KEYS)):
                self.recorder.note(path)
        self._ours(homes)
        self._manifests = manifests(self.recorder, self._rows)
        for path, depth, most in SCANS:
            self.recorder.scan(path, depth, most, SKIP)
        self._withhold()
        secret, ours = self._paths(secret=True), self._paths(secret=False)
        keys = {f"{home}/.ssh/{name}": user for user, home in homes.items() for name in KEYS}
        for path, said in self.recorder.paths.items():
            if said is not None and "type" not in said:
                if path in self._untold:
                    self._note_withheld(path, said)
                elif path in secret:
                    self._note_secret(path, said)
                elif path in keys:
                    self._note_keys(path, said, keys[path])
                elif path in redaction.FACTS:
                    self._note_facts(path, said)
                else:
                    self._note_content(path, said, ours=path in ours)

    def _homes(self) -> dict[str, str]:
        try:
            users = account_files.users(self._host)
        except (HostError, FileNotFoundError):
            return {}
        return {
            user.name: user.home.rstrip("/")
            for user in users
            if user.home.startswith("/") and user.home != "/"
        }

    def _ours(self, homes: Mapping[str, str]) -> None:
        """Whatever a plan asks about what is ours, the places that it names, and what is beside them."""
        for kind in sorted({address.kind for address in self._rows}):
            try:
                seen = self._kinds[kind].observe(
                    self.recorder, sorted(address for address in self._rows if address.kind == kind)
                )
            except HostError:
                continue
            documents = [found.document for found in seen.values() if found.document is not None]
            self._documents |= {
                address: found.document for address, found in seen.items() if found.document is not None
            }
            for path in (path for document in documents for path in mentioned_paths(document)):
                self.recorder.note(path)
        for address, row in self._rows.items():
            for path in self._kinds[address.kind].paths(address):
                self._roots.add(self._beside(path))
            for path in (*mentioned_paths(row.document or {}), *mentioned_paths(row.pending or {})):
                self._beside(path)
            if address.kind == "users" and address.name in homes:
                self.recorder.list(homes[address.name], SOME)

    def _beside(self, path: str) -> str:
        """Note a path, and list the directory that it is or is in; that directory."""
        self.recorder.note(path)
        said = self.recorder.paths.get(path)
        directory = (
            path if said is not None and said.get("type") == FileType.DIRECTORY else path.rpartition("/")[0]
        )
        if directory and directory.split("/")[1] not in NOT_LISTED:
            self.recorder.list(directory, SOME)
        return directory

    def _withhold(self) -> None:
        """Withhold all text of a part that shows by a name that it holds a secret.

        Such a part is known only to those who declare the same.
        """
        for address, told in list(self._rows.items()):
            # Without a policy as a version wrote it that had none: nothing is told to have changed.
            row = self._rows[address] = replace(told, policy=None) if names_secret(told.policy) else told
            paths = tuple(self._kinds[address.kind].paths(address))
            texts = map(self._ours_at, paths)
            if row.sensitive or not (
                any(map(holds_secret, texts)) or names_secret(row.document) or names_secret(row.pending)
            ):
                continue
            self._untold.update(paths)
            self.withheld[str(address)] = row.pending is None and self._documents.get(address) == row.document
            self._rows[address] = replace(
                row, document=without_values(row.document), pending=without_values(row.pending)
            )

    def _ours_at(self, path: str) -> str:
        said = self.recorder.paths.get(path)
        content = None if said is None or "type" in said else self._read(path, said)
        return "" if content is None else content.decode("utf-8", "replace")

    def rows(self) -> Mapping[Address, LedgerRow]:
        """The ledger as it may be told."""
        return self._rows

    def _paths(self, *, secret: bool) -> frozenset[str]:
        rows = [address for address, row in self._rows.items() if row.sensitive is secret]
        return frozenset(path for address in rows for path in self._kinds[address.kind].paths(address))

    def _note_secret(self, path: str, said: dict[str, Any]) -> None:
        """As the ledger has it: whether the two are the same can be told, and nothing else."""
        content = self._read(path, said)
        if content is not None and self._key:
            said["digest"] = keyed_digest(digest(content).encode(), self._key)

    def _note_withheld(self, path: str, said: dict[str, Any]) -> None:
        """Whether it is what a spec says, as far as every account of the host could find that out."""
        content = self._read(path, said) if self._is_open(path) else None
        if content is not None:
            said["digest"] = digest(content)

    def _note_facts(self, path: str, said: dict[str, Any]) -> None:
        content = self._read(path, said)
        if content is None:
            return
        said["text"] = redaction.FACTS[path](content.decode("utf-8", "surrogateescape"))
        if self._is_open(path) and redaction.FACTS[path] is not redaction.passwords:
            said["digest"] = digest(content)

    def _note_keys(self, path: str, said: dict[str, Any], user: str) -> None:
        """The lines, of whoever can log in: a plan shows those that it would remove, with their comments."""
        content = self._read(path, said)
        text = None if content is None else text_of(content)
        if content is None or text is None:
            return
        ours = [address for address in self._rows if address.name == user and is_of_keys(address)]
        kept = redaction.keys(text, {fingerprint_of(address) for address in ours})
        if kept is not None:
            # With all but a comment known, the comment could be guessed from the digest.
            said |= {"excerpt": kept[0]} | ({"shortened": True} if kept[1] else {"digest": digest(content)})

    def _note_content(self, path: str, said: dict[str, Any], *, ours: bool) -> None:
        shorten = manifest.outline if path in self._manifests else redaction.excerpt(path)
        is_open = self._is_open(path)
        if not (
            ours
            or shorten
            or (is_open and (path.startswith("/etc/") or path.rpartition("/")[0] in self._roots))
        ):
            return
        content = self._read(path, said)
        if content is None:
            return
        if ours or is_open:
            said["digest"] = digest(content)
        if is_open and not ours and (values := veiled(path, content.decode("utf-8", "surrogateescape"))):
            said["values"] = values
        text = text_of(content) if ours else None
        if ours and text is None:
            said["binary"] = True
        elif text is not None and len(content) <= _LARGEST_TEXT:
            said["text"] = text
        elif shorten and (kept := shorten(content.decode("utf-8", "replace"))) is not None:
            said["excerpt"] = kept

    def _read(self, path: str, said: Mapping[str, Any]) -> bytes | None:
        if said["size"] > _LARGEST or self._bytes > _MOST_BYTES:
            return None
        try:
            content = self._host.read(path)
        except (HostError, FileNotFoundError):
            return None
        self._bytes += len(content)
        return content

    def _is_open(self, path: str) -> bool:
        """Whether every account could read it."""
        return content_marks.readable_by_all(
            lambda at: str((self.recorder.paths.get(at) or {}).get("mode", "")), path
        )
