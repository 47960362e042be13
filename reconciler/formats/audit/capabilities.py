"""capabilities(7) of a file: the attribute `security.capability` (linux/capability.h)."""

from __future__ import annotations

import struct

_NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *(
        "linux_immutable",
        "net_bind_service",
        "net_broadcast",
        "net_admin",
        "net_raw",
        "ipc_lock",
        "ipc_owner",
    ),
    *(
        "sys_module",
        "sys_rawio",
        "sys_chroot",
        "sys_ptrace",
        "sys_pacct",
        "sys_admin",
        "sys_boot",
        "sys_nice",
    ),
    *("sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control"),
    *("setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read"),
    *("perfmon", "bpf", "checkpoint_restore"),
)
"""In the order of their bits."""
POWERFUL = frozenset(
    f"cap_{name}"
    for name in (
        *("chown", "dac_override", "dac_read_search", "fowner", "setgid", "setuid", "setpcap", "sys_module"),
        *("sys_rawio", "sys_ptrace", "sys_admin", "mknod", "setfcap", "bpf"),
    )
)
"""Those from which root is one step."""
_HEADER = struct.Struct("<I")
_PAIR = struct.Struct("<II")


def names_of(attribute: str) -> frozenset[str]:
    """The permitted and inheritable capabilities of an attribute in hexadecimal digits; none where it is not
    understood.
    """
    try:
        value = bytes.fromhex(attribute)
        revision = _HEADER.unpack_from(value)[0] >> 24
        pairs = [_PAIR.unpack_from(value, 4 + 8 * number) for number in range(1 if revision == 1 else 2)]
    except (ValueError, struct.error):
        return frozenset()
    bits = sum((permitted | inheritable) << 32 * at for at, (permitted, inheritable) in enumerate(pairs))
    return frozenset(
        f"cap_{_NAMES[bit] if bit < len(_NAMES) else bit}"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )
