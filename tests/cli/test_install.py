"""install on a tree: what it refuses, what it writes, and that it is out of reach of specs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.formats.reconcile import PATH, UNITS
from reconciler.policy.paths import OUR_UNITS, reason

SPEC = "version: 1\nhost: h\ngroups: {jobs: {}}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that can become a host, with a spec in it."""
    for directory in ("etc/systemd/system", "etc/cron.d", "etc/reconciler"):
        (tmp_path / "root" / directory).mkdir(parents=True)
    root = tmp_path / "root"
    (root / "etc/hostname").write_text("h\n")
    for name in ("passwd", "group", "shadow", "gshadow"):
        (root / "etc" / name).write_text("")
    (root / "etc/reconciler/host.yaml").write_text(SPEC)
    return root


def install(root: Path, *options: str) -> int:
    """Run it; the exit code."""
    return run(
        ["install", str(root / "etc/reconciler/host.yaml"), "--root", str(root), "--auto-approve", *options]
    )


def written(root: Path) -> set[str]:
    """The names of all that is ours in the tree."""
    return {str(path.relative_to(root)) for path in root.rglob("*reconcile*") if not path.is_dir()}


def test_units_in_an_image_name_the_spec_as_the_host_will(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path in the unit is that below the root; the timers are enabled by their links."""
    code = install(tree)
    unit = (tree / "etc/systemd/system/reconciler-apply.service").read_text()

    assert 0 == code, capsys.readouterr()
    assert (
        "ExecStart=/usr/local/bin/reconciler apply /etc/reconciler/host.yaml --auto-approve --report\n"
        in unit
    )
    assert "/etc/systemd/system/reconciler-apply.timer" == str(
        (tree / "etc/systemd/system/timers.target.wants/reconciler-apply.timer").readlink()
    )


def test_removing_leaves_nothing_behind(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Timer or cron, what was installed goes, and nothing else."""
    before = written(tree)
    for options in ((), ("--scheduler", "cron")):
        assert 0 == install(tree, *options)
        assert before < written(tree)
        assert 0 == install(tree, "--remove")
        assert before == written(tree)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--schedule", "now and then"), "--schedule 'now and then'"),
        (("--scheduler", "cron", "--delay", "5min"), "cron has no random delay"),
        (("--scheduler", "at"), "choose timer or cron"),
        (("--metrics", "x.prom"), "write an absolute path"),
        (("--metrics", "/var/x.txt"), "end in .prom"),
        (("--publish", "x"), "write an absolute path"),
        (("--notify", "ops@example.org"), "mailto:NAME@HOST"),
        (("--delay", "often"), "often"),
    ],
)
def test_what_cannot_be_installed_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    """Each mistake is named with its remedy, and nothing is written."""
    before = written(tree)
    code = install(tree, *options)
    said = capsys.readouterr().err

    assert 0 != code
    assert words in " ".join(said.split())
    assert before == written(tree)


def test_an_unreadable_spec_installs_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spec that cannot be applied is told now and not when the timer comes."""
    (tree / "etc/reconciler/host.yaml").write_text(SPEC + "nonsense: 1\n")
    before = written(tree)

    assert 1 == install(tree)
    assert before == written(tree)


@pytest.mark.parametrize("unit", OUR_UNITS)
@pytest.mark.parametrize(
    "form",
    [
        "/etc/systemd/system/{}.service",
        "/etc/systemd/system/{}.timer.d/x.conf",
        "/etc/systemd/system/{}.service.d",
        "/etc/cron.d/{}",
    ],
)
def test_no_spec_can_reach_our_units(unit: str, form: str) -> None:
    """Not their files, not the drop-ins that would take them out of action."""
    assert reason(form.format(unit), "/usr/local/bin/reconciler")
    assert not reason("/etc/systemd/system/nginx.service.d/x.conf", "/usr/local/bin/reconciler")


def test_no_spec_can_reach_what_they_go_by() -> None:
    """The list knows every unit there is, and the file of settings."""
    assert set(UNITS) < set(OUR_UNITS)
    assert reason(PATH, "")


def test_a_place_that_others_write_is_not_applied_from(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever can write the spec, a directory above it or its repository would be root: who is told, and
    nothing is installed.
    """
    spec, git = tree / "etc/reconciler/host.yaml", tree / "etc/reconciler/.git"
    spec.chmod(0o666)
    assert 1 == install(tree)
    assert "everybody becomes root: root applies /etc/reconciler/host.yaml; everybody may write" in " ".join(
        capsys.readouterr().err.split()
    )

    spec.chmod(0o644)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "host.yaml"),
        ("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=spec.parent, check=True)
    git.chmod(0o777)
    assert 0 == install(tree), capsys.readouterr()
    assert 0 == install(tree, "--remove")
    assert 1 == install(tree, "--commit", "main")
    assert "everybody may write /etc/reconciler/.git" in " ".join(capsys.readouterr().err.split())
    assert not {name for name in written(tree) if name.endswith((".service", ".timer", ".json"))}
