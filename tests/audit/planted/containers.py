"""Faults of containers.

Docker is not on the hosts of the tests: a program of its name answers as Docker does.
"""

from tests.audit.planted import Fault

_DOCKER = r"""
mkdir -p /usr/local/bin
printf '%s\n' '#!/bin/sh' 'case "$*" in *inspect*) cat /root/inspected ;; *) echo 0123abcd ;; esac' \
    > /usr/local/bin/docker
chmod 0755 /usr/local/bin/docker
[ -S /run/docker.sock ] || python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/docker.sock")'
chmod 0660 /run/docker.sock
[ -e /root/inspected ] || : > /root/inspected
"""
_ROW = (
    '\'{{"name":"/{0}","privileged":{1},"capabilities":null,"pid":"","mounts":'
    '[{{"Type":"bind","Source":"{2}","Destination":"/host","Mode":"","RW":true,"Propagation":"rprivate"}}]}}\''
)

PLANTED = {
    "container-socket": Fault("chmod 0666 /run/docker.sock", "/run/docker.sock", before=_DOCKER),
    "docker-api": Fault(
        "systemd-run --quiet python3 -m http.server --bind 127.0.0.1 2375\n"
        "for i in $(seq 50); do ss -Htln | grep -q :2375 && break; sleep 0.1; done",
        "tcp 127.0.0.1:2375",
    ),
    "container-privileged": Fault(
        f"echo {_ROW.format('trainer', 'true', '/srv/data')} >> /root/inspected", "trainer", before=_DOCKER
    ),
    "container-mounts": Fault(
        f"echo {_ROW.format('agent', 'false', '/')} >> /root/inspected", "agent", before=_DOCKER
    ),
}
