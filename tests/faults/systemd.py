"""A pretended systemd over a tree, which outlives whoever asks it: what it knows is in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import ActionFailed, Receipt, UnitNode, UnitState, Unreadable
from reconciler.host.live import LiveHost
from tests.faults.scenarios import SICK

_DIRECTORIES = ("etc/systemd/system", "usr/lib/systemd/system")
_READ = re.compile(r"^EnvironmentFile=-?(\S+)", re.MULTILINE)
_SUB = {"timer": "waiting", "service": "running"}


@contextmanager
def _reached() -> Iterator[None]:
    """A disturbed call on what it keeps is one on the way to it: it cannot be asked, as when systemctl cannot
    be run.
    """
    try:
        yield
    except OSError as error:
        raise Unreadable("systemd cannot be asked", str(error.strerror)) from error


class PretendedSystemd:
    """`loaded` is what it has read of each unit, `running` which process runs each and what that has read."""

    def __init__(self, root: Path, file: Path) -> None:
        self._root = root
        self._file = file

    def known(self) -> dict[str, Any]:
        """Everything it knows."""
        with _reached():
            return (
                dict(json.loads(self._file.read_text()))
                if self._file.exists()
                else {"loaded": {}, "running": {}, "count": 0}
            )

    def _keep(self, known: Mapping[str, Any]) -> None:
        new = self._file.with_suffix(".new")
        with _reached():
            new.write_text(json.dumps(known))
            new.rename(self._file)

    def on_disk(self, unit: str) -> str | None:
        """The text of a unit's file; None without one."""
        paths = [self._root / directory / unit for directory in _DIRECTORIES]
        with _reached():
            return next(
                (path.read_text() for path in paths if path.is_file() and not path.is_symlink()), None
            )

    def files_on_disk(self, unit: str, text: str) -> dict[str, str | None]:
        """The files that a process would read now: its environment files, and all files of a unit that has a
        reload or is watched.
        """
        paths = [self._root / path.removeprefix("/") for path in _READ.findall(text)]
        if unit == "ml-watch.service":
            paths.append(self._root / "etc/ml-api.conf")
        with _reached():
            return {
                str(path.relative_to(self._root)): path.read_text() if path.exists() else None
                for path in paths
            }

    # -------------------------------------------------------------------------------- as host.systemd.Systemd

    def forget(self) -> None:
        """Nothing is kept."""

    def ask(self) -> None:
        """There is nothing to be asked for ahead."""

    def loaded(self) -> tuple[str, ...]:
        """As Systemd.loaded."""
        known = self.known()
        return tuple({*known["loaded"], *known["running"]})

    def units(self, names: Sequence[str]) -> dict[str, UnitState]:
        """As Systemd.units."""
        known = self.known()
        return {name: self._state(known, name) for name in names}

    def relations(self, names: Sequence[str]) -> dict[str, UnitNode]:
        """As Systemd.relations: units that are tied to nothing."""
        return {
            name: UnitNode(state.load, state.active, {}, {"CanReload": "yes"})
            for name, state in self.units(names).items()
        }

    def _state(self, known: Mapping[str, Any], name: str) -> UnitState:
        load = "loaded" if name in known["loaded"] else "not-found"
        if name in known["running"]:
            return UnitState(
                load,
                "active",
                _SUB.get(name.rpartition(".")[2], "active"),
                known["running"][name]["invocation"],
            )
        return UnitState(load, "inactive", "dead") if load == "loaded" else UnitState()

    def settle(self, names: Sequence[str], seconds: float) -> dict[str, str]:
        """A unit that was started stays up."""
        return {}

    def started_at(self, _name: str) -> float:
        """As Systemd.started_at: long ago, nobody waits for what is pretended."""
        return 0.0

    def invocation(self, name: str) -> str:
        """As Systemd.invocation. A sick unit has another process at each look."""
        known = self.known()
        process = known["running"].get(name)
        if process is not None and SICK in process["unit"]:
            known["count"] += 1
            process["invocation"] = f"{known['count']:032x}"
            self._keep(known)
        return process["invocation"] if process is not None else ""

    def watch(self, _name: str, _invocation: str, _deadline: float) -> None:
        """As Systemd.watch."""

    def fallen(self, name: str, _invocation: str) -> Receipt:
        """As Systemd.fallen."""
        return Receipt(failed={name: "it ended and was started again"})

    def comes_up(self, _name: str) -> bool:
        """As Systemd.comes_up: nothing is started again here."""
        return False

    def runs(self, name: str) -> bool:
        """As Systemd.runs."""
        return name in self.known()["running"]

    def passed(self, _name: str) -> None:
        """As Systemd.passed."""

    def last_words(self, _invocation: str) -> str:
        """As Systemd.last_words."""
        return ""

    def execute(self, action: Unit) -> Receipt:
        """As Systemd.execute."""
        try:
            known = self.known()
            failed = {
                name: why for name in action.units or ("",) if (why := self._do(known, action.verb, name))
            }
            self._keep(known)
        except Unreadable as error:
            raise ActionFailed(error.summary, error.detail) from error
        return Receipt(failed=failed or None)

    def _do(self, known: dict[str, Any], verb: UnitVerb, name: str) -> str:
        match verb:
            case UnitVerb.DAEMON_RELOAD:
                self._reload_all(known)
            case UnitVerb.STOP:
                known["running"].pop(name, None)
            case UnitVerb.RESTART:
                return self._start(known, name)
            case UnitVerb.START:
                return "" if name in known["running"] else self._start(known, name)
            case UnitVerb.RELOAD:
                if name not in known["running"]:
                    return f"Unit {name} is not active, cannot reload."
                known["running"][name]["files"] = self.files_on_disk(name, known["loaded"].get(name) or "")
            case _:
                pass
        return ""

    def _reload_all(self, known: dict[str, Any]) -> None:
        files = [path for directory in _DIRECTORIES for path in (self._root / directory).iterdir()]
        known["loaded"] = {
            path.name: self.on_disk(path.name) for path in files if path.is_file() and not path.is_symlink()
        }

    def _start(self, known: dict[str, Any], name: str) -> str:
        text = known["loaded"].get(name)
        if text is None:
            text = self.on_disk(name)
        if text is None:
            return f"Unit {name} not found."
        known["loaded"][name] = text
        known["count"] += 1
        known["running"][name] = {
            "invocation": f"{known['count']:032x}",
            "unit": text,
            "files": self.files_on_disk(name, text),
        }
        return ""

    # ------------------------------------------------------------------------------------------------ judging

    def stale(self) -> frozenset[str]:
        """Everything that is not as on disk: units that were not read again, processes with an old unit or
        old files.
        """
        known = self.known()
        found = {
            f"not reloaded: {name}" for name, text in known["loaded"].items() if text != self.on_disk(name)
        }
        for name, process in known["running"].items():
            text = self.on_disk(name)
            if text is None:
                found.add(f"runs without a unit file: {name}")
            elif process["unit"] != text:
                found.add(f"old unit: {name}")
            if process["files"] != self.files_on_disk(name, text or ""):
                found.add(f"old files: {name}")
        return frozenset(found)


class TreeWithSystemd(LiveHost):
    """The live host's code on a tree, with a systemd that is pretended."""

    def __init__(self, root: str, file: Path) -> None:
        super().__init__(root)
        self.running = True
        self._pretended = PretendedSystemd(Path(root), file)

    def _systemd(self) -> Any:
        return self._pretended
