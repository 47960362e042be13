"""How exposed a service is, from 0 to 100: what `systemd-analyze security --offline` says of its unit file,
in tenths.

Reckoned here, not asked: a plan writes nothing, systemd-analyze wants a file, and a plan from a snapshot has
to say what the host would. The weights are systemd's; both releases of it are the judges in the tests. Two
things are not the same everywhere: systemd 257 takes an unset PrivateMounts= for set, and system calls that
an architecture lacks do not count, for which x86-64 stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.formats.systemd import syscalls
from reconciler.formats.systemd.rule_words import is_boolean, named
from reconciler.formats.systemd.unit import Sections
from reconciler.formats.systemd.value_rules import CAPABILITIES

_WORDS = (
    (100, "DANGEROUS"),
    (90, "UNSAFE"),
    (75, "EXPOSED"),
    (50, "MEDIUM"),
    (10, "OK"),
    (1, "SAFE"),
    (0, "PERFECT"),
)
_PRIVATE_MOUNTS_TAKEN_FOR_SET = 257

_SWITCHES: Mapping[str, int] = {
    "PrivateDevices": 1000,
    "PrivateNetwork": 2500,
    "ProtectControlGroups": 1000,
    "ProtectKernelModules": 1000,
    "ProtectKernelTunables": 1000,
    "ProtectKernelLogs": 1000,
    "ProtectClock": 1000,
    "ProtectHostname": 50,
    "PrivateUsers": 1000,
    "LockPersonality": 100,
    "MemoryDenyWriteExecute": 100,
    "NoNewPrivileges": 1000,
    "RestrictRealtime": 500,
    "RestrictSUIDSGID": 1000,
}
"""Directives that are bad when they are off, and how bad."""
_CAPABILITIES: Sequence[tuple[int, str]] = (
    (1500, "sys_admin"),
    (1500, "setuid setgid setpcap"),
    (1500, "sys_ptrace"),
    (1000, "sys_time"),
    (1000, "net_admin"),
    (1000, "sys_rawio"),
    (1000, "sys_module"),
    (500, "audit_control audit_read audit_write"),
    (500, "syslog"),
    (500, "sys_nice sys_resource"),
    (500, "mknod"),
    (1000, "chown fsetid setfcap"),
    (1000, "dac_override dac_read_search fowner ipc_owner"),
    (500, "kill"),
    (500, "net_bind_service net_broadcast net_raw"),
    (100, "sys_boot"),
    (100, "mac_admin mac_override"),
    (75, "linux_immutable"),
    (50, "ipc_lock"),
    (50, "sys_chroot"),
    (25, "block_suspend"),
    (25, "wake_alarm"),
    (25, "lease"),
    (25, "sys_tty_config"),
    (25, "sys_pacct"),
    (25, "bpf"),
)
_NAMESPACES: Mapping[str, int] = {
    "user": 1500,
    "mnt": 500,
    "ipc": 500,
    "pid": 500,
    "cgroup": 500,
    "net": 500,
    "uts": 100,
}
_FAMILIES: Sequence[tuple[int, frozenset[str]]] = (
    (1500, frozenset({"AF_INET", "AF_INET6"})),
    (25, frozenset({"AF_UNIX"})),
    (200, frozenset({"AF_NETLINK"})),
    (1000, frozenset({"AF_PACKET"})),
)
_EXOTIC = 1250
_SYSCALLS: Mapping[str, int] = {
    "@swap": 1000,
    "@obsolete": 250,
    "@clock": 1000,
    "@cpu-emulation": 250,
    "@debug": 1000,
    "@mount": 1000,
    "@module": 1000,
    "@raw-io": 1000,
    "@reboot": 1000,
    "@privileged": 700,
    "@resources": 700,
}
_ELSEWHERE = named("""
    bdflush break chown32 clock_adjtime64 clock_settime64 fchown32 ftime gtty idle lchown32 lock mpx nice
    pciconfig_iobase pciconfig_read pciconfig_write prof profil rtas s390_pci_mmio_read s390_pci_mmio_write
    s390_runtime_instr setfsuid32 setgroups32 setresuid32 setreuid32 setuid32 sgetmask ssetmask stime stty
    subpage_prot switch_endian sys_debug_setcontext ulimit umount vm86 vm86old
    """)
"""System calls of these sets that x86-64 does not have."""
_IMPLIED_BY_DYNAMIC_USER = ("PrivateTmp", "RemoveIPC", "NoNewPrivileges", "RestrictSUIDSGID")
_NOT_APPLICABLE = -1


def level(tenths: int) -> str:
    """systemd's word for it."""
    return next(word for least, word in _WORDS if tenths >= least)


