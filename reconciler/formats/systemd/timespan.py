"""Time spans in systemd's words (systemd.time(7)) as numbers of seconds."""

from __future__ import annotations

from reconciler.core.basics.lazy_regex import Late

_SECONDS = {
    **dict.fromkeys(("us",), 1e-6),
    **dict.fromkeys(("ms",), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
    **dict.fromkeys(("M", "month", "months"), 2_629_800.0),
    **dict.fromkeys(("y", "year", "years"), 31_557_600.0),
}
_PART = Late(r"(\d+)\s*([A-Za-z]*)\s*")


def seconds(text: str) -> float:
    """The seconds of a span: `1h 30min` is 5400, `infinity` infinite. A month is 30.44 days, a year 365.25.

    Raises ValueError.
    """
    if text == "infinity":
        return float("inf")
    total, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or part[2] not in _SECONDS:
            raise ValueError(f"{text!r} is not a time span such as 30d or 1h 30min")
        total += int(part[1]) * _SECONDS[part[2]]
        at = part.end()
    if not text:
        raise ValueError("an empty text is not a time span")
    return total


_WORDS = (("y", 31_557_600), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def words(span: float) -> str:
    """A span as people read it, in its two largest units: 5400 is `1h 30min`."""
    rest = int(span)
    parts: list[str] = []
    for unit, length in _WORDS:
        if rest >= length or parts:
            parts.append(f"{rest // length}{unit}")
            rest %= length
        if len(parts) == 2:  # two units, as the docstring says
            break
    return " ".join(part for part in parts if not part.startswith("0")) or "0s"
