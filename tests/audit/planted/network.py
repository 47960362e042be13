"""Faults of the network."""

from tests.audit.planted import Fault

_SERVER = (
    "systemd-run --quiet python3 -m http.server {0}\n"
    "for i in $(seq 50); do ss -Htln | grep -q :{0} && break; sleep 0.1; done"
)

PLANTED = {
    "port-undeclared": Fault(_SERVER.format(8080), "tcp 0.0.0.0:8080"),
    "firewall": Fault(
        "nft delete table inet filter; nft add table ip filter\n"
        "nft add chain ip filter input '{ type filter hook input priority 0; policy accept; }'",
        "incoming packets",
        before=_SERVER.format(8081) + "\nnft add table inet filter\n"
        "nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'",
        packages=("nftables",),
        alone=True,
    ),
}
