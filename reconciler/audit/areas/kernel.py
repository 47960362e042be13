"""Kernel: the settings that make attacks harder."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Severity
from reconciler.audit.registry import check


@check(
    "kernel-address-randomisation",
    severity=Severity.HIGH,
    title="The kernel puts the parts of every process at random addresses",
    rationale="Without that, an attack that works once works everywhere: it knows where to jump.",
    remediation=(
        "Write `kernel.randomize_va_space = 2` into a file in /etc/sysctl.d, and load it: sysctl --system."
    ),
    cis=("1.5.1",),
    needs=(RUNNING,),
)
def addresses_are_random(facts: Facts) -> Iterator[Fail]:
    """kernel.randomize_va_space as it is in force."""
    value = facts.sysctl("kernel.randomize_va_space")
    if value != "2":
        yield Fail("kernel.randomize_va_space", "2", value, "/proc/sys/kernel/randomize_va_space")
