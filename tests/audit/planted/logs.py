"""Faults of logs."""

from tests.audit.planted import Fault

_UNIT = """\
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /usr/lib/systemd/system/auditd.service
systemctl daemon-reload
systemctl start auditd.service
"""

PLANTED = {
    "journal-volatile": Fault(
        "mkdir -p /etc/systemd/journald.conf.d\n"
        "printf '[Journal]\\nStorage=volatile\\n' > /etc/systemd/journald.conf.d/x.conf",
        "journald",
    ),
    "log-readable": Fault("install -m 644 /dev/null /var/log/btmp.1", "/var/log/btmp.1"),
    "logrotate-stopped": Fault("systemctl stop logrotate.timer", "logrotate.timer"),
    "auditd-stopped": Fault("systemctl stop auditd.service", "auditd.service", before=_UNIT),
}
