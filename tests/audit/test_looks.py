"""Single checks, on values: those that no test host can be made to fail."""

from __future__ import annotations

import json

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from tests.audit.facts import facts


@pytest.mark.parametrize(("value", "status"), [("2", Status.PASS), ("1", Status.FAIL), ("0", Status.FAIL)])
def test_addresses_are_random(value: str, status: Status) -> None:
    """Only 2 randomises the heap too."""
    (result,) = run(
        chosen(["kernel-address-randomisation"]), facts({"sysctl kernel.randomize_va_space": value})
    )

    assert result.status is status


@pytest.mark.parametrize(("value", "status"), [("0", Status.FAIL), ("1", Status.PASS), ("3", Status.PASS)])
def test_processes_are_private(value: str, status: Status) -> None:
    """Only 0 lets a process read the memory of one that it did not start."""
    (result,) = run(chosen(["kernel-ptrace"]), facts({"sysctl kernel.yama.ptrace_scope": value}))

    assert result.status is status


def test_a_kernel_without_a_setting_has_nothing_to_switch() -> None:
    """A setting that the kernel does not have passes; one that cannot be read is not checked."""
    absent = facts({"sysctl kernel.yama.ptrace_scope": FileNotFoundError(2, "no such file", "/proc/sys/x")})

    assert [result.status for result in run(chosen(["kernel-ptrace"]), absent)] == [Status.PASS]
    assert [result.status for result in run(chosen(["kernel-ptrace"]), facts({}))] == [Status.NOT_CHECKED]


_ROUTER = {
    "all": {"forwarding": "1", "accept_redirects": "1"},
    "eth0": {"forwarding": "1", "accept_redirects": "0"},
}
_HOST = {
    "all": {"forwarding": "0", "accept_redirects": "1"},
    "eth0": {"forwarding": "0", "accept_redirects": "0"},
}
_BRIDGE = {"all": {"forwarding": "1", "accept_redirects": "0"}, "docker0": {"forwarding": "1"}}


@pytest.mark.parametrize(
    ("name", "settings", "status"),
    [
        ("routing-redirects", _ROUTER, Status.PASS),
        ("routing-redirects", _HOST, Status.FAIL),
        ("routing-forwarding", _ROUTER, Status.FAIL),
        ("routing-forwarding", _HOST, Status.PASS),
        ("routing-forwarding", _BRIDGE, Status.PASS),
    ],
)
def test_the_network_is_believed_as_the_kernel_does(name: str, settings: object, status: Status) -> None:
    """A router takes a redirect where both settings say so, a host where one does; containers pass packets on."""
    answers = {"network-settings": json.dumps({"ipv4": settings})}

    assert [result.status for result in run(chosen([name]), facts(answers))] == [status]
