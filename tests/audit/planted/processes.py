"""Faults of what runs."""

from tests.audit.planted import Fault

PLANTED = {
    "process-outdated": Fault(
        "cp /bin/sleep /usr/local/bin/older; systemd-run --quiet --service-type=exec --unit=older /usr/local/bin/older 600\n"
        "cp /bin/sleep /usr/local/bin/newer; mv /usr/local/bin/newer /usr/local/bin/older",
        "older.service",
    ),
    "process-without-file": Fault(
        "cp /bin/sleep /root/hidden; systemd-run --quiet --service-type=exec /root/hidden 600\nrm /root/hidden",
        "/root/hidden",
    ),
    "root-process-program": Fault(
        "useradd -m carpenter; cp /bin/sleep /home/carpenter/tool; chown carpenter /home/carpenter/tool\n"
        "systemd-run --quiet --service-type=exec /home/carpenter/tool 600",
        "/home/carpenter/tool",
    ),
}
