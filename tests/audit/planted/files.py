"""Faults of files."""

from tests.audit.planted import Fault

PLANTED = {
    "account-files": Fault("chmod 0644 /etc/shadow", "/etc/shadow"),
    "cron-files": Fault("touch /etc/cron.d/left && chmod 0666 /etc/cron.d/left", "/etc/cron.d/left"),
    "cron-allow": Fault("rm /etc/cron.allow", "/etc/cron.allow", before=": > /etc/cron.allow"),
    "at-allow": Fault("rm /etc/at.allow", "/etc/at.allow", before=": > /etc/at.allow", packages=("at",)),
    "root-home": Fault("chmod 0755 /root", "/root"),
    "boot-loader-files": Fault(
        "chmod 0666 /boot/grub/grub.cfg",
        "/boot/grub/grub.cfg",
        before="mkdir -p /boot/grub && : > /boot/grub/grub.cfg && chmod 0444 /boot/grub/grub.cfg",
    ),
    "root-runs-foreign-files": Fault(
        "useradd -m mallory && mkdir -p /home/mallory/app"
        " && printf '#!/bin/sh\\ntrue\\n' > /home/mallory/app/run && chmod 0755 /home/mallory/app/run"
        " && chown -R mallory: /home/mallory && chmod 0755 /home/mallory\n"
        "printf '[Service]\\nExecStart=/home/mallory/app/run\\n' > /etc/systemd/system/mallory.service",
        "/home/mallory*",
        live=True,
    ),
    "changed-programs": Fault("echo >> /usr/bin/tac", "/usr/bin/tac"),
}
