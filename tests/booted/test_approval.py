"""An approval on a real Debian: what happened there since the review decides whether it still holds."""

from __future__ import annotations

import json

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC, THREE, write_spec

PLAN = "/root/plan.json"
CHANGED = THREE.replace("port: 8000", "port: 9000").replace('sleep, "1000001"', 'sleep, "1000002"')
USER = (
    "users:\n  alice: {groups: [ml-users], sudo: [{run: [/usr/bin/systemctl, restart, ml-api], password:"
    " false}]}\n"
)
SECRET = '  /etc/ml/key: {content: "hunter2-%s", mode: "0600", sensitive: true}\n'


def _facts(host: BootedHost) -> str:
    """Everything that an apply could have touched: files, accounts, processes, our state."""
    find = "find /etc /opt /root/host.yaml /var/lib/reconciler -printf '%p %m %u %T@ %s %i\\n' | sort"
    units = "systemctl show -p Id,InvocationID,ActiveState,FragmentPath ml-api ml-training mlflow"
    return host.run("/bin/sh", "-c", f"{find}; {units}").stdout


def _invocation(host: BootedHost, unit: str) -> str:
    return host.run("systemctl", "show", "--value", "-p", "InvocationID", unit).stdout.strip()


def test_an_approval_survives_what_is_none_of_its_business(booted: BootedHost) -> None:
    """Restarted processes, another unit, another account, drift elsewhere and more runs: it is applied, with
    what it was approved for.
    """
    write_spec(booted)
    booted.reconciler("apply", SPEC, "--auto-approve")
    write_spec(booted, CHANGED + USER)
    booted.reconciler("plan", SPEC, "--out", PLAN)
    booted.run("systemctl", "restart", "ml-api", "mlflow")
    booted.write("/etc/systemd/system/other.service", "[Service]\nExecStart=/usr/bin/sleep 5\n")
    booted.run("useradd", "--system", "somebody")
    booted.run("chmod", "0777", "/opt/ml")
    booted.run("rm", "/opt/ml/serve")
    booted.reconciler("apply", SPEC, "--auto-approve", "--target", 'files["/opt/ml/serve"]')
    training = _invocation(booted, "ml-training")
    done = booted.reconciler("apply", SPEC, "--approved", PLAN, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "port: 9000" in booted.read("/etc/ml/api.conf")
    assert "755" == booted.run("stat", "-c", "%a", "/opt/ml").stdout.strip()
    assert "port: 9000" in booted.run("cat", "/run/ml-api.loaded").stdout
    assert training == _invocation(booted, "ml-training")
    assert "alice" in booted.run("getent", "group", "ml-users").stdout
    again = booted.reconciler("apply", SPEC, "--approved", PLAN, check=False)
    assert 3 == again.returncode
    assert "it may have been applied already" in " ".join((again.stdout + again.stderr).split())


def test_an_approval_does_not_survive_what_it_touches(booted: BootedHost) -> None:
    """Each time something that it touches is changed by hand it is refused, and nothing on the host or in our
    state is written.
    """
    write_spec(booted)
    booted.reconciler("apply", SPEC, "--auto-approve")
    write_spec(booted, CHANGED.replace("files:\n", "files:\n" + SECRET % "one"))
    booted.reconciler("plan", SPEC, "--out", PLAN)
    digest = json.loads(booted.read(PLAN))["approval_digest"]
    unit, conf = "/etc/systemd/system/mlflow.service", "/etc/ml/api.conf"
    for happens, said in (
        (f"echo '# by hand' >> {unit}", "Changed on the host since the approval: services.mlflow."),
        (f"chown nobody {conf}", f'Changed on the host since the approval: files["{conf}"].'),
        (f"rm {unit}", "Changed on the host since the approval: services.mlflow."),
        (
            f"sed -i s/hunter2-one/hunter2-two/ {SPEC}",
            'Declared otherwise than approved: files["/etc/ml/key"].',
        ),
        ("systemd-id128 new > /etc/machine-id", "is for another machine with the name testhost"),
    ):
        booted.run("/bin/sh", "-c", f"cp -a {unit} {conf} {SPEC} /etc/machine-id /var/tmp/")
        booted.run("/bin/sh", "-c", happens)
        before = _facts(booted)
        done = booted.reconciler("apply", SPEC, "--approved", PLAN, check=False)

        assert (3, before) == (done.returncode, _facts(booted)), done.stdout + done.stderr
        assert said in " ".join((done.stdout + done.stderr).split())
        assert "hunter2" not in done.stdout + done.stderr
        booted.run(
            "/bin/sh",
            "-c",
            f"cd /var/tmp; cp -a mlflow.service {unit}; cp -a api.conf {conf}; cp -a host.yaml {SPEC}; cp -a"
            " machine-id /etc/machine-id",
        )

    assert digest == json.loads(booted.reconciler("plan", SPEC, "--json").stdout)["approval_digest"]
    assert 0 == booted.reconciler("apply", SPEC, "--approved", PLAN, check=False).returncode
