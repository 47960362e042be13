from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.formats.systemd import directives, unit
from reconciler.formats.systemd.list_directives import ACCUMULATING
from tests.formats import nasty

NAMES = st.sampled_from(sorted(ACCUMULATING)) | st.sampled_from(
    ["Description", "Type", "User", "Nice", "X-Mine", "Futuristic"]
)
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
SECTIONS = st.dictionaries(
    st.sampled_from(["Unit", "Service", "Timer", "Install", "X-Mine"]),
    st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=4), max_size=5),
    max_size=4,
)


def test_a_unit_is_read_into_sections() -> None:
    """One value is text, several are a list, comments are nothing."""
    text = (
        "# ours\n[Unit]\nDescription=An"
        " API\n\n[Service]\nExecStart=/bin/a\nEnvironment=A=1\nEnvironment=B=2\n"
    )

    assert unit.parse(text) == {
        "Unit": {"Description": "An API"},
        "Service": {"ExecStart": "/bin/a", "Environment": ["A=1", "B=2"]},
    }


@pytest.mark.parametrize(
    ("what", "text", "description", "environment"), nasty.QUIRKS, ids=[quirk[0] for quirk in nasty.QUIRKS]
)
def test_quirks_are_read_as_systemd_reads_them(
    what: str, text: str, description: str | None, environment: list[str]
) -> None:
    """The table that a booted systemd confirms holds for our reader too."""
    found = unit.parse(text)

    service = found.get("Service", {}).get("Environment", [])
    assert (what, description) == (what, found.get("Unit", {}).get("Description"))
    assert environment == ([service] if isinstance(service, str) else service)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n[Unit]\nDescription=a\n", {"?": {"?": "A=1"}, "Unit": {"Description": "a"}}),
        ("[Unit]\nfoo\n=bar\n?=\n", {"Unit": {"?": ["foo", "=bar", "?="]}}),
        (
            "[Unit]\nDescription=a\n[Service] # b\n# c\nUser=d\n",
            {"Unit": {"Description": "a"}, "?": {"?": ["[Service] # b", "User=d"]}},
        ),
        ("[\nA=1\n", {"?": {"?": ["[", "A=1"]}}),
        (
            "[Unit]\nDescription=a\nA=\udc80\n[Service]\nUser=\uffff\n",
            {"Unit": {"Description": "a"}, "?": {"?": ["A=\\x80", "[Service]", "User=\uffff"]}},
        ),
        ("# \udc80 \uffff\n[Unit]\nDescription=a\n", {"Unit": {"Description": "a"}}),
        ("[Sevice]\nUser=a\nUser=b\n", {"Sevice": {"User": ["a", "b"]}}),
        ("[Service]\nUsr=a\nUsr=b\nUser=a\nUser=b\n", {"Service": {"Usr": ["a", "b"], "User": "b"}}),
        ("[Unit]\nUser=a\nUser=b\n", {"Unit": {"User": ["a", "b"]}}),
    ],
)
def test_nothing_made_by_hand_is_hidden(text: str, expected: unit.Sections) -> None:
    """A line that systemd passes over is still seen, marked as such."""
    assert expected == unit.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Unit]\nAfter=a\nAfter=\nWants=\n", {"Unit": {"After": "a"}}),
        (
            "[Unit]\nConditionHost=a\nConditionPathExists=\nConditionUser=b\nAssertUser=c\n",
            {"Unit": {"ConditionUser": "b", "AssertUser": "c"}},
        ),
        (
            "[Timer]\nOnCalendar=daily\nOnBootSec=1\nPersistent=yes\nOnUnitActiveSec=\n",
            {"Timer": {"Persistent": "yes"}},
        ),
        (
            "[Socket]\nListenStream=1\nListenDatagram=2\nListenFIFO=\nListenStream=3\n",
            {"Socket": {"ListenStream": "3"}},
        ),
        ("[Path]\nPathExists=/a\nPathChanged=\n", {}),
        (
            "[Service]\nCapabilityBoundingSet=\nDelegate=\n",
            {"Service": {"CapabilityBoundingSet": "", "Delegate": ""}},
        ),
        (
            "[Service]\nCapabilityBoundingSet=CAP_A\nCapabilityBoundingSet=\nCapabilityBoundingSet=~CAP_B\n",
            {"Service": {"CapabilityBoundingSet": ["", "~CAP_B"]}},
        ),
        (
            "[Service]\nUser=a\nUser=\nExecStart=/a\nExecStart=\nExecStart=/b\nX-A=\n",
            {"Service": {"ExecStart": "/b"}},
        ),
    ],
)
def test_empty_assignments_reset_what_systemd_resets(text: str, expected: unit.Sections) -> None:
    """Dependencies never, groups together, and two directives mean something when they are empty."""
    assert expected == unit.parse(text)


