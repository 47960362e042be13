"""The findings of `doctor`, and the host and the spec that its questions are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconciler.app.specs import Loaded, SpecChoice, load_spec
from reconciler.app.status import last_apply
from reconciler.core.basics.frozen import frozen
from reconciler.core.state import Memory
from reconciler.host.hosts import machine_id, open_host, state_directory
from reconciler.host.state.history import open_history
from reconciler.host.state.read import read_memory

FINE, FINDING, LEFT_OUT = "fine", "finding", "left out"


@frozen
class Finding:
    """The answer to one question."""

    check: str
    """The name of the question."""
    status: str
    """FINE, FINDING or LEFT_OUT."""
    what: str
    """The answer in words."""
    next: str = ""
    """The command to type if it should not be so."""


@dataclass(frozen=True)
class Patient:
    """The host and the spec that the questions are about; each fact is looked up once."""

    root: str | None
    spec: str

    @cached_property
    def directory(self) -> str:
        """The directory of our state."""
        return state_directory(self.root)

    @cached_property
    def host(self) -> Any:
        """The host. Raises HostError."""
        return open_host(self.root)

    @cached_property
    def memory(self) -> Memory:
        """The memory of the host.

        Raises HostError.
        """
        return read_memory(self.directory, machine_id(self.host))

    @cached_property
    def loaded(self) -> Loaded:
        """The spec."""
        return load_spec(SpecChoice(self.spec, "", self.root), lambda: b"")

    @cached_property
    def last_run(self) -> Mapping[str, Any] | None:
        """The newest run. Raises HostError."""
        history = open_history(self.directory)
        if history is None:
            return None
        with history:
            return last_apply(history)


Question = Callable[[Patient], Iterator[Finding]]
