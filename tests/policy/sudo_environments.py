"""Rules of sudo under which what is left of the environment makes a harmless program root's shell, or does
not.

For both judges.

Each row: what is in /etc/sudoers.d besides (`Defaults`, with RULE for the rule about ann), what ann types,
and the words of her way.
"""

from __future__ import annotations

from typing import NamedTuple

SCRIPTS = {
    "/usr/local/bin/run": "#!/bin/sh\ntool\n",
    "/usr/local/bin/own": "#!/bin/sh\nPATH=/usr/bin:/bin\nid -u >/dev/null\n/usr/bin/true\n",
    "/usr/local/bin/pyrun": "#!/usr/bin/python3\nimport json\n",
    "/usr/local/bin/envrun": "#!/usr/bin/env tool\n",
}
"""Root's own, on the host."""
HERS = "/home/ann/bin"
_RUN = "PATH=/home/ann/bin:$PATH sudo -n /usr/local/bin/run"
_PY = "PYTHONPATH=/home/ann/bin sudo -n /usr/local/bin/pyrun"
RULE = "ann ALL=(root) NOPASSWD: "


class Row(NamedTuple):
    """One set of rules. `why` is part of ann's way to root; empty: she has none."""

    rules: str
    types: str
    why: str


PATHS = "/usr/local/bin/run looks for tool on the PATH of ann"
LIBRARY = "SETENV has it load any library"
ROWS: dict[str, Row] = {
    "as Debian has it": Row(f"{RULE}/usr/local/bin/run", _RUN, ""),
    "no secure_path": Row(f"Defaults !secure_path\n{RULE}/usr/local/bin/run", _RUN, PATHS),
    "none for her": Row(f"Defaults:ann !secure_path\n{RULE}/usr/local/bin/run", _RUN, PATHS),
    "none for somebody else": Row(f"Defaults:ben !secure_path\n{RULE}/usr/local/bin/run", _RUN, ""),
    "none for that program": Row(
        f"Defaults!/usr/local/bin/run !secure_path\n{RULE}/usr/local/bin/run", _RUN, PATHS
    ),
    "none for another program": Row(f"Defaults!/usr/bin/id !secure_path\n{RULE}/usr/local/bin/run", _RUN, ""),
    "her group is exempt": Row(f"Defaults exempt_group=ann\n{RULE}/usr/local/bin/run", _RUN, PATHS),
    "another group is exempt": Row(f"Defaults exempt_group=ben\n{RULE}/usr/local/bin/run", _RUN, ""),
    "PATH is kept, and secure_path counts first": Row(
        f"Defaults env_keep += PATH\n{RULE}/usr/local/bin/run", _RUN, ""
    ),
    "a script that sets a PATH": Row(
        f"Defaults !secure_path\n{RULE}/usr/local/bin/own",
        "PATH=/home/ann/bin:$PATH sudo -n /usr/local/bin/own",
        "",
    ),
    "env finds the interpreter": Row(
        f"Defaults !secure_path\n{RULE}/usr/local/bin/envrun",
        "PATH=/home/ann/bin:$PATH sudo -n /usr/local/bin/envrun",
        "/usr/local/bin/envrun looks for tool on the PATH of ann",
    ),
    "a program that runs nothing": Row(
        f"Defaults !secure_path\n{RULE}/usr/bin/true", "PATH=/home/ann/bin:$PATH sudo -n /usr/bin/true", ""
    ),
    "a shell with a script": Row(
        f"Defaults !secure_path\n{RULE}/bin/sh /usr/local/bin/run",
        "PATH=/home/ann/bin:$PATH sudo -n /bin/sh /usr/local/bin/run",
        PATHS,
    ),
    "a variable of the interpreter is kept": Row(
        f'Defaults env_keep += "LANG PYTHONPATH"\n{RULE}/usr/local/bin/pyrun',
        _PY,
        "python3 takes PYTHONPATH of ann",
    ),
    "it is kept no more": Row(
        f"Defaults env_keep += PYTHONPATH\nDefaults env_keep -= PYTHONPATH\n{RULE}/usr/local/bin/pyrun",
        _PY,
        "",
    ),
    "a variable of another interpreter is kept": Row(
        f"Defaults env_keep += PERL5LIB\n{RULE}/usr/local/bin/pyrun", _PY, ""
    ),
    "any variable may be set": Row(
        "ann ALL=(root) NOPASSWD: SETENV: /usr/bin/true",
        "sudo -n LD_PRELOAD=/home/ann/bin/x.so /usr/bin/true",
        LIBRARY,
    ),
    "by a setting": Row(
        f"Defaults:ann setenv\n{RULE}/usr/bin/true",
        "sudo -n LD_PRELOAD=/home/ann/bin/x.so /usr/bin/true",
        LIBRARY,
    ),
    "by a setting, and the rule takes it back": Row(
        "Defaults:ann setenv\nann ALL=(root) NOPASSWD: NOSETENV: /usr/bin/true",
        "sudo -n LD_PRELOAD=/home/ann/bin/x.so /usr/bin/true",
        "",
    ),
    "her directory is where sudo looks": Row(
        f"Defaults secure_path={HERS}:/usr/bin:/bin\n{RULE}/usr/local/bin/run",
        _RUN,
        f"sudo looks for programs in {HERS}; ann owns",
    ),
    "her directory is where sudo looks for ben": Row(
        f"Defaults:ben secure_path={HERS}:/usr/bin:/bin\nben ALL=(root) NOPASSWD: /usr/local/bin/run",
        "sudo -n -u ben sudo -n /usr/local/bin/run",
        f"sudo looks for programs in {HERS}; ann owns",
    ),
}