def exposure(sections: Sections, release: int) -> int:
    """Tenths, as systemd of this release reckons them: 96 is 9.6, and the less the better."""
    service = _Service(sections.get("Service", {}))
    early = _off(sections.get("Unit", {}).get("DefaultDependencies", "yes"))
    bad, possible = 0, 0
    for weight, badness, of, after_boot in _assessed(service, release):
        if badness != _NOT_APPLICABLE and not (early and after_boot):
            bad += -(-badness * weight // of)
            possible += weight
    return -(-bad * 100 // possible)


class _Service:
    """The directives of a [Section], with what one directive implies for others."""

    def __init__(self, said: Mapping[str, str | list[str]]) -> None:
        self._said = said
        self.dynamic = self.text("DynamicUser") != "" and not _off(self.text("DynamicUser"))
        self.user = self.text("User")

    def text(self, name: str) -> str:
        """The last value; empty when there is none."""
        found = self._said.get(name, "")
        return found if isinstance(found, str) else found[-1]

    def all(self, name: str) -> list[str]:
        """All values."""
        found = self._said.get(name, [])
        return [found] if isinstance(found, str) else found

    def on(self, name: str) -> bool:
        """Whether a switch is on: every value but one that means no turns it on."""
        value = self.text(name)
        return (value != "" and not _off(value)) or (self.dynamic and name in _IMPLIED_BY_DYNAMIC_USER)

    @property
    def privileged(self) -> bool:
        """Whether it runs as root."""
        return self.user in ("0", "root") or (not self.user and not self.dynamic)


def _off(value: str | list[str]) -> bool:
    text = value if isinstance(value, str) else value[-1]
    return is_boolean(text) is not None and text.lower() in ("0", "no", "n", "false", "f", "off")


def _assessed(service: _Service, release: int) -> Iterator[tuple[int, int, int, bool]]:
    """(weight, badness, badness at most, whether it does not count in early boot)."""
    yield 2000, 9 if service.user == "nobody" else 10 if service.privileged else 0, 10, False
    groups = bool(service.all("SupplementaryGroups"))
    yield 200, _NOT_APPLICABLE if service.privileged else int(groups), 1, False
    yield 100, _NOT_APPLICABLE if service.privileged else int(not service.on("RemoveIPC")), 1, False
    for name, weight in _SWITCHES.items():
        yield weight, int(not service.on(name)), 1, False
    taken = release >= _PRIVATE_MOUNTS_TAKEN_FOR_SET and not service.text("PrivateMounts")
    yield 1000, int(not (taken or service.on("PrivateMounts"))), 1, False
    yield 1000, int(not service.on("PrivateTmp")), 1, True
    yield 1000, _home(service), 10, True
    yield 1000, _system(service), 10, True
    own_root = {service.text("RootDirectory"), service.text("RootImage")} - {"", "/"}
    yield 200, int(not own_root), 1, True
    bounding = _bounding(service)
    for weight, names in _CAPABILITIES:
        yield weight, int(not bounding.isdisjoint(names.split())), 1, False
    yield 100, _umask(service.text("UMask")), 10, False
    yield 1000, int(service.text("KeyringMode") not in ("", "private")), 1, False
    yield 1000, {"noaccess": 1, "invisible": 0, "ptraceable": 0}.get(service.text("ProtectProc"), 3), 3, False
    yield 10, int(service.text("ProcSubset") != "pid"), 1, False
    yield 1000, int(service.text("NotifyAccess") == "all"), 1, False
    yield 100, int(service.on("Delegate") or service.all("Delegate") == [""]), 1, False
    yield from ((weight, int(name in _namespaces(service)), 1, False) for name, weight in _NAMESPACES.items())
    yield from _families(service)
    architectures = " ".join(service.all("SystemCallArchitectures")).split()
    yield 1000, 10 if not architectures else 0 if set(architectures) == {"native"} else 8, 10, False
    yield from _filtered(service)
    yield 1000, _addresses(service), 10, False
    yield 1000, _devices(service), 10, False
    yield 500, int(bool(_set(service, "AmbientCapabilities"))), 1, False


def _home(service: _Service) -> int:
    value = service.text("ProtectHome")
    if value in ("read-only", "tmpfs"):
        return {"read-only": 5, "tmpfs": 1}[value]
    if value and not _off(value):
        return 0
    return 5 if service.dynamic else 10


def _system(service: _Service) -> int:
    value = service.text("ProtectSystem")
    if service.dynamic or value == "strict":
        return 0
    return 3 if value == "full" else 5 if value and not _off(value) else 10


def _umask(value: str) -> int:
    mask = int(value, 8) if re.fullmatch("[0-7]+", value) else 0o022
    return next((bad for bit, bad in ((0o002, 10), (0o004, 5), (0o020, 2), (0o040, 1)) if not mask & bit), 0)


def _set(service: _Service, name: str) -> set[str]:
    """Capabilities: the first line says what the set is, further ones add or, with ~, take away."""
    found: set[str] = set()
    fresh = True
    for value in service.all(name):
        mentioned = {
            word.lower().removeprefix("cap_") for word in value.removeprefix("~").split()
        } & CAPABILITIES
        if not value:
            found, fresh = set(), False
        elif value.startswith("~"):
            found = set(CAPABILITIES) - mentioned if fresh else found - mentioned
            fresh = False
        else:
            found, fresh = found | mentioned, False
    return found


def _bounding(service: _Service) -> set[str]:
    said = service.all("CapabilityBoundingSet")
    found = _set(service, "CapabilityBoundingSet") if said else set(CAPABILITIES)
    implied = {
        "PrivateDevices": {"mknod", "sys_rawio"},
        "ProtectKernelModules": {"sys_module"},
        "ProtectKernelLogs": {"syslog"},
        "ProtectClock": {"sys_time", "wake_alarm"},
    }
    for name, lost in implied.items():
        if service.on(name):
            found -= lost
    return found


def _namespaces(service: _Service) -> set[str]:
    """Those that it may make."""
    allowed = set(_NAMESPACES)
    fresh = True
    for value in service.all("RestrictNamespaces"):
        if is_boolean(value):
            allowed, fresh = set(_NAMESPACES) if _off(value) else set(), False
            continue
        said = set(value.removeprefix("~").split())
        more = said if fresh else allowed | said
        allowed, fresh = (allowed - said if value.startswith("~") else more), False
    return allowed


def _families(service: _Service) -> Iterator[tuple[int, int, int, bool]]:
    mentioned: set[str] = set()
    only, given, begun = False, False, False
    for value in service.all("RestrictAddressFamilies"):
        given = True
        if value == "none":
            mentioned, only, begun = set(), True, False
            continue
        inverted, words = (
            value.startswith("~"),
            {"AF_UNIX" if word == "AF_LOCAL" else word for word in value.removeprefix("~").split()},
        )
        only, begun = only if begun else not inverted, True
        mentioned = mentioned | words if only != inverted else mentioned - words
    others = mentioned - frozenset[str]().union(*(names for _, names in _FAMILIES))
    for weight, these in (*((weight, mentioned & names) for weight, names in _FAMILIES), (_EXOTIC, others)):
        yield weight, int(not given or bool(these) == only), 1, False


def _filtered(service: _Service) -> Iterator[tuple[int, int, int, bool]]:
    """The filter is a list of what is allowed, or with ~ of what is forbidden: the first line decides."""
    only, given, mentioned = False, False, frozenset[str]()
    for value in service.all("SystemCallFilter"):
        inverted = value.startswith("~")
        calls = syscalls.union(word.partition(":")[0] for word in value.removeprefix("~").split())
        if not given:
            only, given = not inverted, True
            mentioned = syscalls.expand("@default") if only else frozenset()
        mentioned = mentioned | calls if only != inverted else mentioned - calls
    for name, weight in _SYSCALLS.items():
        here = syscalls.expand(name) - _ELSEWHERE
        if not given or (not only and not mentioned):
            badness = 10
        elif only:
            badness = 0 if mentioned.isdisjoint(here) else 9
        else:
            badness = 0 if here <= mentioned else 10
        yield weight, badness, 10, False


def _addresses(service: _Service) -> int:
    if service.all("IPIngressFilterPath") or service.all("IPEgressFilterPath"):
        return 0
    denied = {word for value in service.all("IPAddressDeny") for word in value.split()}
    if "any" not in denied and not {"0.0.0.0/0", "::/0"} <= denied:
        return 10
    allowed = {word for value in service.all("IPAddressAllow") for word in value.split()}
    if not allowed:
        return 0
    return (
        2
        if all(
            word == "localhost" or word.startswith("127.") or word.partition("/")[0] == "::1"
            for word in allowed
        )
        else 5
    )


def _devices(service: _Service) -> int:
    policy = service.text("DevicePolicy") or "auto"
    if policy == "auto" and service.on("PrivateDevices"):
        policy = "closed"
    if policy == "auto":
        return 10
    return 5 if service.all("DeviceAllow") or service.on("ProtectClock") else 0
