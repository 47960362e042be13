"""import: a spec of what is there, whose plan is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.core.address import Address
from reconciler.core.diagnostic import error
from tests import hard_units
from tests.cli.command import run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64"
FILES = {
    "etc/hostname": "imp\n",
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "log:x:900:900::/nonexistent:/usr/sbin/nologin\nalice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
        "bob:x:1001:27::/srv/bob:/bin/sh\ncarol:x:1002:1002::/home/carol:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": (
        "root:x:0:\ndaemon:x:1:\nsudo:x:27:alice\nadm:x:4:alice\nlog:x:900:\nalice:x:1000:\ncarol:x:1002:\n"
    ),
    "etc/shadow": (
        "root:*:::::::\nlog:!:::::::\nalice:!:19000:0:99999:7:::\nbob:!:19000:0:99999:7::21929:\ncarol:!:::::::\n"
    ),
    "etc/gshadow": "root:*::\nsudo:*::alice\nadm:*::alice\nlog:!::\nalice:!::\ncarol:!::\n",
    "etc/subuid": "alice:100000:65536\nbob:165536:65536\n",
    "etc/subgid": "alice:100000:65536\nbob:165536:65536\n",
    "etc/systemd/system/web.service": (
        "# by hand\n[Unit]\nDescription=Web 100%%\nAfter=network.target"
        ' a.service\n\n[Service]\nExecStart=/opt/web --port 80\nEnvironment=A=1\nEnvironment="B=x'
        ' y"\nUser=alice\nLimitNOFILE=1024\nPrivateTmp=yes\nNice=5\n\n[Install]\nWantedBy=multi-user.target\n'
    ),
    "etc/systemd/system/job.service": '[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo a; b"\n',
    "etc/systemd/system/strange.service": "[Service]\nExecStart=/opt/x\nUser=%i\n",
    "etc/systemd/system/two.service": "[Service]\nExecStart=/opt/x\nEnvironment=A=1 B=2\n",
    "etc/systemd/system/job.timer": "[Timer]\nOnCalendar=daily\n",
    "etc/systemd/system/of-a-package.service": "[Service]\nExecStart=/opt/x\n",
    "etc/logrotate.d/web": (
        "/var/log/web/*.log {\n daily\n rotate 7\n nocompress\n missingok\n create 0640 root root\n"
        " postrotate\n /usr/bin/systemctl reload web\n endscript\n}\n"
    ),
    "etc/logrotate.d/shell": (
        "/var/log/y {\n weekly\n postrotate\n systemctl reload y > /dev/null\n endscript\n}\n"
    ),
    "etc/logrotate.d/apt": "/var/log/apt {\n weekly\n}\n",
    "var/lib/dpkg/info/apt.list": "/etc/logrotate.d/apt\n/etc\n/etc/systemd/system/of-a-package.service\n",
    "home/alice/.ssh/authorized_keys": f'# mine\nfrom="10.0.0.0/8" {KEY} alice@laptop\nrubbish\n',
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A host that was set up by hand."""
    root = tmp_path / "tree"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "srv/bob").mkdir(parents=True)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / "web.service").symlink_to("/etc/systemd/system/web.service")
    for place in (root, *root.rglob("*")):
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() else 0o644)
    (root / "home/alice/.ssh").chmod(0o700)
    (root / "home/alice/.ssh/authorized_keys").chmod(0o600)
    return root


def _owned(tree: Path) -> None:
    """Owners, which need a manifest beside the tree for whoever is not root."""
    import os

    if os.geteuid():
        pytest.skip("needs root for the owners of homes")
    for path, number in (
        ("home/alice", 1000),
        ("home/alice/.ssh", 1000),
        ("home/alice/.ssh/authorized_keys", 1000),
        ("srv/bob", 1001),
    ):
        os.chown(tree / path, number, 27 if number == 1001 else number)


def _facts(tree: Path) -> dict[str, Any]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode)
        for path in sorted(tree.rglob("*"))
    }


def _imported(tree: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    done = run("import", *arguments, "--root", tree)
    assert 0 == done.code, done.err
    return YAML(typ="safe", pure=True).load(done.out), done.out


def test_a_spec_whose_plan_is_empty(tree: Path, tmp_path: Path) -> None:
    """The resources of an import are as declared: the plan is empty, an apply records them and touches
    nothing, and the next plan is empty too.
    """
    _owned(tree)
    before, spec = _facts(tree), tmp_path / "host.yaml"
    done = run("import", "--root", tree, "--out", spec)

    assert 0 == done.code, done.err
    assert before == _facts(tree)
    assert not (tmp_path / "tree.reconciler").exists()

    plans = []
    for _ in range(2):
        plan = json.loads(run("plan", spec, "--root", tree, "--json").out)
        plans.append(
            (
                [row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]],
                plan["complete"],
            )
        )
        assert 0 == run("apply", spec, "--root", tree, "--auto-approve").code

    assert [([], True), ([], True)] == plans
    assert before == _facts(tree)