def test_drop_ins_are_merged_as_systemd_does() -> None:
    """Files are read one after the other: resets reach back, a swallowing backslash does not reach over."""
    texts = ["[Service]\nExecStart=/a\nUser=a\\", "[Service]\nExecStart=\nExecStart=/b\nEnvironment=A=1\n"]

    assert unit.merge(texts) == {"Service": {"ExecStart": "/b", "User": "a", "Environment": "A=1"}}


@given(st.text(st.characters() | st.sampled_from("[]=\\\n\r\0 #;?AX-\ufeff")))
def test_any_text_can_be_read(text: str) -> None:
    """No text raises, and whatever is not a comment leaves a value or was an assignment of nothing."""
    found = unit.parse(text)

    assert all(
        values
        for directives_found in found.values()
        for name, values in directives_found.items()
        if name != "Delegate"
    )


@given(
    st.lists(
        st.sampled_from(
            [
                "[Unit]\n",
                "[Service]\n",
                "Environment=A",
                "Description=",
                "\\\n",
                "\n",
                "\r",
                " ",
                "#",
                ";",
                "x=",
                "\\",
                "\ufeff",
            ]
        )
    ).map("".join)
)
def test_the_quick_way_and_the_exact_way_agree(text: str) -> None:
    """Splitting at line feeds is only a short cut."""
    exact = unit.parse("\0" + text)  # a NUL forces the exact way and is an empty line to it

    assert exact == unit.parse(text) or text.startswith("\ufeff")


@given(SECTIONS)
def test_what_is_rendered_is_read_back(sections: unit.Sections) -> None:
    """parse(render(x)) is normalise(x), or render refuses."""
    try:
        text = unit.render(sections, ["Managed", ""])
    except ValueError:
        values = [
            value
            for found in sections.values()
            for many in found.values()
            for value in ([many] if isinstance(many, str) else many)
        ]
        assert any(unit._unfit(value) for value in values)
        return

    assert unit.normalise(sections) == unit.parse(text)
    assert text.endswith("\n")
    assert unit.normalise(sections) == unit.normalise(unit.parse(text))


def test_the_text_is_laid_out_for_people() -> None:
    """Header, [Unit] first, [Install] last, order of directives kept, empty sections and lists left out."""
    sections: unit.Sections = {
        "Install": {"WantedBy": "a"},
        "Service": {"Type": "exec", "Environment": ["A=1", "B=2"], "After": []},
        "Unit": {"Description": "d"},
        "Path": {},
    }

    expected = (
        "# one\n#\n#"
        " two\n\n[Unit]\nDescription=d\n\n[Service]\nType=exec\nEnvironment=A=1\nEnvironment=B=2\n\n[Install]\nWantedBy=a\n"
    )
    assert expected == unit.render(sections, ["one", "", "two"])


@pytest.mark.parametrize(
    "value",
    [
        "a\nb",
        "a\rb",
        "a\0b",
        "a\tb",
        "\x1b[31m",
        "a\x85b",
        "\udc80",
        "\uffff",
        " a",
        "a ",
        "a\\",
        "a\\\\\\",
        "x" * 1048576,
    ],
)
def test_values_that_would_not_come_back_are_refused(value: str) -> None:
    """The error names section and directive."""
    with pytest.raises(ValueError, match=r"\[Service\] User: "):
        unit.render({"Service": {"User": value}}, [])


@pytest.mark.parametrize(
    "sections",
    [
        {"Ser]vice": {"A": "1"}},
        {"": {"A": "1"}},
        {"?": {"?": "1"}},
        {"Unit": {"A=B": "1"}},
        {"Unit": {"#A": "1"}},
        {"Unit": {"": "1"}},
        {"Unit": {"A\n": "1"}},
    ],
)
def test_names_that_are_no_names_are_refused(sections: unit.Sections) -> None:
    """A name cannot smuggle in another line."""
    with pytest.raises(ValueError, match="no name of a section or directive"):
        unit.render(sections, [])


