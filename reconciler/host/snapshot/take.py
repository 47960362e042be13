"""Taking a snapshot: which facts of a host are recorded, and which content.

Content is recorded for files that the ledger says are ours, and for a few shared files as far as
`formats.redaction` keeps it. A digest is recorded for files in /etc and beside ours that every account of the
host can read: from the digest of any other file, a short secret could be guessed.
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
from reconciler.core.host import FileType, HostError, UnitNode, UnitState
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
from reconciler.kinds.shared.keys.observe import fingerprint_of

FORMAT_VERSION = "1.0"
_LARGEST_TEXT = 64 << 10
"""A text with more bytes is recorded by its digest alone."""
_LARGEST_FILE = 1 << 20
"""A file with more bytes is not read."""
_MOST_BYTES = 256 << 20
"""After so many bytes no further file is read."""
_KERNEL_PREFIXES = ("/proc/", "/sys/", "/dev/", "/run/")
"""Mount points below these are the system's own, and are left out."""


def take(
    recorder: Recorder,
    kinds: Kinds,
    memory: Memory,
    *,
    who: Mapping[str, str],
    units: Sequence[str],
    now: str,
    started: Mapping[str, Started],
    **more: Any,
) -> dict[str, Any]:
    """The document of a snapshot.

    `who` has `name` and `machine` of the host. `units` are all that systemd has loaded. `now` is a UTC time
    stamp as in RFC 3339. `started` is what applies remember about processes. `more` are further fields of
    the document. The recorder may have been asked for other paths before.
    """
    host, taker = recorder.host, _Taker(recorder, kinds, memory)
    taker.record()
    states = host.units([name for name in units if name.endswith(UNITS)]) if host.running else None
    processes = taker.started_data(started)
    if states is not None:
        taker.note_times(name for name, state in states.items() if state.invocation)
    return {
        "format_version": FORMAT_VERSION,
        "taken": now,
        "host": dict(who),
        "running": host.running,
        "mounts": sorted(path for path in host.mounts() if not path.startswith(_KERNEL_PREFIXES)),
        **more,
        "units": (
            None
            if states is None
            else {name: _state_data(state) for name, state in sorted(states.items()) if state != UnitState()}
        ),
        "relations": None if states is None else _relations_data(host.relations(units)),
        **({"conditions": dict(sorted(asked.items()))} if (asked := taker.recorder.conditions_asked) else {}),
        "started": processes,
        "paths": dict(sorted(taker.recorder.records().items())),
        "unlisted": sorted(taker.recorder.unlisted),
        "withheld": dict(sorted(taker.withheld.items())),
        "memory": memory_data(replace(memory, rows={**memory.rows, **taker.rows()})),
    }


def _relations_data(nodes: Mapping[str, UnitNode]) -> dict[str, Any]:
    """The relations of units, and the flags that decide about jobs for them, by name.

    An order of two units is told once, by the later one, and only between units that can have jobs (`UNITS`).
    """
    relations = {name: {**_relation_names(node), **node.flags} for name, node in nodes.items()}
    return {name: data for name, data in sorted(relations.items()) if data}


def _relation_names(node: UnitNode) -> dict[str, list[str]]:
    related = {
        relation: names - EVERYBODY for relation, names in node.relations.items() if relation != "Before"
    }
    if "After" in related:
        related["After"] = frozenset(name for name in related["After"] if name.endswith(UNITS))
    return {relation: sorted(names) for relation, names in related.items() if names}


def _state_data(state: UnitState) -> dict[str, str]:
    fields = {"load": state.load, "active": state.active, "sub": state.sub, "invocation": state.invocation}
    return {name: value for name, value in fields.items() if value}


