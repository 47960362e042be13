"""Faults of accounts."""

from tests.audit.planted import Fault

_SPEC = "mkdir -p /etc/reconciler; printf 'version: 1\\nhost: testhost\\nusers:\\n  declared: {}\\n' > /etc/reconciler/host.yaml"

_OLD = """python3 - <<'X'
import struct
record = struct.Struct('<hxxi32s4s32s256shhiIi16s20x')
old = record.pack(2, 0, b'~', b'~~', b'reboot', b'', 0, 0, 0, 1577836800, 0, b'')
with open('/var/log/wtmp.1', 'wb') as file:
    file.write(old)
X
"""
"""A boot of 2020 in the records: without one that old nobody can tell who was away."""

PLANTED = {
    "uid-0": Fault("useradd --non-unique --uid 0 toor", "toor"),
    "account-gid-0": Fault("useradd --gid 0 insider", "insider"),
    "account-numbers": Fault(
        "useradd --uid 4100 first; useradd --non-unique --uid 4100 second; groupadd --non-unique --gid 4100 g4",
        "uid 4100",
    ),
    "account-names": Fault(
        "echo 'twice:x:4201:100::/:/usr/sbin/nologin' | tee -a /etc/passwd /etc/passwd", "account twice"
    ),
    "account-group": Fault("echo 'lost:x:4301:4399::/:/usr/sbin/nologin' >> /etc/passwd", "lost"),
    "account-plus-lines": Fault("echo '+::::::' >> /etc/passwd", "/etc/passwd"),
    "account-system-shell": Fault("useradd --system --shell /bin/bash worker", "worker"),
    "account-undeclared": Fault("useradd stranger", "stranger", before=_SPEC, alone=True),
    "root-path": Fault("echo 'PATH=.:$PATH' >> /root/.profile", "/root/.profile ."),
    "account-unused": Fault(
        "useradd --create-home --shell /bin/bash away; chmod 0700 /home/away; echo away:Longer-Than-Most-9 | chpasswd;"
        " chage --lastday 2020-01-01 away",
        "away",
        before=_OLD,
    ),
}
