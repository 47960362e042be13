"""Faults of passwords."""

from tests.audit.planted import Fault

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx0rTbKQAZBFqyvLvpbyNhvzHhSGGFoiI1IFIbsbZf6"

PLANTED = {
    "password-empty": Fault("useradd guest; passwd --delete guest", "guest"),
    "password-in-passwd": Fault(
        "useradd shown1; sed -i 's/^shown1:x:/shown1:abJnggxhB1yWI:/' /etc/passwd", "shown1"
    ),
    "password-hash": Fault("useradd --password '$1$salt$qJH7.N4xYta3aEG/dfqo/0' quick", "quick"),
    "password-new-hash": Fault(
        "sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD MD5/' /etc/login.defs", "ENCRYPT_METHOD"
    ),
    "password-system": Fault(
        "useradd --system --shell /usr/sbin/nologin daemon9; echo daemon9:Longer-Than-Most-9 | chpasswd",
        "daemon9",
    ),
    "password-group": Fault("groupadd closed; echo 'closed:Longer-Than-Most-9' | chgpasswd", "group closed"),
    "password-date": Fault(
        "useradd early; echo early:Longer-Than-Most-9 | chpasswd; chage --lastday 2099-01-01 early", "early"
    ),
    "account-expired-keys": Fault(
        "useradd --create-home --shell /bin/bash --expiredate 2020-01-01 gone; mkdir /home/gone/.ssh;"
        f" echo '{_KEY}' > /home/gone/.ssh/authorized_keys; chown -R gone: /home/gone/.ssh; chmod 0700 /home/gone/.ssh",
        "gone",
    ),
}
