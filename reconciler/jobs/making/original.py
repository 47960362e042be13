"""The archive of a run, which its further destinations are given, and those that are tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from reconciler.core.host import HostError
from reconciler.formats.backups.job import Job
from reconciler.formats.backups.manifest import Manifest
from reconciler.formats.systemd import timespan
from reconciler.host.archives.remote.channel import Lost
from reconciler.host.files.descriptors import Kept

_FIRST_WAIT = 5.0
_LONGEST_WAIT = 300.0


class Original:
    """The first archive, kept open: what another destination is given is what was made. A context manager."""

    def __init__(self) -> None:
        self._kept = Kept()
        self.manifest: Manifest | None = None
        """None: there is none yet."""

    @property
    def fd(self) -> int:
        """A descriptor of its file."""
        return self._kept.fd

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    def keep(self, fd: int, manifest: Manifest) -> None:
        """Keep the file of a descriptor, which the caller still closes."""
        self._kept.keep(fd)
        self.manifest = manifest

    def drop(self) -> None:
        """Let it go; the next destination makes its own."""
        self._kept.drop()
        self.manifest = None


def again(job: Job, failed: Mapping[str, HostError], tell: Callable[[str], None]) -> Iterator[str]:
    """Yield the destinations that could not be reached, until none is left in `failed`, or its time is up.

    The time in between doubles each time.
    """
    begun, wait = monotonic(), _FIRST_WAIT
    while pending := _in_time(job, failed, monotonic() + wait - begun):
        for name in pending:
            tell(f"{failed[name]}; trying again in {timespan.words(wait)}")
        sleep(wait)
        yield from pending
        wait = min(2 * wait, _LONGEST_WAIT)


def _in_time(job: Job, failed: Mapping[str, HostError], after: float) -> list[str]:
    """The destinations that may still be tried after so many seconds."""
    lost = [name for name, problem in failed.items() if isinstance(problem, Lost)]
    return [name for name in lost if name in job.remotes and after <= job.remotes[name].retry_for]
