"""An apply that a service of the spec itself runs, on a real systemd."""

from __future__ import annotations

import pytest

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, plan

AGENT = """\
#!/bin/sh
# Applies once, whenever it is told to, from a child that outlives the script if systemd lets it.
while true; do
    if rm /run/go 2>/dev/null; then
        (/usr/local/bin/reconciler apply /root/host.yaml --auto-approve > /run/said 2>&1; echo $? > /run/code) &
    fi
    sleep 0.05
done
"""


MIDDLE = "[Unit]\nPartOf=other.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
"""Between the agent and the other one."""


def write(host: BootedHost, number: int, more: str = "", *, agent: int = 0) -> None:
    """A version of the agent, and of a service beside it."""
    services = f"  agent: {{exec_start: [/opt/agent], environment: {{NUMBER: {agent or number}}}{more}}}\n"
    services += f"  other: {{exec_start: [/usr/bin/sleep, infinity], environment: {{NUMBER: {number}}}}}\n"
    host.write(SPEC, f"version: 1\nhost: testhost\nservices:\n{services}")


def from_inside(host: BootedHost) -> tuple[str, str]:
    """The exit code and the words of an apply that the agent makes."""
    host.run("rm", "-f", "/run/code")
    host.run("touch", "/run/go")

    assert host.until(lambda: host.run("cat", "/run/code", check=False).stdout), host.run(
        "systemctl", "status", "agent", check=False
    ).stdout
    return host.read("/run/code").strip(), " ".join(host.read("/run/said").split())


def test_an_apply_does_not_end_the_service_that_it_runs_in(booted: BootedHost) -> None:
    """Its file is written and its restart left, with the reason; everything else is done.

    The next apply from elsewhere restarts it.
    """
    booted.write("/opt/agent", AGENT, "0755")
    write(booted, 1)
    booted.reconciler("apply", SPEC, "--auto-approve")
    agent, other = booted.life("agent.service"), booted.life("other.service")
    write(booted, 2)
    code, said = from_inside(booted)

    assert "0" == code, said
    assert "this run is a part of it, and leaves that to the next apply that is not" in said
    assert "on_change forbids it" not in said
    assert agent == booted.life("agent.service")
    assert other != booted.life("other.service")
    assert "NUMBER=2" in booted.show("agent.service", "Environment")["Environment"]

    # A stop would end it, and so nothing of that is begun.
    write(booted, 2, ", state: stopped, enabled: false")
    code, said = from_inside(booted)

    assert "4" == code, said
    assert "this run is a part of agent.service and a stop would end it" in said
    assert agent == booted.life("agent.service")
    assert "enabled" == booted.enabled("agent.service")

    # From here it is a restart like any other; and what spares its children is no danger to them.
    write(booted, 3, ", directives: {Service: {KillMode: process}}")
    assert "> restart agent.service" in plan(booted, code=2)
    booted.reconciler("apply", SPEC, "--auto-approve")
    agent = booted.life("agent.service")
    write(booted, 4, ", directives: {Service: {KillMode: process}}")
    code, said = from_inside(booted)

    assert "0" == code, said
    assert agent != booted.life("agent.service")
    plan(booted)


@pytest.mark.parametrize("tie", ["Requires", "StopPropagatedFrom"])
def test_an_apply_does_not_end_what_its_service_is_tied_to(tie: str, booted: BootedHost) -> None:
    """systemd hands a restart on to what is tied: it is left to an apply from elsewhere, with the reason.

    A stop is refused.
    """
    tied = (
        ", requires: [middle.service]"
        if tie == "Requires"
        else f", directives: {{Unit: {{{tie}: middle.service}}}}"
    )
    booted.write("/opt/agent", AGENT, "0755")
    booted.write("/etc/systemd/system/middle.service", MIDDLE)
    booted.run("systemctl", "start", "middle.service")
    write(booted, 1, tied)
    booted.reconciler("apply", SPEC, "--auto-approve")
    agent, other = booted.life("agent.service"), booted.life("other.service")
    write(booted, 2, tied, agent=1)
    code, said = from_inside(booted)

    assert "0" == code, said
    assert "a unit that is tied to it would end, and this run with it" in said
    assert (agent, other) == (booted.life("agent.service"), booted.life("other.service"))
    assert "NUMBER=2" in booted.show("other.service", "Environment")["Environment"]

    booted.write(SPEC, booted.read(SPEC).replace("other: {", "other: {state: stopped, "))
    code, said = from_inside(booted)

    assert "4" == code, said
    assert "a stop of other.service would end a unit that is tied to it" in said
    assert (agent, other) == (booted.life("agent.service"), booted.life("other.service"))

    # systemd is the judge: with the other one the agent ends, from here.
    write(booted, 3, tied, agent=1)
    booted.reconciler("apply", SPEC, "--auto-approve")
    booted.run("systemctl", "stop", "other.service")

    assert other != booted.life("other.service")
    assert ["inactive"] * 2 == [
        booted.show(f"{name}.service", "ActiveState")["ActiveState"] for name in ("middle", "agent")
    ]
