"""import: a spec of what is there, whose plan is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.command import run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64"
FILES = {
    "etc/hostname": "imp\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "log:x:900:900::/nonexistent:/usr/sbin/nologin\nalice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
    "bob:x:1001:27::/srv/bob:/bin/sh\ncarol:x:1002:1002::/home/carol:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\nsudo:x:27:alice\nadm:x:4:alice\nlog:x:900:\nalice:x:1000:\ncarol:x:1002:\n",
    "etc/shadow": "root:*:::::::\nlog:!:::::::\nalice:!:19000:0:99999:7:::\nbob:!:19000:0:99999:7::21929:\ncarol:!:::::::\n",
    "etc/gshadow": "root:*::\nsudo:*::alice\nadm:*::alice\nlog:!::\nalice:!::\ncarol:!::\n",
    "etc/subuid": "alice:100000:65536\nbob:165536:65536\n",
    "etc/subgid": "alice:100000:65536\nbob:165536:65536\n",
    "etc/systemd/system/web.service": "# by hand\n[Unit]\nDescription=Web 100%%\nAfter=network.target a.service\n\n[Service]\n"
    'ExecStart=/opt/web --port 80\nEnvironment=A=1\nEnvironment="B=x y"\nUser=alice\nLimitNOFILE=1024\nPrivateTmp=yes\nNice=5\n'
    "\n[Install]\nWantedBy=multi-user.target\n",
    "etc/systemd/system/job.service": '[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo a; b"\n',
    "etc/systemd/system/strange.service": "[Service]\nExecStart=/opt/x\nUser=%i\n",
    "etc/systemd/system/two.service": "[Service]\nExecStart=/opt/x\nEnvironment=A=1 B=2\n",
    "etc/systemd/system/job.timer": "[Timer]\nOnCalendar=daily\n",
    "etc/systemd/system/of-a-package.service": "[Service]\nExecStart=/opt/x\n",
    "etc/logrotate.d/web": "/var/log/web/*.log {\n daily\n rotate 7\n nocompress\n missingok\n create 0640 root root\n"
    " postrotate\n /usr/bin/systemctl reload web\n endscript\n}\n",
    "etc/logrotate.d/shell": "/var/log/y {\n weekly\n postrotate\n systemctl reload y > /dev/null\n endscript\n}\n",
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
    for path, number in (("home/alice", 1000), ("home/alice/.ssh", 1000), ("home/alice/.ssh/authorized_keys", 1000), ("srv/bob", 1001)):
        os.chown(tree / path, number, 27 if number == 1001 else number)


def _facts(tree: Path) -> dict[str, Any]:
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode) for path in sorted(tree.rglob("*"))}


def _imported(tree: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    done = run("import", *arguments, "--root", tree)
    assert 0 == done.code, done.err
    return YAML(typ="safe", pure=True).load(done.out), done.out


def test_a_spec_whose_plan_is_empty(tree: Path, tmp_path: Path) -> None:
    """What is imported is as declared: the plan is empty, an apply records it and touches nothing, and the next plan is empty too."""
    _owned(tree)
    before, spec = _facts(tree), tmp_path / "host.yaml"
    done = run("import", "--root", tree, "--out", spec)

    assert 0 == done.code, done.err
    assert before == _facts(tree)
    assert not (tmp_path / "tree.reconciler").exists()

    plans = []
    for _ in range(2):
        plan = json.loads(run("plan", spec, "--root", tree, "--json").out)
        plans.append(([row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]], plan["complete"]))
        assert 0 == run("apply", spec, "--root", tree, "--auto-approve").code

    assert [([], True), ([], True)] == plans
    assert before == _facts(tree)


def test_what_is_imported(tree: Path) -> None:
    """Accounts of people, keys, units and policies of the administrator, each with what is said of it and nothing of ours."""
    _owned(tree)
    spec, _ = _imported(tree)

    assert {"version": 1, "host": "imp"} == {key: spec[key] for key in ("version", "host")}
    assert spec["users"] == {
        "alice": {"uid": 1000, "comment": "Alice", "groups": ["adm", "sudo"], "shell": "/bin/bash"},
        "bob": {"uid": 1001, "group": "sudo", "shell": "/bin/sh", "home": "/srv/bob", "expires": "2030-01-15"},
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
    assert '/bin/sh -c "echo a; b"' == spec["services"]["job"]["exec_start"]
    assert {"web", "job"} == set(spec["services"])
    assert {"web"} == set(spec["logrotate"])


def test_what_is_left_out_is_told(tree: Path) -> None:
    """Whatever cannot be said is in the comments, with the reason; what packages brought is not."""
    _owned(tree)
    _, text = _imported(tree)
    told = text.partition("# Not imported")[2]

    assert "users.carol: missing is ['subuid', 'subgid']" in told
    assert "services.strange: Service.User has a specifier" in told
    assert "services.two: Service.Environment: write one NAME=VALUE per line" in told
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
    assert "choose from users" in run("import", "files", "--root", tree).said
    assert "exists already" in run("import", "logrotate", "--root", tree, "--out", tmp_path / "there.yaml").said
    assert "mine\n" == (tmp_path / "there.yaml").read_text()
    assert 1 == run("import", "--root", tmp_path / "no").code


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
    """A unit with a secret in the open is left out with the reason, and neither the spec nor what is said shows it."""
    (tree / "etc/systemd/system/leak.service").write_text(f"[Service]\nType=exec\n{unit}")
    done = run("import", "services", "--root", tree)

    assert SECRET not in done.out + done.err
    assert "\n  leak:" not in done.out
    assert "services.leak: " in done.out
