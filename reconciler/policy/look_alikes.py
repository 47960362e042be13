"""Paths with letters of another script that look like Latin ones: a reviewer takes them for another path."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.spec import Spec
from reconciler.policy.paths import Table

_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u051b\u051d\u0501\u04cf\u03bf\u03bd\u0131\u0261"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0405\u0406\u0408",
    "aeopcyxsijhqwdlovigABEKMHOPCTXSIJ",
)
"""Letters of Cyrillic, Greek and IPA, and the Latin ones that look the same."""


def look_alikes(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield paths with a step that would be ASCII but for such letters; a word of another language has others
    besides.
    """
    for declared, places in named:
        for path in dict.fromkeys(place.path for place in places if not place.path.isascii()):
            plain = "/".join(map(_plain, path.split("/")))
            if plain != path:
                letters = ", ".join(
                    f"U+{ord(letter):04X}"
                    for letter, other in zip(path, plain, strict=True)
                    if letter != other
                )
                detail = (
                    f"{path!a} is not {plain}: it has letters of another script that look like Latin ones"
                    f" ({letters})."
                )
                yield warning(
                    "a path looks like another one",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="look-alike",
                )


def _plain(step: str) -> str:
    plain = step.translate(_LATIN)
    return plain if plain.isascii() else step
