"""Faults of SSH."""

from tests.audit.planted import Fault

_ADD = "echo '{1}' > /etc/ssh/sshd_config.d/{0}.conf"
_USER = "useradd --create-home --shell /bin/bash matched; "
_MATCH = (
    _USER
    + "printf 'Match User matched\\n  PermitEmptyPasswords yes\\n' > /etc/ssh/sshd_config.d/zz-match.conf"
)

PLANTED = {
    "ssh-password-authentication": Fault(
        "useradd typing; echo typing:Longer-Than-Most-9 | chpasswd;"
        + _ADD.format("00-keys", "PasswordAuthentication yes"),
        "PasswordAuthentication",
        before=_ADD.format("00-keys", "PasswordAuthentication no"),
    ),
    "ssh-root-login": Fault(_ADD.format("01", "PermitRootLogin yes"), "PermitRootLogin"),
    # Not beside the accounts of others: sshd is asked about 20 at most.
    "ssh-empty-passwords": Fault(_MATCH, "PermitEmptyPasswords for matched", alone=True),
    "ssh-strict-modes": Fault(_ADD.format("02", "StrictModes no"), "StrictModes"),
    "ssh-pam": Fault(_ADD.format("03", "UsePAM no"), "UsePAM"),
    "ssh-user-environment": Fault(_ADD.format("04", "PermitUserEnvironment LANG"), "PermitUserEnvironment"),
    "ssh-host-based": Fault(_ADD.format("05", "HostbasedAuthentication yes"), "HostbasedAuthentication"),
    "ssh-attempts": Fault(_ADD.format("06", "MaxAuthTries 40"), "MaxAuthTries"),
    "ssh-x11": Fault("touch /usr/bin/xauth", "X11Forwarding"),
    "ssh-algorithms": Fault(_ADD.format("07", "Ciphers +aes128-cbc"), "ciphers aes128-cbc"),
    "ssh-config-files": Fault(
        "echo '# nothing' > /etc/ssh/sshd_config.d/08.conf; chmod 0666 /etc/ssh/sshd_config.d/08.conf",
        "/etc/ssh/sshd_config.d/08.conf",
    ),
    "ssh-host-keys": Fault(
        "chmod 0644 /etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ecdsa_key", alone=True
    ),
    "ssh-host-key-size": Fault(
        "rm /etc/ssh/ssh_host_rsa_key*; ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key",
        "/etc/ssh/ssh_host_rsa_key",
    ),
}
