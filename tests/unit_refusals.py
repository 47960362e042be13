"""Services that systemd refuses as a whole, though each line is right, and their neighbours that it takes.

Both releases are the judges.
"""

from __future__ import annotations

from collections.abc import Mapping

START = "ExecStart=/usr/bin/sleep infinity"

REFUSED: Mapping[str, str] = {
    "oneshot-always": f"[Service]\nType=oneshot\n{START}\nRestart=always\n",
    "oneshot-on-success": f"[Service]\nType=oneshot\n{START}\nRestart=on-success\n",
    "oneshot-by-itself": "[Service]\nRemainAfterExit=yes\nExecStop=/bin/true\nRestart=always\n",
    "oneshot-cgroup": f"[Service]\nType=oneshot\n{START}\nExitType=cgroup\n",
    "dbus-no-name": f"[Service]\nType=dbus\n{START}\n",
    "pam-process": f"[Service]\n{START}\nPAMName=login\nKillMode=process\n",
    "pam-none": f"[Service]\n{START}\nPAMName=login\nKillMode=none\n",
    "nothing": "[Service]\nRestart=no\n",
    "only-pre": "[Service]\nExecStartPre=/bin/true\n",
    "exec-without": "[Service]\nType=exec\nExecStop=/bin/true\nRemainAfterExit=yes\n",
    "stop-only": "[Service]\nExecStop=/bin/true\n",
    "two": f"[Service]\n{START}\n{START}\n",
    "two-in-one": "[Service]\nType=exec\nExecStart=/bin/true ; /bin/true\n",
    "two-quoted": "[Service]\nExecStart=/bin/echo \"a ; b\" ; /bin/echo ' ; '\n",
    "reset-to-none": f"[Service]\n{START}\nExecStart=\n",
    "isolate": (
        f"[Unit]\nOnFailure=rescue.target emergency.target\nOnFailureJobMode=isolate\n[Service]\n{START}\n"
    ),
    "isolate-success": (
        f"[Unit]\nOnSuccess=a.service\nOnSuccess=b.service\nOnSuccessJobMode=isolate\n[Service]\n{START}\n"
    ),
}
"""By both releases."""

BY_252: Mapping[str, str] = {
    "oneshot-force": f"[Service]\nType=oneshot\n{START}\nRestartForceExitStatus=3\n",
}
BY_257: Mapping[str, str] = {
    "forking-pids": f"[Service]\nType=forking\n{START}\nPrivatePIDs=yes\n",
    "dynamic-home": f"[Service]\n{START}\nDynamicUser=yes\nWorkingDirectory=~\n",
    "below-proc": f"[Service]\n{START}\nWorkingDirectory=/proc/sys\nProtectSystem=full\n",
    "below-dev": f"[Service]\n{START}\nWorkingDirectory=-/dev\nReadWritePaths=/var\n",
}
TAKEN: Mapping[str, str] = {
    "plain": f"[Service]\n{START}\n",
    "oneshot-on-failure": f"[Service]\nType=oneshot\n{START}\nRestart=on-failure\n",
    "oneshot-many": "[Service]\nType=oneshot\nExecStart=/bin/true\nExecStart=/bin/true ; /bin/true\n",
    "oneshot-reset": (
        f"[Service]\nType=oneshot\n{START}\nRestart=always\nRestart=no\nRestartForceExitStatus=3\nRestartForceExitStatus=\n"
    ),
    "reset": f"[Service]\n{START}\nExecStart=\n{START}\n",
    "semicolon": "[Service]\nExecStart=/bin/echo a;b ';' \"c ; d\" \\; e\n",
    "dbus": f"[Service]\nBusName=org.example.One\n{START}\n",
    "pam": f"[Service]\n{START}\nPAMName=login\nKillMode=mixed\n",
    "stop-remains": "[Service]\nExecStop=/bin/true\nRemainAfterExit=yes\n",
    "success-action": "[Unit]\nSuccessAction=none\n[Service]\nExecStop=/bin/true\nRemainAfterExit=true\n",
    "forking": f"[Service]\nType=forking\n{START}\n",
    "isolate-one": f"[Unit]\nOnFailure=rescue.target\nOnFailureJobMode=isolate\n[Service]\n{START}\n",
    "home": f"[Service]\n{START}\nUser=root\nWorkingDirectory=~\n",
    "below-proc-open": f"[Service]\n{START}\nWorkingDirectory=/proc/sys\nProtectHome=no\n",
}

ALL = {**REFUSED, **BY_252, **BY_257, **TAKEN}