def test_what_is_imported(tree: Path) -> None:
    """Accounts of people, keys, units and policies of the administrator, each with what is said of it and
    nothing of ours.
    """
    _owned(tree)
    spec, _ = _imported(tree)

    assert {"version": 1, "host": "imp"} == {key: spec[key] for key in ("version", "host")}
    assert spec["users"] == {
        "alice": {"uid": 1000, "comment": "Alice", "groups": ["adm", "sudo"], "shell": "/bin/bash"},
        "bob": {
            "uid": 1001,
            "group": "sudo",
            "shell": "/bin/sh",
            "home": "/srv/bob",
            "expires": "2030-01-15",
        },
    }
    assert {"alice": [f'from="10.0.0.0/8" {KEY} alice@laptop']} == spec["ssh_keys"]
    assert spec["services"]["web"] == {
        "description": "Web 100%",
        "after": ["network.target", "a.service"],
        "type": None,
        "exec_start": ["/opt/web", "--port", "80"],
        "environment": {"A": "1", "B": "x y"},
        "user": "alice",
        "restart": None,
        "limit_nofile": "1024",
        "nice": 5,
        "wanted_by": ["multi-user.target"],
        "directives": {"Service": {"PrivateTmp": "yes"}},
        "enabled": True,
    }
    assert {"web", "two"} == set(spec["services"])
    assert {"A": "1", "B": "2"} == spec["services"]["two"]["environment"]
    assert {"web"} == set(spec["logrotate"])


def test_what_is_left_out_is_told(tree: Path) -> None:
    """Whatever cannot be said is in the comments, with the reason; what packages brought is not."""
    _owned(tree)
    _, text = _imported(tree)
    told = text.partition("# Not imported")[2]

    assert "users.carol: missing is ['subuid', 'subgid']" in told
    assert "services.strange: Service.User has a specifier" in told
    assert (
        "services.job: job.timer starts it: an apply would stop it while it runs, or run it off schedule"
        in told
    )
    assert 'services["job.timer"]: timer units are not imported' in told
    assert "logrotate.shell: `postrotate` is a shell script" in told
    assert "ssh_keys.alice, in part: line 3" in told
    assert "apt" not in told
    assert "of-a-package" not in told


def test_only_some_kinds(tree: Path) -> None:
    """Named kinds are imported and no others; --system brings the accounts of services, never root."""
    spec, text = _imported(tree, "logrotate", "services")

    assert ["version", "host", "services", "logrotate"] == list(spec)

    spec, text = _imported(tree, "users", "--system")

    assert {"uid": 900, "system": True, "shell": "/usr/sbin/nologin"} == spec["users"]["log"]
    assert "root" not in spec["users"]
    assert "users.daemon: " in text.partition("# Not imported")[2]


def test_bad_requests(tree: Path, tmp_path: Path) -> None:
    """An unknown kind, a file that exists and a tree that does not are told, and nothing is written."""
    (tmp_path / "there.yaml").write_text("mine\n")

    assert 64 == run("import", "files", "--root", tree).code
    assert "choose from packages" in run("import", "files", "--root", tree).said
    assert (
        "exists already" in run("import", "logrotate", "--root", tree, "--out", tmp_path / "there.yaml").said
    )
    assert "mine\n" == (tmp_path / "there.yaml").read_text()
    assert 1 == run("import", "--root", tmp_path / "no").code


def _unit(tree: Path, name: str, text: str, *, enabled: bool = False) -> None:
    """A unit file of the administrator's, enabled by a link if asked."""
    place = tree / "etc/systemd/system" / name
    place.write_bytes(text.encode())
    place.chmod(0o644)
    for target in ("multi-user.target", "graphical.target") if enabled else ():
        if target in text:
            (place.parent / f"{target}.wants").mkdir(exist_ok=True, mode=0o755)
            (place.parent / f"{target}.wants" / name).symlink_to(f"/etc/systemd/system/{name}")


def _told(text: str) -> dict[str, str]:
    """The reasons why resources were left out of an import, by address."""
    lines = [line.removeprefix("#   ") for line in text.partition("# Not imported")[2].split("\n")]
    return {line.partition(": ")[0]: line.partition(": ")[2] for line in lines if ": " in line}


