"""Units of packages: what may be said of them, what the drop-in is, and what enables them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.formats import redaction
from reconciler.formats.systemd import unit
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds.services import unit_file
from reconciler.kinds.services.model import Service
from reconciler.kinds.services.vendor import observe
from reconciler.kinds.shared import drop_ins

pytestmark = pytest.mark.slow

VENDOR = "/usr/lib/systemd/system"
WANTS = "/etc/systemd/system/multi-user.target.wants"


def _service(**said: Any) -> Service:
    return Service.model_validate({"unit": "vendor", **said})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "nothing is said"),
        ({"on_change": "none", "watch": ["/etc/x"], "protect": True}, "nothing is said"),
        ({"nice": 5, "wanted_by": ["a.target"]}, "leave `wanted_by` out"),
        ({"nice": 5, "required_by": []}, "leave `required_by` out"),
        ({"enabled": "masked", "state": "running"}, "masked service cannot run"),
    ],
)
def test_what_cannot_be_said(said: dict[str, Any], words: str) -> None:
    """A block without effect, and what only the package decides, are refused."""
    with pytest.raises(ValidationError, match=words):
        _service(**said)


def test_a_unit_of_our_own_needs_its_program() -> None:
    """Without `unit: vendor` the program is required, given or null."""
    for said in ({}, {"exec_start": None}, {"unit": "own", "nice": 5}):
        with pytest.raises(ValidationError, match="Field required"):
            Service.model_validate(said)


def test_only_what_is_declared_is_in_the_drop_in() -> None:
    """No default of ours; commands replace, lists add, `directives` are as they are written."""
    service = _service(
        exec_start=["/bin/a", "b"],
        exec_start_pre=[],
        exec_reload="/bin/r",
        environment={"A": 1},
        after=["x.target"],
        documentation=[],
        user=None,
        limit_nofile=5,
        directives={"Service": {"ExecStopPost": ["", "/bin/c"], "OOMScoreAdjust": 1}},
    )

    assert unit_file.drop_in(service) == {
        "Unit": {"After": "x.target"},
        "Service": {
            "ExecStartPre": "",
            "ExecStart": ["", "/bin/a b"],
            "ExecReload": ["", "/bin/r"],
            "Environment": "A=1",
            "LimitNOFILE": "5",
            "ExecStopPost": ["", "/bin/c"],
            "OOMScoreAdjust": "1",
        },
    }
    assert {} == unit_file.drop_in(_service(state="running"))


_VALUES = st.lists(st.sampled_from(["", "a", "b c", "/bin/x %n"]), min_size=1, max_size=3).map(
    lambda found: found[0] if len(found) == 1 else found
)
_SECTIONS = st.dictionaries(
    st.sampled_from(["Unit", "Service", "Install"]),
    st.dictionaries(st.sampled_from(["ExecStart", "Environment", "Nice", "After"]), _VALUES, min_size=1),
)


@given(_SECTIONS)
def test_a_drop_in_comes_back_as_it_was_written(sections: Any) -> None:
    """Every assignment counts, empty ones and repeated ones too."""
    assert sections == unit.as_written(unit.render(sections, ("a comment",)))


def _look(paths: dict[str, Any], name: str = "web.service") -> observe.VendorUnit:
    host = SimulatedHost.of({"/etc/systemd/system": None, VENDOR: None, **paths})
    return observe.look(host, name, observe._links(host), drop_ins.listed(host))


def test_what_enables_it() -> None:
    """Links for every word of [Install], of drop-ins and of `Also=`, with the package's files as targets;
    nothing twice.
    """
    found = _look({
        f"{VENDOR}/web.service": "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\nAlso=web.socket\n",
        f"{VENDOR}/web.socket": "[Install]\nWantedBy=sockets.target\nAlso=web.service\n",
        "/etc/systemd/system/web.service.d": None,
        "/etc/systemd/system/web.service.d/a.conf": "[Install]\nWantedBy=\nWantedBy=a.target b.target\n"
        "RequiredBy=c.target\nAlias=www.service\n",
    })  # fmt: skip
    base = "/etc/systemd/system"

    assert found.install_links == {
        f"{base}/a.target.wants/web.service": f"{VENDOR}/web.service",
        f"{base}/b.target.wants/web.service": f"{VENDOR}/web.service",
        f"{base}/c.target.requires/web.service": f"{VENDOR}/web.service",
        f"{base}/www.service": f"{VENDOR}/web.service",
        f"{base}/sockets.target.wants/web.socket": f"{VENDOR}/web.socket",
    }
    assert "" == found.unclear
    assert found.enabled() is False


@pytest.mark.parametrize(
    ("install", "words"),
    [
        ("Alias=%H.x.service", "specifiers"),
        ("Also=none.socket", "cannot be followed"),
        ("Also=a@.service", "cannot be followed"),
    ],
)
def test_what_cannot_be_followed(install: str, words: str) -> None:
    """An [Install] section that would make links that we cannot tell is said to be unclear."""
    assert words in _look({f"{VENDOR}/web.service": f"[Install]\n{install}\n"}).unclear


WEB = "[Service]\nExecStart=/x\nExecReload=/r secret\n[Install]\nWantedBy=multi-user.target timers.target\n"
LINK = {"target": f"{VENDOR}/web.service"}


@pytest.mark.parametrize(
    ("paths", "enabled"),
    [
        ({}, False),
        ({f"{WANTS}/web.service": LINK}, "in part"),
        ({f"{WANTS}/web.service": LINK, "/etc/systemd/system/timers.target.wants/web.service": LINK}, True),
        ({"/run/systemd/system/multi-user.target.wants/web.service": LINK}, "until the next boot"),
        ({"/etc/systemd/system/web.service": {"target": "/dev/null"}}, "masked"),
        ({"/etc/systemd/system/web.service": ""}, "masked"),
        ({"/run/systemd/system/web.service": {"target": "/dev/null"}}, "masked until the next boot"),
    ],
)
def test_whether_it_is_enabled(paths: dict[str, Any], enabled: object) -> None:
    """All links of [Install], none, or something in between that an apply will settle."""
    parents = {path.rpartition("/")[0]: None for path in paths}
    found = _look({f"{VENDOR}/web.service": WEB, **parents, **paths})

    assert enabled == found.enabled()
    assert f"{VENDOR}/web.service" == found.file
    assert found.reloads


def test_where_it_is_and_what_it_is_not() -> None:
    """The first directory wins; an alias is another unit's name; nothing is nothing."""
    own = {f"{VENDOR}/web.service": WEB, "/etc/systemd/system/web.service": "[Service]\nExecStart=/mine\n"}

    assert "/etc/systemd/system/web.service" == _look(own).file
    assert _look(own).occupied
    assert (
        "web.service"
        == _look(
            {"/etc/systemd/system/www.service": LINK, f"{VENDOR}/web.service": WEB}, "www.service"
        ).alias_of
    )
    assert ("", "") == ((nothing := _look({})).file, nothing.alias_of)


def test_a_snapshot_keeps_no_value_of_a_package_s_unit() -> None:
    """A snapshot keeps what enables a unit and what it is, but no command and no variable; for a drop-in it
    also keeps which directives there are.
    """
    text = (
        "[Service]\nType=oneshot\nEnvironment=TOKEN=secret\nExecReload=/r"
        " secret\n[Install]\nWantedBy=a.target\n"
    )
    keep, keep_drop_in = (
        redaction.excerpt(f"{VENDOR}/web.service"),
        redaction.excerpt("/etc/systemd/system/web.service.d/a.conf"),
    )
    assert keep is not None
    assert keep_drop_in is not None

    assert "[Service]\nType=oneshot\nExecReload=?\n[Install]\nWantedBy=a.target\n" == keep(text)
    assert (
        "[Service]\nType=oneshot\nEnvironment=?\nExecReload=?\n[Install]\nWantedBy=a.target\n"
        == keep_drop_in(text)
    )
