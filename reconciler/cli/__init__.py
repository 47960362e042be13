"""One file per command: parse, call app, render; nothing else.

Heavy imports live in the commands, so that --version stays quick.
"""

from __future__ import annotations

import gc

# This comes before all other imports: a process of a second or two makes no cyclic garbage worth collecting,
# and looking for it costs a tenth of its time.
gc.set_threshold(2_000_000, 20, 20)
