"""Files and directories that sudo itself uses as root by its settings: whoever can write them becomes root,
or may.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.formats.sudo import environment
from reconciler.formats.sudo.policy import Policy
from reconciler.policy.access.ways import Rank, Way
from reconciler.policy.access.writers import Writers


def ways_by_settings(policy: Policy, writers: Writers) -> Iterator[Way]:
    """Yield the ways through directories of secure_path, files that Defaults name, and paths of included
    rules, which must be root's.
    """
    for path in dict.fromkeys(environment.directories(policy)):
        yield from _ways(f"sudo looks for programs in {path}", path, writers)
    for words, path, likely in dict.fromkeys(environment.files(policy)):
        yield from _ways(f"sudo {words} {path}", path, writers, likely=likely)
    for path in dict.fromkeys(policy.includes):
        yield from _ways(f"sudo takes the rules in {path}", path, writers, only_above=True, likely=True)


def _ways(
    words: str, path: str, writers: Writers, *, only_above: bool = False, likely: bool = False
) -> Iterator[Way]:
    for writer in writers.of(path, only_above=only_above).values() if path.startswith("/") else ():
        yield Way(
            writer.account,
            f"{words}; {writer.how}",
            writer.path,
            Rank.LIKELY if likely else Rank.WRITES,
            likely=likely,
        )
