"""Kernel: the settings that make attacks harder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.mends import kernel_settings
from reconciler.audit.model import RUNNING, Check, Fail, Finding, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.core.host import HostError

_HELPERS = ("kernel.core_pattern", "kernel.modprobe")
"""Settings that name a program which the kernel starts as root; a core pattern only behind a `|`."""


def _setting(
    id: str,  # noqa: A002  # the word of the registry
    names: tuple[str, ...],
    good: tuple[str, ...],
    severity: Severity,
    *,
    title: str,
    rationale: str,
    cis: tuple[str, ...] = (),
) -> Check:
    """A check of kernel settings that must have one of some values; the first of `good` is the advice.

    A setting that this kernel does not have has nothing to switch on or off.
    """
    lines = " and ".join(f"`{name} = {good[0]}`" for name in names)
    made: Callable[[Callable[[Facts], Iterator[Finding]]], Check] = check(
        id,
        severity=severity,
        title=title,
        rationale=rationale,
        remediation=f"Write {lines} into a file in /etc/sysctl.d, and load it: sysctl --system.",
        cis=cis,
        needs=(RUNNING,),
    )

    def look(facts: Facts) -> Iterator[Finding]:
        for name in names:
            try:
                value = facts.sysctl(name)
            except FileNotFoundError:
                continue
            if value not in good:
                path = f"/proc/sys/{name.replace('.', '/')}"
                mend = kernel_settings(id, dict.fromkeys(names, good[0]))
                yield Fail(name, " or ".join(good), value, path, spec=mend)

    return made(look)


addresses_are_random = _setting(
    "kernel-address-randomisation",
    ("kernel.randomize_va_space",),
    ("2",),
    Severity.HIGH,
    title="The kernel puts the parts of every process at random addresses",
    rationale="Without that, an attack that works once works everywhere: it knows where to jump.",
    cis=("1.5.1",),
)

links_are_protected = _setting(
    "kernel-links",
    ("fs.protected_hardlinks", "fs.protected_symlinks"),
    ("1",),
    Severity.HIGH,
    title="Links of others in shared directories lead no program astray",
    rationale="A program of root's that writes to /tmp is led to any file by a link that was there first.",
)

pipes_are_protected = _setting(
    "kernel-shared-files",
    ("fs.protected_fifos", "fs.protected_regular"),
    ("2", "1"),
    Severity.MEDIUM,
    title="Files and pipes of others in shared directories are not opened for writing by mistake",
    rationale="A program of root's that makes a file in /tmp writes into one that another put there first.",
)

cores_of_setuid_programs = _setting(
    "kernel-setuid-cores",
    ("fs.suid_dumpable",),
    ("0", "2"),
    Severity.HIGH,
    title="A setuid program that crashes leaves its memory to nobody but root",
    rationale="Its memory holds what only root may read: password hashes, keys.",
    cis=("1.5.3",),
)

bpf_is_for_root = _setting(
    "kernel-unprivileged-bpf",
    ("kernel.unprivileged_bpf_disabled",),
    ("2", "1"),
    Severity.MEDIUM,
    title="Only root loads programs into the kernel",
    rationale="Again and again a mistake in the judge of such programs has made an ordinary account root.",
)

log_is_for_root = _setting(
    "kernel-log",
    ("kernel.dmesg_restrict",),
    ("1",),
    Severity.LOW,
    title="Only root reads the log of the kernel",
    rationale="The log tells addresses and devices that an attack on the kernel needs to know.",
)

pointers_are_hidden = _setting(
    "kernel-pointers",
    ("kernel.kptr_restrict",),
    ("1", "2"),
    Severity.LOW,
    title="The kernel shows its addresses to nobody but root",
    rationale="An attack on the kernel needs an address first; files of /proc tell it.",
)

processes_are_private = _setting(
    "kernel-ptrace",
    ("kernel.yama.ptrace_scope",),
    ("1", "2", "3"),
    Severity.LOW,
    title="A process does not read the memory of another that it did not start",
    rationale="Without that, one service that was taken over reads keys and tokens of others of its account.",
    cis=("1.5.2",),
)


@check(
    "kernel-helpers",
    severity=Severity.CRITICAL,
    title="Nobody but root can change the programs that the kernel starts",
    rationale="The kernel starts them as root: when a process crashes, and when a module is wanted.",
    remediation=(
        "Give the program and every directory above it to root, without write permission for others; or set"
        " the pattern back (systemctl restart systemd-sysctl)."
    ),
    needs=(RUNNING,),
)
def helpers_are_roots(facts: Facts) -> Iterator[Finding]:
    """The programs of kernel.core_pattern and kernel.modprobe, with the directories above them."""
    for name in _HELPERS:
        try:
            program = _program(name, facts.sysctl(name))
            writers = facts.writers.of(program) if program else {}
        except FileNotFoundError:
            continue
        except HostError as problem:
            yield NotKnown(name, problem.detail or problem.summary)
            continue
        for account, writer in sorted(writers.items()):
            if account != "root":
                yield Fail(name, f"{program} is root's alone", writer.how, program)


def _program(name: str, value: str) -> str:
    """The program that a setting names; empty without one."""
    words = value.removeprefix("|").split()
    is_program = name != "kernel.core_pattern" or value.startswith("|")
    return words[0] if is_program and words and words[0].startswith("/") else ""
