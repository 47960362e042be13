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
        """A unit with its drop-ins, by the path of any of them."""
        from reconciler.policy.root_reach.texts.units import unit

        if (every := FOR_ALL.fullmatch(path)) is not None:
            yield from unit(f"every {every['type']}", [self._files.noted_text(path) or ""])
            return
        found = UNIT.fullmatch(path.replace("/lib/", "/usr/lib/", 1) if path.startswith("/lib/") else path)
        if found is None:
            return
        name = found["unit"]
        fragment = next((f"{place}/{name}" for place in UNIT_DIRECTORIES if name in self._names(place)), "")
        drop_ins: dict[str, str] = {}
        for place in reversed(UNIT_DIRECTORIES):
            directory = f"{place}/{name}.d"
            if f"{name}.d" in self._names(place):
                drop_ins |= {
                    file: f"{directory}/{file}" for file in self._names(directory) if file.endswith(".conf")
                }
        paths = ([fragment] if fragment else []) + [drop_ins[file] for file in sorted(drop_ins)]
        texts = [text for text in map(self._files.noted_text, paths) if text is not None]
        whole = [
            text
            for part in paths
            if self._files.is_whole(part) and (text := self._files.noted_text(part)) is not None
        ]
        # What a drop-in adds for root is told whatever the rest says; only what goes to the unit's user hangs
        # on who that is.
        if not whole or any(_FOR_ITS_USER.search(text) for text in whole):
            for part in paths:
                self._files.look_for_text(part)
        yield from unit(name, texts)

    def _names(self, directory: str) -> frozenset[str]:
        if directory not in self._listed:
            self._listed[directory] = frozenset(self._files.noted_names(directory))
        return self._listed[directory]
