"""Who names a mount point besides fstab."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.formats.named_mounts import advice, named, place_of

ETC, RUN = "/etc/systemd/system", "/run/systemd/generator"


def of(files: Mapping[str, str | None]) -> dict[str, str]:
    """The mount points that a host with these files names; None is a file that cannot be read."""

    def names(directory: str) -> list[str]:
        return sorted(
            path.removeprefix(f"{directory}/") for path in files if path.rpartition("/")[0] == directory
        )

    return named(names, files.get)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/etc/fstab": "LABEL=x /data ext4\n"}, {"/data": "/etc/fstab"}),
        ({f"{ETC}/srv-my\\x20data.mount": "[Mount]\n"}, {"/srv/my data": f"{ETC}/srv-my\\x20data.mount"}),
        ({f"{ETC}/srv-a\\x2db.automount": "[Automount]\n"}, {"/srv/a-b": f"{ETC}/srv-a\\x2db.automount"}),
        ({f"{ETC}/srv-\\xc3\\xbc.mount": "x"}, {"/srv/ü": f"{ETC}/srv-\\xc3\\xbc.mount"}),
        # Linked from elsewhere, and so not read: it is a unit all the same.
        ({f"{ETC}/srv.mount": None}, {"/srv": f"{ETC}/srv.mount"}),
        # Masked, in the place that counts.
        ({f"{ETC}/tmp.mount": "", "/usr/local/lib/systemd/system/tmp.mount": "[Mount]\n"}, {}),
        # Mounts that a package ships, and the root.
        (
            {
                "/usr/lib/systemd/system/var-lib-machines.mount": "[Mount]\n",
                f"{ETC}/-.mount": "[Mount]\n",
                f"{ETC}/x.service": "x",
            },
            {},
        ),
        # Made by generators: from a ZFS dataset, and from a line that has gone from fstab since.
        (
            {f"{RUN}/tank-home.mount": "[Unit]\nSourcePath=/etc/zfs/zfs-list.cache/tank\n"},
            {"/tank/home": f"{RUN}/tank-home.mount"},
        ),
        ({f"{RUN}/data.mount": "[Unit]\nSourcePath=/etc/fstab\n", f"{RUN}/x.mount": None}, {}),
        # autofs: its own places, those of direct maps, and not what it includes or looks up elsewhere.
        (
            {"/etc/auto.master": "+dir:/etc/auto.master.d\n# /no /etc/x\n/net -hosts\n"},
            {"/net": "/etc/auto.master"},
        ),
        (
            {
                "/etc/auto.master.d/a.autofs": "/- file:/etc/auto.direct --timeout=60\n",
                "/etc/auto.direct": "/mnt/nas \\\n -fstype=nfs nas:/x\n* no\n",
            },
            {"/mnt/nas": "/etc/auto.direct"},
        ),
        ({"/etc/auto.master": "/- ldap:x\n/- /etc/gone\nbroken\n"}, {}),
    ],
)
def test_who_names_a_place(files: Mapping[str, str | None], expected: Mapping[str, str]) -> None:
    """Each place with the file that says so, and what does not count is not there."""
    assert expected == of(files)


def test_a_line_comes_before_a_unit() -> None:
    """A place that both name is fstab's, as it is with systemd when both are there."""
    assert {"/data": "/etc/fstab"} == of({"/etc/fstab": "x /data ext4\n", f"{ETC}/data.mount": "[Mount]\n"})


@pytest.mark.parametrize(
    ("unit", "place"), [("-.mount", "/"), ("a-b.mount", "/a/b"), ("\\x2ea-b\\x5cc.automount", "/.a/b\\c")]
)
def test_the_place_in_a_name(unit: str, place: str) -> None:
    """As systemd-escape writes it."""
    assert place == place_of(unit)


@pytest.mark.parametrize("file", ["/etc/fstab", f"{ETC}/a.mount", "/etc/auto.master"])
def test_the_way_out(file: str) -> None:
    """The file is named in it."""
    assert file in advice(file)
