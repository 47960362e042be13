"""Unit files as people and packages write them: spellings that have to be understood, and what a spec cannot
say.
"""

from __future__ import annotations

from collections.abc import Mapping

_SLEEP = "ExecStart=/usr/bin/sleep infinity\n"
_ON = "[Install]\nWantedBy=multi-user.target\n"

TAKEN: Mapping[str, str] = {
    "nginx-like": (
        "[Unit]\nDescription=A high performance web server\nDocumentation=man:nginx(8)"
        " http://nginx.org/en/docs/\nAfter=network-online.target remote-fs.target"
        f" nss-lookup.target\n[Service]\n{_SLEEP}{_ON}"
    ),
    "uvicorn-like": (
        "[Service]\nExecStart=/usr/bin/tail -f /dev/null --pid 1\n"
        f"Environment=APP=app:main\nEnvironment=OLLAMA_HOST=http://foo:80\n{_ON}"
    ),
    "quoted": f'[Service]\n{_SLEEP}Environment="A=B"\nEnvironment="PATH=/usr/local/bin:/usr/bin"\n{_ON}',
    "single": f"[Service]\n{_SLEEP}Environment='A=x y'\n{_ON}",
    "several": f'[Service]\n{_SLEEP}Environment=A=1 B=2 "C=x y"\nEnvironment=D=4\n{_ON}',
    "twice": f"[Service]\n{_SLEEP}Environment=A=1\nEnvironment=A=2\n{_ON}",
    "inner": f'[Service]\n{_SLEEP}Environment=A=x"y z"\n{_ON}',
    "two-lines": (
        "[Unit]\nDocumentation=man:a(1)\nDocumentation=https://example.com/?a=b#c\nAfter=network.target\nAfter=local-fs.target\n"
        f"Wants=network.target\nWants=local-fs.target\n[Service]\n{_SLEEP}[Install]\nWantedBy=multi-user.target\nWantedBy=graphical.target\n"
    ),
    "reset": (
        f"[Unit]\nAfter=a.service\n[Service]\n{_SLEEP}Environment=GONE=1\nEnvironment=\nEnvironment=A=1\n{_ON}"
    ),
    "truth": f"[Service]\nType=simple\n{_SLEEP}RemainAfterExit=true\nPrivateTmp=on\nNoNewPrivileges=1\n{_ON}",
    "continued": (
        "[Unit]\nDescription=One \\\n  two\n[Service]\nExecStart=/usr/bin/sleep \\\n# between\n "
        f" infinity\n{_ON}"
    ),
    "crlf": f"[Service]\n{_SLEEP}Environment=A=1\n{_ON}".replace("\n", "\r\n"),
    "spaced": f"[Service]\n  ExecStart =  /usr/bin/sleep infinity\nEnvironment = A=1\n{_ON}",
    "no-capability": f"[Service]\n{_SLEEP}CapabilityBoundingSet=\n{_ON}",
    "groups": f"[Service]\n{_SLEEP}SupplementaryGroups=adm\nSupplementaryGroups=audio video\n{_ON}",
    "question": (
        "[Unit]\nDescription=Is this it? yes: #1, [a] {b} - 'c' \"d\" & *e | f > g ! h %% i @ j"
        f" `k`\n[Service]\n{_SLEEP}{_ON}"
    ),
    "yes-man": (
        f"[Unit]\nDescription=yes\n[Service]\n{_SLEEP}Environment=N=no T=~ E= F=1e3 O=0o7 S=12:30:00\n{_ON}"
    ),
    "unicode": f'[Unit]\nDescription=Grüße, ☃ 🐍\n[Service]\n{_SLEEP}Environment="A=a\\"b"\n{_ON}',
    "shell": (
        '[Service]\nExecStart=/bin/sh -c \'exec sleep infinity; echo "a: b" >'
        f" /dev/null'\nExecReload=/bin/kill -HUP $MAINPID\n{_ON}"
    ),
    "numbers": (
        f"[Service]\n{_SLEEP}RestartSec=5\n"
        f"TimeoutStopSec=90\nLimitNOFILE=65536\nMemoryMax=1G\nCPUQuota=200%\nNice=5\nRestart=always\n{_ON}"
    ),
}
"""Those that are imported, enabled and running, by name without a suffix."""

LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "specifier": (f"[Service]\n{_SLEEP}Environment=HOME=%h\n{_ON}", "has a specifier"),
    "relative": (f"[Service]\nExecStart=sleep infinity\n{_ON}", "is not an absolute path"),
    "privileged": (f"[Service]\n{_SLEEP}ExecStartPre=+/bin/true\n{_ON}", "The prefix +"),
    "two-programs": (
        f"[Service]\nType=oneshot\nExecStart=/bin/true\nExecStart=/bin/true\nRemainAfterExit=yes\n{_ON}",
        "2 times",
    ),
    "numbered-user": (f"[Service]\n{_SLEEP}User=0\n{_ON}", "`user`"),
    "with-also": (f"[Service]\n{_SLEEP}{_ON}Also=quoted.service\n", "systemctl enable"),
    "credential": (
        f"[Service]\n{_SLEEP}LoadCredential=sysctl.extra\n{_ON}",
        "names a credential without the file",
    ),
    "not-enabled-job": (
        "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        "a job that nothing starts with the host",
    ),
    "bad-words": (f"[Service]\n{_SLEEP}this is no assignment\n{_ON}", "lines that systemd does not read"),
    "bad-variable": (f"[Service]\n{_SLEEP}Environment=NOVALUE\n{_ON}", "no NAME=VALUE"),
}
"""Those that are left out, each alone, with a piece of the reason."""
