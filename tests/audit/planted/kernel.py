"""Faults of the kernel: the settings are those of the machine that runs the tests, so a file covers each."""

from tests.audit.planted import Fault


def _covered(setting: str, value: str) -> str:
    """The lines that put a value over a setting, for this host alone."""
    place = f"/proc/sys/{setting.replace('.', '/')}"
    return f"echo '{value}' > /run/{setting}\nmount --bind /run/{setting} {place}\n"


def _fault(good: str, bad: str, *settings: str) -> Fault:
    before = "".join(_covered(setting, good) for setting in settings)
    return Fault(_covered(settings[0], bad), settings[0], before=before)


PLANTED = {
    "kernel-address-randomisation": _fault("2", "1", "kernel.randomize_va_space"),
    "kernel-links": _fault("1", "0", "fs.protected_hardlinks", "fs.protected_symlinks"),
    "kernel-shared-files": _fault("1", "0", "fs.protected_fifos", "fs.protected_regular"),
    "kernel-setuid-cores": _fault("0", "1", "fs.suid_dumpable"),
    "kernel-unprivileged-bpf": _fault("2", "0", "kernel.unprivileged_bpf_disabled"),
    "kernel-log": _fault("1", "0", "kernel.dmesg_restrict"),
    "kernel-pointers": _fault("1", "0", "kernel.kptr_restrict"),
    "kernel-helpers": Fault(
        "useradd dumper\ninstall -o dumper /bin/true /usr/local/bin/dump\n"
        + _covered("kernel.core_pattern", "|/usr/local/bin/dump %p"),
        "kernel.core_pattern",
        before=_covered("kernel.core_pattern", "core"),
    ),
}
