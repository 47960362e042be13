"""Faults of homes."""

from tests.audit.planted import Fault

_HOME = "useradd --create-home --shell /bin/bash {0}; chmod 0700 /home/{0}; "

PLANTED = {
    "home-owner": Fault(_HOME.format("owned") + "chown root /home/owned", "owned"),
    "home-writable": Fault(_HOME.format("open") + "chmod 0777 /home/open", "open"),
    "home-readable": Fault(_HOME.format("shown") + "chmod 0755 /home/shown", "shown"),
    "home-files": Fault(
        _HOME.format("dotty") + "chmod 0666 /home/dotty/.bashrc",
        "/home/dotty/.bashrc",
    ),
    "home-netrc": Fault(
        _HOME.format("netty")
        + "touch /home/netty/.netrc; chown netty: /home/netty/.netrc; chmod 0644 /home/netty/.netrc",
        "/home/netty/.netrc",
    ),
    "home-rhosts": Fault(_HOME.format("remote") + "touch /home/remote/.rhosts", "/home/remote/.rhosts"),
}