def test_hard_spellings(tree: Path, tmp_path: Path) -> None:
    """Units as people and packages write them are imported with an empty plan, or left out alone with the
    reason.
    """
    for name, text in hard_units.TAKEN.items():
        _unit(tree, f"{name}.service", text, enabled=True)
    for name, (text, _) in hard_units.LEFT_OUT.items():
        _unit(tree, f"{name}.service", text, enabled="[Install]" in text)
    before, spec = _facts(tree), tmp_path / "host.yaml"
    _, text = _imported(tree, "services")
    spec.write_text(text)
    told = _told(text)

    assert {} == {
        name: told.get(f"services.{name}") for name in hard_units.TAKEN if f"services.{name}" in told
    }
    assert {} == {
        name: told.get(f"services.{name}")
        for name, (_, why) in hard_units.LEFT_OUT.items()
        if why not in told.get(f"services.{name}", told.get(f"services['{name}']", ""))
    }

    for _ in range(2):
        plan = json.loads(run("plan", spec, "--root", tree, "--json").out)

        assert [] == [
            row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]
        ]
        assert 0 == run("apply", spec, "--root", tree, "--auto-approve").code

    assert before == _facts(tree)


SLEEP = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
STARTED = {
    "a timer": ("x.timer", "[Timer]\nOnCalendar=daily\n", SLEEP, "x.timer starts it"),
    "a timer with another name": (
        "y.timer",
        "[Timer]\nOnCalendar=daily\nUnit=x.service\n",
        SLEEP,
        "y.timer starts it",
    ),
    "a socket": ("x.socket", "[Socket]\nListenStream=1234\n", SLEEP, "x.socket starts it"),
    "a socket with another name": (
        "y.socket",
        "[Socket]\nListenStream=1\nService=x.service\n",
        SLEEP,
        "y.socket starts it",
    ),
    "a socket that it names": ("y.target", "[Unit]\n", f"{SLEEP}Sockets=y.socket\n", "y.socket starts it"),
    "a path": ("x.path", "[Path]\nPathExists=/x\n", SLEEP, "x.path starts it"),
    "an alias": (
        "y.timer",
        "[Timer]\nOnCalendar=daily\n",
        f"{SLEEP}[Install]\nAlias=y.service\n",
        "y.timer starts it",
    ),
    "a failure": (
        "y.service",
        f"[Unit]\nOnFailure=x.service\n{SLEEP}",
        "[Service]\nType=oneshot\nExecStart=/bin/a\n",
        "OnFailure= of y.service",
    ),
}


@pytest.mark.parametrize("by", STARTED)
@pytest.mark.parametrize("enabled", [False, True])
def test_what_something_else_starts(by: str, enabled: bool, tree: Path) -> None:
    """A service that a unit of another type starts is left out, enabled or not, with the name of what starts
    it.
    """
    other, text, service, why = STARTED[by]
    _unit(tree, other, text)
    _unit(
        tree,
        "x.service",
        service + "\n[Install]\nWantedBy=multi-user.target\n",
        enabled=enabled and by != "a failure",
    )
    _, said = _imported(tree, "services")

    assert why in _told(said).get("services.x", said)


