"""Faults of sudo."""

from tests.audit.planted import Fault

_RULE = "printf '%s\\n' '{1}' > /etc/sudoers.d/{0}; chmod 0440 /etc/sudoers.d/{0}; "

PLANTED = {
    "sudo-syntax": Fault(
        _RULE.format("broken", "alice ALL = nonsense here"), "/etc/sudoers.d/broken", alone=True
    ),
    "sudo-files": Fault(
        "echo '# nothing' > /etc/sudoers.d/loose; chmod 0660 /etc/sudoers.d/loose",
        "/etc/sudoers.d/loose",
        alone=True,
    ),
    "sudo-ignored": Fault("echo '# nothing' > /etc/sudoers.d/old.conf", "/etc/sudoers.d/old.conf"),
    "sudo-nopasswd": Fault(
        "useradd eager; " + _RULE.format("eager", "eager ALL=(root) NOPASSWD: /usr/bin/true"),
        "eager in /etc/sudoers.d/eager",
    ),
    "sudo-all": Fault(
        "groupadd helpers; " + _RULE.format("helpers", "%helpers ALL=(ALL) ALL"),
        "%helpers in /etc/sudoers.d/helpers",
    ),
    "sudo-authenticate": Fault(
        "useradd trusted; " + _RULE.format("trusted", "Defaults:trusted !authenticate"), "Defaults:trusted"
    ),
    "sudo-target": Fault(
        "useradd owner; install -o owner -m 0755 /bin/true /usr/local/bin/deploy; "
        + _RULE.format("target", "owner ALL=(root) /usr/local/bin/deploy"),
        "/usr/local/bin/deploy",
    ),
    "sudo-shell": Fault(
        "useradd editor; echo editor:Longer-Than-Most-9 | chpasswd; "
        + _RULE.format("editor", "editor ALL=(root) /usr/bin/vi"),
        "editor",
    ),
    "sudo-terminal": Fault(_RULE.format("zz-terminal", "Defaults !use_pty"), "use_pty"),
    "sudo-log": Fault(_RULE.format("zz-log", "Defaults !syslog"), "syslog"),
}
