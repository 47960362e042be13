"""Faults that the pass over the file system finds."""

from tests.audit.planted import Fault

PLANTED = {
    "world-writable-files": Fault("echo x > /srv/open && chmod 0666 /srv/open", "/srv/open"),
    "world-writable-directories": Fault("mkdir /srv/drop && chmod 0777 /srv/drop", "/srv/drop"),
    "unowned-files": Fault("mkdir /srv/left && : > /srv/left/file && chown -R 4242 /srv/left", "uid 4242"),
    "setuid-shells": Fault("chmod u+s /usr/bin/find", "/usr/bin/find"),
    "setuid-programs": Fault("cp /bin/dash /opt/.x && chmod 4755 /opt/.x", "/opt/.x"),
    "file-capabilities": Fault(
        "cp /usr/bin/python3 /opt/python && python3 -c \"import os; os.setxattr('/opt/python',"
        " 'security.capability', bytes.fromhex('0100000280000000000000000000000000000000'))\"",
        "/opt/python",
    ),
    "device-nodes": Fault("mknod -m 0666 /srv/disk b 8 0", "/srv/disk"),
    "dot-files-writable": Fault(
        "useradd -m dora && : > /home/dora/.bashrc && chown dora: /home/dora/.bashrc"
        " && chmod 0666 /home/dora/.bashrc",
        "/home/dora/.bashrc",
    ),
}