class _Taker:
    """One snapshot in the making."""

    def __init__(self, recorder: Recorder, kinds: Kinds, memory: Memory) -> None:
        self.recorder, self._host = recorder, recorder.host
        self._kinds = kinds
        self._rows = {address: row for address, row in memory.rows.items() if address.kind in kinds}
        self._key = memory.key
        self._bytes = 0
        self._own_directories: set[str] = set()
        self._withheld_paths: set[str] = set()
        self._manifests: frozenset[str] = frozenset()
        self._documents: dict[Address, Document] = {}
        self.withheld: dict[str, bool] = {}
        """The addresses whose document is not told, and whether that document is on the host now."""

    def started_data(self, processes: Mapping[str, Started]) -> dict[str, Any]:
        """The data about processes by unit, as far as it may be told: whether each file is still the same.

        The digests of the files stay on the host.
        """
        settings = {
            content_marks.settings_key(address): self._settings(address, document)
            for address, document in self._documents.items()
        }
        written, secret = self._written_digests(), self._own_paths(secret=True)

        def verdict(path: str, remembered: str) -> str:
            current = (
                settings.get(path)
                if path.startswith("=")
                else content_marks.mark(self._host, path, self._key)
            )
            if content_marks.compared(remembered, current, self._key):
                return content_marks.SAME
            public_mark = (
                remembered
                if path not in secret and remembered.startswith((content_marks.PLAIN, content_marks.ABSENT))
                else written.get(path, "")
            )
            return (
                f"{content_marks.OTHER}:{public_mark}"
                if public_mark and content_marks.compared(remembered, public_mark, self._key)
                else content_marks.OTHER
            )

        for process in processes.values():
            for path in (*process.marks, *process.stamps):
                if not path.startswith("="):
                    content_marks.moments(self.recorder, path)
        return {
            unit: {
                "invocation": process.invocation,
                "marks": {path: verdict(path, remembered) for path, remembered in process.marks.items()},
                "stamps": dict(process.stamps),
            }
            for unit, process in sorted(processes.items())
        }

    def _written_digests(self) -> dict[str, str]:
        """The plain digests of files that we wrote, by path, as far as the ledger may tell them."""
        digests: dict[str, str] = {}
        for address, row in self._rows.items():
            content = (row.document or {}).get("content")
            paths = tuple(self._kinds[address.kind].paths(address))
            is_plain = not row.sensitive and isinstance(content, str) and content.startswith("sha256:")
            if is_plain and len(paths) == 1:
                digests[paths[0]] = str(content)
        return digests

    def _settings(self, address: Address, document: Document) -> str:
        return content_marks.settings_mark(self._kinds[address.kind], document, self._key)

    def note_times(self, running: Iterable[str]) -> None:
        """Record when processes were started, and the times of every path that may be newer than a process.

        All other paths are older than the oldest process.
        """
        links = [f"{content_marks.INVOCATIONS}{name}" for name in running if name.endswith(".service")]
        start_marks = [*links, content_marks.RELOADED]
        for path in start_marks:
            self.recorder.note(path)
        times = self.recorder.times
        oldest = min((times[path][0] for path in start_marks if path in times), default=0)
        for path, (written, changed) in times.items():
            record = self.recorder.paths.get(path)
            if record is not None and oldest and (path in start_marks or max(written, changed) > oldest):
                record |= {"mtime": written, "ctime": changed}

    def record(self) -> None:
        """Record the paths first, then what may be told of their content."""
        homes = self._homes()
        for home in homes.values():
            for path in (f"{home}/.ssh", *(f"{home}/.ssh/{name}" for name in KEYS)):
                self.recorder.note(path)
        self._record_own_parts(homes)
        self._manifests = manifests(self.recorder, self._rows)
        for path, depth, most in SCANS:
            self.recorder.scan(path, depth, most, SKIP)
        self._withhold()
        secret, ours = self._own_paths(secret=True), self._own_paths(secret=False)
        keys = {f"{home}/.ssh/{name}": user for user, home in homes.items() for name in KEYS}
        for path, record in self.recorder.paths.items():
            if record is not None and "type" not in record:
                if path in self._withheld_paths:
                    self._note_withheld(path, record)
                elif path in secret:
                    self._note_secret(path, record)
                elif path in keys:
                    self._note_keys(path, record, keys[path])
                elif path in redaction.FACTS:
                    self._note_facts(path, record)
                else:
                    self._note_content(path, record, ours=path in ours)

    def _homes(self) -> dict[str, str]:
        """The home of each account by its name; empty where the accounts cannot be read."""
        try:
            users = account_files.users(self._host)
        except (HostError, FileNotFoundError):
            return {}
        return {
            user.name: user.home.rstrip("/")
            for user in users
            if user.home.startswith("/") and user.home != "/"
        }

    def _record_own_parts(self, homes: Mapping[str, str]) -> None:
        """Record all that a plan asks about our parts, the paths that they name, and their neighbours."""
        for kind in sorted({address.kind for address in self._rows}):
            try:
                observed_parts = self._kinds[kind].observe(
                    self.recorder, sorted(address for address in self._rows if address.kind == kind)
                )
            except HostError:
                continue
            documents = {
                address: part.document
                for address, part in observed_parts.items()
                if part.document is not None
            }
            self._documents |= documents
            for document in documents.values():
                for path in mentioned_paths(document):
                    self.recorder.note(path)
        for address, row in self._rows.items():
            for path in self._kinds[address.kind].paths(address):
                self._own_directories.add(self._note_surroundings(path))
            for path in (*mentioned_paths(row.document or {}), *mentioned_paths(row.pending or {})):
                self._note_surroundings(path)
            if address.kind == "users" and address.name in homes:
                self.recorder.list_directory(homes[address.name], SOME)

    def _note_surroundings(self, path: str) -> str:
        """Note a path, and list the directory that it is or that it is in. Returns that directory."""
        self.recorder.note(path)
        record = self.recorder.paths.get(path)
        is_directory = record is not None and record.get("type") == FileType.DIRECTORY
        directory = path if is_directory else path.rpartition("/")[0]
        if directory and directory.split("/")[1] not in NOT_LISTED:
            self.recorder.list_directory(directory, SOME)
        return directory

    def _withhold(self) -> None:
        """Withhold all text of a part that holds a secret in the open, as some name in it shows.

        Such a part can be compared only by those who declare the same.
        """
        for address, ledger_row in list(self._rows.items()):
            # A row without a policy is as older versions wrote it: a plan tells of no change of policy then.
            row = replace(ledger_row, policy=None) if names_secret(ledger_row.policy) else ledger_row
            self._rows[address] = row
            paths = tuple(self._kinds[address.kind].paths(address))
            if row.sensitive or not self._shows_secret(row, paths):
                continue
            self._withheld_paths.update(paths)
            self.withheld[str(address)] = row.pending is None and self._documents.get(address) == row.document
            self._rows[address] = replace(
                row, document=without_values(row.document), pending=without_values(row.pending)
            )

    def _shows_secret(self, row: LedgerRow, paths: Iterable[str]) -> bool:
        texts = map(self._own_text, paths)
        return any(map(holds_secret, texts)) or names_secret(row.document) or names_secret(row.pending)

    def _own_text(self, path: str) -> str:
        record = self.recorder.paths.get(path)
        content = None if record is None or "type" in record else self._content(path, record)
        return "" if content is None else content.decode("utf-8", "replace")

    def rows(self) -> Mapping[Address, LedgerRow]:
        """The ledger as it may be told."""
        return self._rows

    def _own_paths(self, *, secret: bool) -> frozenset[str]:
        addresses = [address for address, row in self._rows.items() if row.sensitive is secret]
        return frozenset(path for address in addresses for path in self._kinds[address.kind].paths(address))

    def _note_secret(self, path: str, record: dict[str, Any]) -> None:
        """Record a keyed digest, as the ledger has it: only whether the two are the same can be told."""
        content = self._content(path, record)
        if content is not None and self._key:
            record["digest"] = keyed_digest(digest(content).encode(), self._key)

    def _note_withheld(self, path: str, record: dict[str, Any]) -> None:
        """Record a digest to compare with a spec, where every account of the host could read the file."""
        content = self._content(path, record) if self._is_open(path) else None
        if content is not None:
            record["digest"] = digest(content)

    def _note_facts(self, path: str, record: dict[str, Any]) -> None:
        """Record a shared file as `redaction.FACTS` keeps it; a digest where every account can read it."""
        content = self._content(path, record)
        if content is None:
            return
        record["text"] = redaction.FACTS[path](content.decode("utf-8", "surrogateescape"))
        if self._is_open(path) and redaction.FACTS[path] is not redaction.passwords:
            record["digest"] = digest(content)

    def _note_keys(self, path: str, record: dict[str, Any], user: str) -> None:
        """Record the keys of an account: a plan shows the lines that it would remove, with their comments."""
        content = self._content(path, record)
        text = None if content is None else text_of(content)
        if content is None or text is None:
            return
        own_addresses = [address for address in self._rows if address.name == user and is_of_keys(address)]
        redacted = redaction.keys(text, {fingerprint_of(address) for address in own_addresses})
        if redacted is not None:
            excerpt, is_shortened = redacted
            # A digest is left out where a comment is: with the rest known, that could be guessed from it.
            record |= {"excerpt": excerpt} | (
                {"shortened": True} if is_shortened else {"digest": digest(content)}
            )

    def _note_content(self, path: str, record: dict[str, Any], *, ours: bool) -> None:
        """Record what may be told of any other file: all of ours, a digest of what every account can read."""
        shorten = manifest.outline if path in self._manifests else redaction.excerpt(path)
        is_open = self._is_open(path)
        is_near = path.startswith("/etc/") or path.rpartition("/")[0] in self._own_directories
        if not (ours or shorten or (is_open and is_near)):
            return
        content = self._content(path, record)
        if content is None:
            return
        if ours or is_open:
            record["digest"] = digest(content)
        if is_open and not ours and (values := veiled(path, content.decode("utf-8", "surrogateescape"))):
            record["values"] = values
        text = text_of(content) if ours else None
        if ours and text is None:
            record["binary"] = True
        elif text is not None and len(content) <= _LARGEST_TEXT:
            record["text"] = text
        elif shorten and (shortened := shorten(content.decode("utf-8", "replace"))) is not None:
            record["excerpt"] = shortened

    def _content(self, path: str, record: Mapping[str, Any]) -> bytes | None:
        """The content of a file; None where it is too large or cannot be read."""
        if record["size"] > _LARGEST_FILE or self._bytes > _MOST_BYTES:
            return None
        try:
            content = self._host.read(path)
        except (HostError, FileNotFoundError):
            return None
        self._bytes += len(content)
        return content

    def _is_open(self, path: str) -> bool:
        """Whether every account of the host could read a file."""
        return content_marks.readable_by_all(
            lambda ancestor: str((self.recorder.paths.get(ancestor) or {}).get("mode", "")), path
        )
