"""Which files a text of the shell runs, sources or interprets: as a reviewer reads it, without running
anything.
"""

from __future__ import annotations

import pytest

from reconciler.formats.shell_commands import run_files, text_files

TEXTS: dict[str, list[str]] = {
    "/a/x.sh >/tmp/log 2>&1 </dev/null": ["/a/x.sh"],
    "/a/x; /a/y && /a/z || /a/w | /a/v &": ["/a/x", "/a/y", "/a/z", "/a/w", "/a/v"],
    "cd /a && ./x": ["/a/x"],
    "cd /a; python3 -m app": ["/a"],
    "# /a/x\n/a/y # /a/z": ["/a/y"],
    "if [ -x /a/x ]; then /a/y; fi": ["/a/y"],
    ". /a/env\nsource /b/env": ["/a/env", "/b/env"],
    "D=/a/bin\n$D/x ${D}/y": ["/a/bin/x"],
    "x=$(/a/x); echo `/a/y`": ["/a/x", "/a/y"],
    "bash -c '/a/x --now'": ["/a/x"],
    "sh /a/x.sh /b/data": ["/a/x.sh"],
    "python3 -u /a/x.py /b/data": ["/a/x.py"],
    "perl -e 'print 1' /a/x": [],
    "sudo -u alice /a/x": [],
    "su - alice -c /a/x": [],
    "su -c /a/x": ["/a/x"],
    "runuser -u alice -- /a/x": [],
    "env FOO=1 nice -n 5 timeout -k 3 10 /a/x": ["/a/x"],
    "flock -n /run/lock /a/x": ["/a/x"],
    "find /srv -name x -exec /a/x {} ';'": ["/a/x"],
    "tar czf /backup/x.tgz /home/alice": [],
    "tar -I /a/zip -cf x /home/alice": ["/a/zip"],
    "run-parts /a/scripts": ["/a/scripts"],
    "make -C /a": ["/a"],
    "cd /a && make": ["/a"],
    "gunicorn --chdir /a app:app --access-logfile /b": ["/a"],
    "uvicorn --app-dir=/a app:app": ["/a"],
    "uv run --project /a x": ["/a"],
    "nginx -c/a/n.conf": ["/a/n.conf"],
    "git -C /a pull": ["/a"],
    "export PATH=/a/bin:$PATH": ["/a/bin"],
    "LD_PRELOAD=/a/x.so /usr/bin/true": ["/a/x.so", "/usr/bin/true"],
    "alias ls='/a/ls -l'": ["/a/ls"],
    'echo "not closed\n/a/x': ["/a/x"],
    "/a/x \\\n --more": ["/a/x"],
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_files_that_a_text_runs(text: str) -> None:
    """Programs, scripts of interpreters, what wrappers run, what is loaded; nothing that is only read, and
    nothing run as somebody else.
    """
    found = [path for path in text_files(text) if not path.startswith(("/run", "/usr/bin/env"))]

    assert TEXTS[text] == found


def test_a_command_that_runs_itself_for_ever_comes_to_an_end() -> None:
    """Nesting has a limit; a long text too."""
    words = ["env"] * 100 + ["/a/x"]

    assert [] == list(run_files(words))
    assert [] == list(text_files("echo x\n" * 100_000))
