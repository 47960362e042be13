"""One file per command: parse, call app, render; nothing else.

Heavy imports live in the commands, so that --version stays quick.
"""

from __future__ import annotations

import gc

# Before anything else is imported: a process of a second or two makes no cyclic garbage worth looking for,
# and looking costs a tenth of it.
gc.set_threshold(2_000_000, 20, 20)
