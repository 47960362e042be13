"""Units of a host with their drop-ins, read by the path of any of their files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.policy.root_reach.places import UNIT_DIRECTORIES
from reconciler.policy.root_reach.readers import FOR_ALL, UNIT
from reconciler.policy.root_reach.texts.values import Reading
from reconciler.policy.symlinks import Followed

_FOR_ITS_USER = Late(
    r"^[ \t]*(?:AmbientCapabilities|SupplementaryGroups|Group|LoadCredential|OpenFile|StandardInput)[ \t]*=",
    re.MULTILINE,
)


class HostUnits:
    """The units of one host."""

    def __init__(self, files: Followed) -> None:
        self._files = files
        self._listed: dict[str, frozenset[str]] = {}

    def readings(self, path: str) -> Iterator[Reading]:
        """Yield what a unit with its drop-ins says, by the path of any of them."""
        from reconciler.policy.root_reach.texts.units import unit

        if (every := FOR_ALL.fullmatch(path)) is not None:
            yield from unit(f"every {every['type']}", [self._files.noted_text(path) or ""])
            return
        match = UNIT.fullmatch(path.replace("/lib/", "/usr/lib/", 1) if path.startswith("/lib/") else path)
        if match is None:
            return
        name = match["unit"]
        paths = self._paths(name)
        texts = [text for text in map(self._files.noted_text, paths) if text is not None]
        whole_texts = [
            text
            for file in paths
            if self._files.is_whole(file) and (text := self._files.noted_text(file)) is not None
        ]
        # A drop-in hands root over whatever the other files say; only what goes to the unit's user hangs on
        # who that is.
        if not whole_texts or any(_FOR_ITS_USER.search(text) for text in whole_texts):
            for file in paths:
                self._files.look_for_text(file)
        yield from unit(name, texts)

    def _paths(self, name: str) -> list[str]:
        """The file of a unit, where it has one, and its drop-ins in the order in which systemd reads them."""
        fragment = next((f"{base}/{name}" for base in UNIT_DIRECTORIES if name in self._names(base)), "")
        drop_ins: dict[str, str] = {}
        for base in reversed(UNIT_DIRECTORIES):
            directory = f"{base}/{name}.d"
            if f"{name}.d" in self._names(base):
                drop_ins |= {
                    file: f"{directory}/{file}" for file in self._names(directory) if file.endswith(".conf")
                }
        return ([fragment] if fragment else []) + [drop_ins[file] for file in sorted(drop_ins)]

    def _names(self, directory: str) -> frozenset[str]:
        if directory not in self._listed:
            self._listed[directory] = frozenset(self._files.noted_names(directory))
        return self._listed[directory]