def test_a_header_cannot_smuggle_in_a_directive() -> None:
    """A comment is one line."""
    with pytest.raises(ValueError, match="control character"):
        unit.render({}, ["a\n[Service]"])


def test_an_even_number_of_backslashes_at_the_end_is_fine() -> None:
    """Only an odd one continues the line."""
    sections = {"Unit": {"Description": "a\\\\", "SourcePath": "/x"}}

    assert sections == unit.parse(unit.render(sections, []))


def test_reading_needs_no_table_of_directives() -> None:
    """The hot path stays light: neither the big table nor the lint is imported."""
    code = (
        "import sys; from reconciler.formats.systemd import unit; unit.exec_line(['/bin/x', 'a"
        " b']);unit.parse('[Service]\\nEnvironment=A\\nEnvironment=B\\nUser=a\\nEnvironment=\\n');print([m"
        " for m in sys.modules if m.endswith(('.directives', '_data')) or 'lint' in m or 'words' in m or m in ('pydantic',"
        " 'difflib')])"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def _names(text: str) -> set[str]:
    return set(text.split())


LISTS = {
    "UNIT [...]",
    "PATH [...]",
    "SOCKET [...]",
    "PATH [ARGUMENT [...]]",
    "PATH[:PATH[:OPTIONS]] [...]",
} | _names(
    """
    ENVIRON FILE URL CONDITION TIMER SYSCALLS ARCHS FAMILIES NAMESPACES FILESYSTEMS BOUNDINGSET CPUAFFINITY STATUS DEVICE
    DEVICEWEIGHT DEVICELATENCY BANDWIDTH SOCKETS REGEX
"""
)
"""Types of directives that add up."""


def test_what_accumulates_is_decided_for_every_directive() -> None:
    """A directive of a new systemd must be put on one side or the other by hand."""
    mixed = {"OTHER", "PATH", "LIMIT"}
    for section, kinds in directives._table().items():
        for name, kind in kinds.items():
            if kind not in mixed:
                assert (section, name, kind in LISTS) == (section, name, unit._accumulates(section, name))
    decided = {
        name
        for section, kinds in directives._table().items()
        for name, kind in kinds.items()
        if kind in mixed and not unit._accumulates(section, name)
    }
    assert decided == SINGLE
    assert {name for name in ACCUMULATING if not directives.where(name)} == set()


SINGLE = _names("""
    AppArmorProfile BindLogSockets BusName CPUQuota CPUQuotaPeriodSec CollectMode DefaultInstance DefaultMemoryLow DefaultMemoryMin
    DefaultStartupMemoryLow DelegateSubgroup ExtensionImagePolicy FailureActionExitStatus FileDescriptorName
    FileDescriptorStorePreserve Group IPCNamespacePath JobRunningTimeoutSec JobTimeoutRebootArgument JobTimeoutSec KeyringMode LimitAS
    LimitCORE LimitCPU LimitDATA LimitFSIZE LimitLOCKS LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO
    LimitRTTIME LimitSIGPENDING LimitSTACK LogNamespace ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec
    ManagedOOMMemoryPressureLimit ManagedOOMPreference ManagedOOMSwap MemoryHigh MemoryKSM MemoryLimit MemoryLow MemoryMax MemoryMin
    MemoryPressureWatch MemorySwapMax MemoryZSwapMax MountAPIVFS MountImagePolicy NUMAPolicy NetworkNamespacePath OOMPolicy PIDFile
    Priority PrivateMounts PrivatePIDs PrivateTmp PrivateUsers ProcSubset ProtectControlGroups ProtectHome ProtectProc ProtectSystem
    RebootArgument RootDirectory RootHash RootHashSignature RootImage RootImagePolicy RootVerity RuntimeDirectoryPreserve
    SetLoginEnvironment SmackProcessLabel SocketGroup SocketProtocol SocketUser SourcePath StartupMemoryHigh StartupMemoryLow
    StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax SuccessActionExitStatus TTYColumns TTYPath TTYRows TasksMax
    TimeoutAbortSec TimeoutIdleSec TimeoutSec TimeoutStopSec Timestamping USBFunctionDescriptors USBFunctionStrings User UtmpMode Where
    WorkingDirectory
""")
"""Checked one by one against the parsers of systemd 252 and the manual of 257."""
