"""How far a step is, how fast it goes and how long it will take, in one line."""

from __future__ import annotations

from reconciler.formats.systemd import timespan
from reconciler.render.backup_views.text import size


def progress_text(words: str, done: int, total: int, first: int, seconds: float) -> str:
    """`writing the archive: 1.2 GiB of 3.4 GiB, 85.0 MiB/s, 26s left`.

    `first` is how much was done `seconds` ago. Without a total, or beyond it, nobody knows what is left.
    """
    text = f"{words}: {size(done)} of {size(total)}" if total >= done and total else f"{words}: {size(done)}"
    rate = (done - first) / seconds if seconds > 0 else 0.0
    if rate <= 0:
        return text
    text += f", {size(int(rate))}/s"
    return f"{text}, {timespan.words((total - done) / rate)} left" if total > done else text
