"""Faults of keys."""

from tests.audit.planted import Fault

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx0rTbKQAZBFqyvLvpbyNhvzHhSGGFoiI1IFIbsbZf6"
_MAKE = "useradd --create-home --shell /bin/bash {0}; install -d -o {0} -g {0} -m 0700 /home/{0}/.ssh; "
_PUT = "install -o {0} -g {0} -m 0600 /dev/stdin /home/{0}/.ssh/{1}"
_SPEC = (
    "mkdir -p /etc/reconciler; printf 'version: 1\\nhost: testhost\\nusers:\\n  declared:\\n    ssh_keys: [%s]\\n'"
    f" '{_KEY}' > /etc/reconciler/host.yaml"
)


def _put(user: str, name: str = "authorized_keys", line: str = _KEY) -> str:
    return f"{_MAKE.format(user)}echo '{line}' | {_PUT.format(user, name)}"


PLANTED = {
    "key-undeclared": Fault(_put("backdoor"), "backdoor SHA256:*", before=_SPEC, alone=True),
    "key-root": Fault(
        f"install -d -m 0700 /root/.ssh; echo '{_KEY}' | install -m 0600 /dev/stdin /root/.ssh/authorized_keys",
        "root SHA256:*",
    ),
    "key-weak": Fault(
        _MAKE.format("shortkey")
        + "ssh-keygen -q -t rsa -b 2048 -N '' -f /root/short; "
        + _PUT.format("shortkey", "authorized_keys")
        + " < /root/short.pub",
        "shortkey SHA256:*",
    ),
    "key-shared": Fault(_put("keyone") + "; " + _put("keytwo"), "SHA256:*"),
    "key-second-file": Fault(_put("twofiles", "authorized_keys2"), "twofiles"),
}
