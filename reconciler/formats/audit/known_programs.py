"""Programs of Debian packages that come with setuid or setgid bits, or with file capabilities, by name."""

from __future__ import annotations

from collections.abc import Mapping

SET_ID = frozenset(
    (
        # what every Debian has, and its login
        *("su", "su-rs", "mount", "umount", "passwd", "chsh", "chfn", "gpasswd", "newgrp", "chage", "expiry"),
        *("wall", "write", "bsd-write", "write.ul", "unix_chkpwd", "unix_update", "pam_extrausers_chkpwd"),
        *("sudo", "sudo-rs", "sudoedit", "doas", "pkexec", "polkit-agent-helper-1", "ksu", "sg"),
        *("dbus-daemon-launch-helper", "ssh-agent", "ssh-keysign", "crontab", "at", "batch"),
        *("newuidmap", "newgidmap", "fusermount", "fusermount3", "utempter", "dotlockfile"),
        # network and file systems
        *("ping", "ping4", "ping6", "traceroute6.iputils", "mtr-packet", "pppd", "mount.nfs", "mount.cifs"),
        *(
            "mount.ecryptfs_private",
            "mount.davfs",
            "ntfs-3g",
            "mount.ntfs-3g",
            "eject",
            "vmware-user-suid-wrapper",
        ),
        # mail
        *("postdrop", "postqueue", "exim4", "sendmail", "dma", "dma-mbox-create", "procmail", "lockfile"),
        *("maildrop", "mailq", "camel-lock-helper-1.2", "mlock", "smtpctl", "opensmtpd"),
        # desktops, sandboxes, the rest
        *("Xorg.wrap", "chrome-sandbox", "snap-confine", "bwrap", "firejail", "ssh-askpass", "screen"),
        *("plocate", "mlocate", "locate", "suexec", "suexec-custom", "suexec-pristine", "singularity-suid"),
        *("starter-suid", "abrt-action-install-debuginfo-to-abrt-cache", "cockpit-session", "kismet_capture"),
        *("gnome-pty-helper", "authopen", "VBoxNetAdpCtl", "VBoxNetDHCP", "VBoxNetNAT", "VBoxHeadless"),
        *("VBoxSDL", "VirtualBoxVM", "VBoxVolInfo", "qemu-bridge-helper", "spice-client-glib-usb-acl-helper"),
        *("lxc-user-nic", "nagios-check_dhcp", "check_dhcp", "check_icmp", "inndstart", "rnews", "uuidd"),
    )
)
"""Their maintainers gave them the bits. A program that a package brought without them is not here."""

_RAW = frozenset(("cap_net_raw",))
CAPABLE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("ping", "arping", "fping", "clockdiff", "traceroute6.iputils", "mtr-packet", "tracepath"), _RAW
    ),
    "dumpcap": frozenset(("cap_net_raw", "cap_net_admin")),
    "gst-ptp-helper": frozenset(("cap_net_bind_service", "cap_net_admin", "cap_net_raw", "cap_sys_nice")),
    "newuidmap": frozenset(("cap_setuid",)),
    "newgidmap": frozenset(("cap_setgid",)),
    "systemd-detect-virt": frozenset(("cap_dac_override", "cap_sys_ptrace")),
    "gnome-keyring-daemon": frozenset(("cap_ipc_lock",)),
    "kwin_wayland": frozenset(("cap_sys_nice",)),
    "gnome-shell": frozenset(("cap_sys_nice",)),
    "iftop": _RAW,
    "nethogs": frozenset(("cap_net_raw", "cap_net_admin")),
    "iw": frozenset(("cap_net_admin",)),
    "qemu-bridge-helper": frozenset(("cap_net_admin",)),
}
"""The capabilities that a program may have."""
