"""From a unit of our own to a package's unit and back."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import run

OTHER = "version: 1\nhost: testhost\nservices:\n  other: {exec_start: [/bin/other]}\n  web: "


def test_a_unit_of_our_own_gives_way_to_the_package_s(tmp_path: Path) -> None:
    """The first apply takes our unit file away and says that the rest waits; the second converges on the
    package's unit.
    """
    tree, spec = tmp_path / "tree", tmp_path / "host.yaml"
    (tree / "etc/systemd/system").mkdir(parents=True)
    (tree / "usr/lib/systemd/system").mkdir(parents=True)
    (tree / "usr/lib/systemd/system/web.service").write_text(
        "[Service]\nExecStart=/bin/web\n[Install]\nWantedBy=multi-user.target\n"
    )
    (tree / "etc/hostname").write_text("testhost\n")
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    link = tree / "etc/systemd/system/multi-user.target.wants/web.service"
    spec.write_text(OTHER + "{exec_start: [/bin/web]}\n")

    assert 0 == run("apply", spec, "--root", tree, "--auto-approve").code

    spec.write_text(OTHER + "{unit: vendor, nice: 5, enabled: true}\n")
    first = run("apply", spec, "--root", tree, "--auto-approve")

    assert 6 == first.code
    assert "web.service is still a unit of our own" in first.said
    assert not (tree / "etc/systemd/system/web.service").exists()

    assert 0 == run("apply", spec, "--root", tree, "--auto-approve").code
    assert 0 == run("plan", spec, "--root", tree, "--detailed-exitcode").code
    assert "/usr/lib/systemd/system/web.service" == str(link.readlink())
    assert (
        (tree / "etc/systemd/system/web.service.d/50-reconciler.conf")
        .read_text()
        .endswith("\n[Service]\nNice=5\n")
    )
