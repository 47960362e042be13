"""dpkg's list, versions and the simulations of apt-get."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from reconciler.core.actions import ChangePackages
from reconciler.formats.packages import apt_simulation, dpkg_status, version

VERSIONS = (
    *("0", "1", "1.0", "1.0-0", "1.0-1", "1.0~rc1", "1.0~rc1-1", "1.0a", "1.0.1", "1.00", "1:0.9", "0:1.0"),
    *("1.0+b1", "1.0-1+deb12u1", "1.0-1~bpo12+1", "1.0-10", "1.0-9", "2.36-9+deb12u10", "1.a", "1.+", "10"),
)
STATUS = """Package: nginx
Status: install ok installed
Priority: optional
Architecture: amd64
Version: 1.22.1-9
Description: web
 Package: not-this-one

Package: libc6
Status: install ok installed
Priority: required
Architecture: i386
Version: 2.36-9

Package: telnetd
Status: deinstall ok config-files
Architecture: amd64
Version: 0.17

Package: broken
Status: hold reinstreq half-installed
Architecture: amd64
Version: 1
"""
SIMULATION = """NOTE: This is only a simulation!
Remv mawk [1.3]
Inst libfoo (1.2-3 Debian:12.9/stable [amd64])
Inst curl [7.88.1-10] (7.88.1-10+deb12u8 Debian-Security:12/stable-security [amd64]) []
Conf curl (7.88.1-10+deb12u8 Debian-Security:12/stable-security [amd64])
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg judges")
def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    """Each pair of versions has the order that dpkg gives it."""
    pairs = list(itertools.product(VERSIONS, repeat=2))
    asked = "\n".join(
        f"dpkg --compare-versions '{one}' ge '{other}' && echo 1 || echo 0" for one, other in pairs
    )
    answers = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    expected = {pair: answer == "1" for pair, answer in zip(pairs, answers.stdout.split(), strict=True)}

    assert expected == {pair: version.at_least(*pair) for pair in pairs}


def test_the_list_is_read() -> None:
    """A package has its state, wish and version, by its name and with its architecture."""
    packages = dpkg_status.parse(STATUS)

    assert packages["nginx"].installed
    assert "1.22.1-9" == packages["nginx"].version
    assert packages["libc6:i386"].installed
    assert packages["telnetd"].gone
    assert packages["broken"].held
    assert not packages["broken"].installed
    assert not packages["broken"].gone
    assert "not-this-one" not in packages


def test_an_outline_reads_like_the_list() -> None:
    """What a snapshot keeps has the same packages, and no description."""
    outline = dpkg_status.outline(STATUS)

    assert "web" not in outline
    assert dpkg_status.outline(outline) == outline
    assert dpkg_status.parse(STATUS).keys() == dpkg_status.parse(outline).keys()
    assert dpkg_status.parse(outline)["broken"].damaged


def test_a_transaction_changes_the_list() -> None:
    """What is installed, removed and held is so afterwards, and the rest is as it was."""
    action = ChangePackages(("telnetd", "nginx>=1.24", "new"), ("libc6",), ("new",), ("broken",))
    packages = dpkg_status.parse(dpkg_status.changed(STATUS, action))

    assert packages["telnetd"].installed
    assert "1.24" == packages["nginx"].version
    assert packages["new"].installed
    assert packages["new"].held
    assert packages["libc6"].gone
    assert not packages["broken"].held


def test_what_came_along_is_known() -> None:
    """extended_states(5) names the packages that came along with others."""
    text = "Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: b\nAuto-Installed: 0\n\nPackage: c\nAuto-Installed: 1\n"

    assert {"a", "c"} == dpkg_status.automatic(text)


def test_a_simulation_is_read() -> None:
    """New, upgraded and removed packages are told apart."""
    answer = apt_simulation.parse(SIMULATION)

    assert (("libfoo", "1.2-3"),) == answer.new
    assert (("curl", "7.88.1-10", "7.88.1-10+deb12u8"),) == answer.upgraded
    assert ("mawk",) == answer.removed
