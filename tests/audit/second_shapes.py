"""Another shape of the same fault, for the checks that weigh most: a check must not know one input alone.

Planted together on one host (tests/booted/test_audit.py), and apart from the first ones. What brings the host to
where the check applies is that of the first shape.
"""

from __future__ import annotations

from tests.audit.planted import Fault

_LISTEN = (
    "systemd-run --quiet python3 -c 'import socket, time; s = socket.socket(socket.{0}, socket.{1});"
    ' s.bind(("{2}", {3})); {4} time.sleep(600)\'\n'
    "for i in $(seq 50); do ss -Hltun | grep -q :{3} && break; sleep 0.1; done"
)
_CONTAINER = 'echo \'{{"name":"/{0}","privileged":false,"capabilities":{1},"pid":"{2}","mounts":[{3}]}}\' >> /root/inspected'
_BIND = (
    '{"Type":"bind","Source":"/var/run/docker.sock","Destination":"/s","Mode":"","RW":true,"Propagation":""}'
)
_RULE = "printf '%s\\n' '{1}' > /etc/sudoers.d/{0}; chmod 0440 /etc/sudoers.d/{0}; "


def _covered(setting: str, value: str) -> str:
    place = f"/proc/sys/{setting.replace('.', '/')}"
    return f"echo '{value}' > /run/second-{setting}\nmount --bind /run/second-{setting} {place}\n"


