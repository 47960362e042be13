"""Faults of groups."""

from tests.audit.planted import Fault

_SPEC = (
    "mkdir -p /etc/reconciler;"
    " printf 'version: 1\\nhost: testhost\\nusers:\\n  declared: {}\\n' > /etc/reconciler/host.yaml"
)

PLANTED = {
    "group-root": Fault("useradd --groups disk writer", "writer in disk"),
    "group-administrators": Fault("useradd --groups sudo hidden", "hidden in sudo", before=_SPEC, alone=True),
    "group-reach": Fault("useradd --groups video watcher", "watcher in video", before=_SPEC, alone=True),
}