def test_drop_ins_and_bus_names_and_rules_start_services(tree: Path) -> None:
    """A service may be started by a drop-in of a package's timer, by a bus name's file or by a udev rule."""
    for path, text in {
        "usr/lib/systemd/system/far.timer": "[Timer]\nOnCalendar=daily\n",
        "etc/systemd/system/far.timer.d/x.conf": "[Timer]\nUnit=one.service\n",
        "usr/share/dbus-1/system-services/org.x.service": (
            "[D-BUS Service]\nName=org.x\nExec=/bin/false\nSystemdService=two-bus.service\n"
        ),
        "usr/lib/udev/rules.d/9.rules": (
            'ACTION=="add", TAG+="systemd", ENV{SYSTEMD_WANTS}+="three.service"\n'
        ),
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    for name in ("one", "two-bus", "three"):
        _unit(tree, f"{name}.service", SLEEP)
    told = _told(_imported(tree, "services")[1])

    assert {
        "one": "far.timer starts it",
        "two-bus": "the bus name org.x starts it",
        "three": "the udev rules 9.rules starts it",
    } == {name: told[f"services.{name}"].partition(":")[0] for name in ("one", "two-bus", "three")}


def test_conditions_of_a_tree_are_not_known(tree: Path) -> None:
    """Whether a condition holds nobody knows without the running host; what is not enabled does not run
    there.
    """
    _unit(
        tree,
        "gpu.service",
        f"[Unit]\nConditionPathExists=/dev/gpu\n{SLEEP}[Install]\nWantedBy=multi-user.target\n",
        enabled=True,
    )
    _unit(tree, "off.service", SLEEP)
    spec, text = _imported(tree, "services")

    assert "whether it runs hangs on ConditionPathExists" in _told(text)["services.gpu"]
    assert "stopped" == spec["services"]["off"]["state"]


def test_what_is_not_looked_at_is_named(tree: Path) -> None:
    """Sudo rules, cron files, crontabs, groups, drop-ins, masks and links are counted by name; what packages
    brought is not.
    """
    for path, text in {
        "etc/sudoers.d/ops": "x\n",
        "etc/sudoers.d/apt": "x\n",
        "etc/cron.d/nightly": "x\n",
        "etc/cron.daily/clean": "x\n",
        "var/spool/cron/crontabs/alice": "x\n",
        "etc/systemd/system/ssh.service.d/a.conf": "[Service]\nNice=1\n",
        "etc/containers/systemd/pg.container": "x\n",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    with (tree / "var/lib/dpkg/info/apt.list").open("a") as handle:
        handle.write("/etc/sudoers.d/apt\n")
    with (tree / "etc/group").open("a") as handle:
        handle.write("ml:x:2000:\n")
    (tree / "etc/systemd/system/masked.service").symlink_to("/dev/null")
    (tree / "etc/systemd/system/far.service").symlink_to("/opt/far.service")
    (tree / "etc/systemd/system/sshd.service").symlink_to("/lib/systemd/system/ssh.service")
    _owned(tree)
    lines = _imported(tree)[1].partition("# Not looked at:\n")[2].splitlines()

    assert [
        "#   groups that are nobody's own: 1 (ml)",
        "#   sudo rules in /etc/sudoers.d: 1 (/etc/sudoers.d/ops)",
        "#   cron files in /etc/cron.d: 1 (/etc/cron.d/nightly)",
        "#   scripts of cron by the hour, day, week and month: 1 (/etc/cron.daily/clean)",
        "#   crontabs of users: 1 (alice)",
        "#   drop-ins of units: 1 (ssh.service.d/a.conf)",
        "#   masked units: 1 (masked.service)",
        "#   unit files that lie elsewhere and are linked: 1 (far.service)",
        "#   quadlets of podman: 1 (/etc/containers/systemd/pg.container)",
        "#   files, directories and backups: nobody can tell from a host which of them should be declared",
    ] == lines


def test_keys_that_an_apply_would_change_are_told(tree: Path) -> None:
    """An authorized_keys of another mode than ours is left out, with what an apply would change."""
    _owned(tree)
    (tree / "home/alice/.ssh/authorized_keys").chmod(0o644)
    spec, text = _imported(tree, "ssh_keys")

    assert "ssh_keys" not in spec
    assert "0644, and would become 0600" in text.partition("ssh_keys.alice: ")[2]


def test_a_kind_that_cannot_be_read_is_left_out_alone(tree: Path) -> None:
    """Where the accounts cannot be read, services are imported all the same, and the reason is told."""
    _owned(tree)
    (tree / "etc/shadow").unlink()
    (tree / "etc/shadow").symlink_to("/elsewhere")
    spec, text = _imported(tree)

    assert "web" in spec["services"]
    assert "users" not in spec
    assert "#   users: " in text.partition("# Not looked at")[2]


def test_one_that_spoils_the_whole_is_left_out_alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a resource makes the spec as a whole unreadable, it is found and left out; the others are
    imported.
    """
    from reconciler.app import import_

    judge = import_._judge

    def refusing(text: str, root: str | None) -> Any:
        return (
            ({}, [error("the spec cannot be read", "for a test")])
            if "\n  web:" in text.partition("# Not")[0]
            else judge(text, root)
        )

    monkeypatch.setattr(import_, "_judge", refusing)
    imported = import_.import_host(["services"], system=False, root=str(tree))

    assert () == imported.problems
    assert "for a test" == imported.left_out[Address("services", "web")]
    assert 1 == imported.count


SECRET = "c4n4ry-of-the-import"


@pytest.mark.parametrize(
    "unit",
    [
        f"ExecStart=/opt/x --api-token {SECRET}\n",
        f"ExecStart=/opt/x --password={SECRET}\n",
        f"ExecStart=/opt/x\nEnvironment=API_TOKEN={SECRET}\n",
        f"ExecStart=/opt/x\nEnvironment=A=1 API_TOKEN={SECRET}\n",
        f"ExecStart=/opt/x postgres://app:{SECRET}@db/x\n",
        f"ExecStart=/opt/x\nSetCredential=db:{SECRET}\n",
    ],
)
def test_a_secret_is_not_imported(unit: str, tree: Path) -> None:
    """A unit with a secret in the open is left out with the reason, and neither the spec nor what is said
    shows it.
    """
    (tree / "etc/systemd/system/leak.service").write_text(f"[Service]\nType=exec\n{unit}")
    done = run("import", "services", "--root", tree)

    assert SECRET not in done.out + done.err
    assert "\n  leak:" not in done.out
    assert "services.leak: " in done.out