SHAPES = {
    "uid-0": Fault("echo 'zero:x:00:100::/:/usr/sbin/nologin' >> /etc/passwd", "zero"),
    "account-gid-0": Fault("useradd moved; usermod --gid root moved", "moved"),
    "account-plus-lines": Fault("echo '+wheel:::' >> /etc/group", "/etc/group"),
    "root-path": Fault(
        "mkdir -m 0777 /opt/tools; echo 'export PATH=$PATH:/opt/tools' >> /root/.bashrc",
        "/root/.bashrc /opt/tools",
    ),
    "container-socket": Fault("useradd keeper; chown keeper /run/docker.sock", "/run/docker.sock"),
    "docker-api": Fault(_LISTEN.format("AF_INET6", "SOCK_STREAM", "::", 2375, "s.listen();"), "tcp *:2375"),
    "container-privileged": Fault(_CONTAINER.format("admin", '["SYS_ADMIN"]', "", ""), "admin"),
    "container-mounts": Fault(
        _CONTAINER.format(
            "builder",
            "null",
            "",
            _BIND,
        ),
        "builder",
    ),
    "cron-files": Fault(
        "useradd cronie; mkdir -p /etc/cron.weekly; chgrp cronie /etc/cron.weekly; chmod 0775 /etc/cron.weekly",
        "/etc/cron.weekly",
    ),
    "root-home": Fault("useradd roommate; chgrp roommate /root; chmod 0750 /root", "/root"),
    "boot-loader-files": Fault("useradd booter; chown booter /boot/grub/grub.cfg", "/boot/grub/grub.cfg"),
    "changed-programs": Fault(
        "chmod u+w /usr/bin/yes; printf '#!/bin/sh\\nexit 0\\n' > /usr/bin/yes", "/usr/bin/yes"
    ),
    "world-writable-files": Fault(
        "echo x > /etc/second.conf; chmod 0606 /etc/second.conf", "/etc/second.conf"
    ),
    "world-writable-directories": Fault("chmod 0777 /var/tmp", "/var/tmp"),
    "setuid-shells": Fault("chmod u+s /usr/bin/env", "/usr/bin/env"),
    "setuid-programs": Fault("cp /bin/dash /srv/.y; chgrp shadow /srv/.y; chmod 2755 /srv/.y", "/srv/.y"),
    "device-nodes": Fault("mknod -m 0600 /home/mem c 1 1", "/home/mem"),
    "dot-files-writable": Fault(
        "useradd -m donald; useradd -m visitor; groupadd guests; usermod -aG guests visitor\n"
        "install -o donald -g guests -m 0664 /dev/null /home/donald/.profile",
        "/home/donald/.profile",
    ),
    "model-server-open": Fault(
        _LISTEN.format("AF_INET6", "SOCK_STREAM", "::", 11434, "s.listen();"), "tcp *:11434"
    ),
    "group-root": Fault(
        "useradd carrier; groupadd --force docker; usermod --append --groups docker carrier",
        "carrier in docker",
    ),
    "home-writable": Fault(
        "useradd --create-home --shell /bin/bash wide; groupadd crew; useradd mate; usermod -aG crew mate; chgrp crew /home/wide; chmod 0770 /home/wide",
        "wide",
    ),
    "home-files": Fault(
        "useradd --create-home --shell /bin/bash sshy; install -d -o sshy -m 0700 /home/sshy/.ssh; useradd other; install -o other -m 0644 /dev/null /home/sshy/.ssh/authorized_keys",
        "/home/sshy/.ssh/authorized_keys",
    ),
    "kernel-links": Fault(_covered("fs.protected_symlinks", "0"), "fs.protected_symlinks"),
    "kernel-address-randomisation": Fault(
        _covered("kernel.randomize_va_space", "0"), "kernel.randomize_va_space"
    ),
    "kernel-helpers": Fault(
        "useradd poker; install -d -o poker /opt/poker; install /bin/true /opt/poker/helper\n"
        + _covered("kernel.core_pattern", "|/opt/poker/helper"),
        "kernel.core_pattern",
    ),
    "port-undeclared": Fault(_LISTEN.format("AF_INET6", "SOCK_DGRAM", "::", 5353, ""), "udp *:5353"),
    "password-empty": Fault("sed -i 's/^games:[^:]*:/games::/' /etc/shadow", "games"),
    "password-in-passwd": Fault(
        "groupadd told; sed -i 's/^told:x:/told:abJnggxhB1yWI:/' /etc/group", "group told"
    ),
    "password-hash": Fault("useradd --password 'abJnggxhB1yWI' slow", "slow"),
    "process-without-file": Fault(
        "mount | grep -q ' /dev/shm ' && mount -o remount,exec /dev/shm; cp /bin/sleep /dev/shm/.x\n"
        "systemd-run --quiet --service-type=exec --uid=games /dev/shm/.x 600\nrm /dev/shm/.x",
        "/dev/shm/.x",
    ),
    "root-process-program": Fault(
        "mkdir -m 0777 /opt/open; cp /bin/sleep /opt/open/daemon\n"
        "systemd-run --quiet --service-type=exec /opt/open/daemon 600",
        "/opt/open/daemon",
    ),
    "private-keys-readable": Fault(
        "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f /etc/ssl/server.key; chmod 0644 /etc/ssl/server.key",
        "/etc/ssl/server.key",
    ),
    "credentials-readable": Fault(
        "useradd -m cloudy; mkdir -p /home/cloudy/.aws; printf '[default]\\naws_secret_access_key = Qz7-planted-94\\n' > /home/cloudy/.aws/credentials; chmod 0755 /home/cloudy; chmod 0644 /home/cloudy/.aws/credentials",
        "/home/cloudy/.aws/credentials",
    ),
    "secrets-in-environment-files": Fault(
        "printf '[Service]\\nExecStart=/bin/true\\n' > /etc/systemd/system/told3.service; mkdir -p /etc/systemd/system/told3.service.d\n"
        "printf '[Service]\\nEnvironmentFile=/etc/default/told3\\n' > /etc/systemd/system/told3.service.d/x.conf\n"
        "echo 'export API_KEY=\"Xk7-planted-95\"' > /etc/default/told3; chmod 0644 /etc/default/told3",
        "/etc/default/told3",
    ),
    "ssh-root-login": Fault(
        "printf 'Match User root\\n  PermitRootLogin yes\\n' >> /etc/ssh/sshd_config",
        "PermitRootLogin for root",
    ),
    "ssh-user-environment": Fault(
        "echo 'PermitUserEnvironment yes' > /etc/ssh/sshd_config.d/20.conf", "PermitUserEnvironment"
    ),
    "ssh-config-files": Fault("useradd ssher; chown ssher /etc/ssh/sshd_config.d", "/etc/ssh/sshd_config.d"),
    "ssh-host-keys": Fault(
        "useradd hosty; chown hosty /etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key"
    ),
    "sudo-all": Fault(
        "useradd bob; " + _RULE.format("alias", "User_Alias OPS = bob\nOPS ALL=(ALL:ALL) ALL"),
        "bob in /etc/sudoers.d/alias",
    ),
    "sudo-authenticate": Fault(_RULE.format("zz-all", "Defaults !authenticate"), "Defaults"),
    "sudo-target": Fault(
        "mkdir -m 0777 /opt/scripts; install -m 0755 /bin/true /opt/scripts/run; useradd runner; "
        + _RULE.format("runner", "runner ALL=(root) /opt/scripts/run"),
        "/opt/scripts/run",
    ),
    "sudo-shell": Fault(
        "useradd pager; echo pager:Longer-Than-Most-9 | chpasswd; "
        + _RULE.format("pager", "pager ALL=(root) /usr/bin/find /srv *"),
        "pager",
    ),
    # The last one: whoever adds an account writes the file anew, without its access list.
    "account-files": Fault("setfacl -m u:games:r /etc/shadow", "/etc/shadow"),
}
"""By the id of the check."""
