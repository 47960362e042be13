"""The unit of a backup job: its turn, its sandbox, and the directives that the spec adds."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.diagnostic import errors
from reconciler.kinds.backups.sandbox import BASIC
from tests.kinds.test_backup_hooks import service
from tests.kinds.test_backups import loaded, parts

pytestmark = pytest.mark.slow

HIDING = {"PrivateTmp", "PrivateDevices", "ProtectKernelModules", "InaccessiblePaths", "TemporaryFileSystem"}
BINDING = {"ReadOnlyPaths", "ReadWritePaths", "BindPaths"}
CLOSED = {"ProtectSystem", "ProtectHome", "CapabilityBoundingSet", "SystemCallFilter", "NoNewPrivileges"}


def test_a_job_is_gentle() -> None:
    """It stands behind others at the CPU and the disks, unless it says otherwise."""
    plain, idle = service(), service(nice=19, io_class="idle", cpu_weight="20")
    turn = ("Nice", "IOSchedulingClass", "IOSchedulingPriority", "CPUWeight")

    assert ["10", "best-effort", "7", None] == [plain.get(name) for name in turn]
    assert ["19", "idle", None, "20"] == [idle.get(name) for name in turn]


def test_nothing_is_hidden_that_could_be_a_source() -> None:
    """No directive shows the run something else, or a mount, where its sources and destinations are: an
    archive without them would look whole.
    """
    directives = service(sources=["/var", "/usr"], destinations=["/backup/x"])

    assert CLOSED <= set(directives)
    assert not (HIDING | BINDING) & set(directives)
    assert ("full", "read-only") == (directives["ProtectSystem"], directives["ProtectHome"])


@pytest.mark.parametrize(
    ("fields", "open_to"),
    [
        ({"destinations": ["/home/x"]}, "ProtectHome"),
        ({"destinations": ["/root/deep/x"]}, "ProtectHome"),
        ({"destinations": ["/run/user/1000/x"]}, "ProtectHome"),
        ({"destinations": ["/usr/local/x"]}, "ProtectSystem"),
        ({"destinations": ["/backup", "/boot/x"]}, "ProtectSystem"),
        ({"sources": ["/dev/shm"]}, "ProtectKernelLogs"),
        ({"sources": ["/sys"]}, "ProtectKernelTunables"),
    ],
)
def test_what_the_run_needs_is_open(fields: dict[str, Any], open_to: str) -> None:
    """A destination can be made and written wherever the job says; the rest stays closed."""
    directives = service(**fields)

    assert open_to not in directives
    assert {"CapabilityBoundingSet", "SystemCallFilter", "PrivateNetwork"} <= set(directives)
    assert "ProtectSystem" in directives or "ProtectHome" in directives


def test_names_that_only_begin_alike() -> None:
    """/homes is not /home, and /usrlocal not /usr."""
    assert {"ProtectHome", "ProtectSystem"} <= set(service(destinations=["/homes/x", "/usrlocal/x"]))


@pytest.mark.parametrize("hook", [["/bin/x"], {"run": ["/bin/x"], "user": "daemon"}])
def test_commands_open_nothing(hook: Any) -> None:
    """The run is as closed as without them, but for what would be closed to the commands as well."""
    plain, with_hook = service(), service(after=[hook])

    assert {"UMask"} == set(plain) - set(with_hook)
    assert [] == [name for name in CLOSED if plain[name] != with_hook[name]]
    assert "AF_UNIX" == with_hook["RestrictAddressFamilies"]


def test_a_drill_can_unpack_everything() -> None:
    """Files of any owner, mode and type, where the job says; nothing of that without a drill."""
    plain, drills = service(), service(restore_drill="monthly", drill_directory="/root/drills")

    assert {"CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"} == set(plain["CapabilityBoundingSet"].split())
    assert {"CAP_CHOWN", "CAP_FOWNER", "CAP_MKNOD", "CAP_SETFCAP"} < set(
        drills["CapabilityBoundingSet"].split()
    )
    assert not {"ProtectClock", "RestrictSUIDSGID", "ProtectHome"} & set(drills)


def test_the_network_is_there_where_a_destination_needs_it() -> None:
    """A repository on another machine is reached, from a unit that is closed otherwise."""
    directives = service(
        engine="restic", password_file="/root/p", destinations=["/backup/x", {"url": "sftp:user@nas:/srv"}]
    )

    assert "PrivateNetwork" not in directives
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} == set(directives["RestrictAddressFamilies"].split())
    assert CLOSED <= set(directives)


@pytest.mark.parametrize("hooks", [{}, {"before": [["/bin/x"]]}])
def test_hardening_is_as_it_is_written(hooks: dict[str, Any]) -> None:
    """none, basic and strict mean the same with commands and without."""
    assert not (set(BASIC) | CLOSED) & set(service(hardening="none", **hooks))
    assert set(BASIC) <= set(service(hardening="basic", **hooks))
    assert not CLOSED & set(service(hardening="basic", **hooks))
    assert CLOSED <= set(service(hardening="strict", **hooks))


def test_directives_win() -> None:
    """They go into the unit, over what is ours by default; what is ours alone they cannot say."""
    directives = {
        "Unit": {"OnFailure": "alarm@%n.service"},
        "Service": {"ProtectHome": "no", "MemoryMax": "1G"},
    }
    declared, found = loaded(directives=directives)
    assert declared is not None
    unit = parts(declared)["service"].document["unit"]

    assert [] == errors(found)
    assert "alarm@%n.service" == unit["Unit"]["OnFailure"]
    assert ("no", "1G", "full") == tuple(
        unit["Service"][name] for name in ("ProtectHome", "MemoryMax", "ProtectSystem")
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"directives": {"Service": {"User": "x"}}}, "User has a field of its own"),
        ({"directives": {"Service": {"ExecStopPost": "/bin/x"}}}, "ours to say"),
        ({"directives": {"Service": {"Nice": "3"}}}, "Nice has a field"),
        ({"directives": {"Timer": {"OnBootSec": "3"}}}, "no place in the service of a backup"),
        ({"nice": 20}, "19"),
        ({"io_class": "realtime"}, "best-effort"),
        ({"cpu_weight": "0"}, "cpu_weight"),
        ({"hardening": "more"}, "strict"),
        ({"scheduler": "cron", "nice": 3}, "cron has no `nice`"),
        ({"scheduler": "cron", "hardening": "none"}, "cron has no `hardening`"),
        (
            {"scheduler": "cron", "directives": {"Unit": {"OnFailure": "x.service"}}},
            "cron has no `directives`",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], told: str) -> None:
    """Each says what is wrong, and what to write."""
    _, found = loaded(**fields)

    assert [line for line in errors(found) if told in f"{line.summary} {line.detail} {line.source}"], found


def test_a_program_that_a_user_can_replace_is_warned_of() -> None:
    """Root runs it; what a user runs is theirs to replace."""
    own = {"run": ["/home/alice/dump"], "user": "alice"}
    _, of_root = loaded(after=[["/home/alice/dump"]])
    _, of_user = loaded(before=[own], after=[["/bin/true"]])

    assert "root-program" in {line.rule for line in of_root}
    assert "root-program" not in {line.rule for line in of_user}


def test_a_secret_in_a_command_is_warned_of() -> None:
    """Any user can read the words of a command with ps."""
    _, found = loaded(before=[["/bin/dump", "--password=hunter2secret"]])
    _, of_user = loaded(after=[{"run": ["/bin/dump", "--password=hunter2secret"], "user": "x"}])
    _, fine = loaded(before=[{"run": ["/bin/dump", "--all"], "user": "x"}])

    assert "secret-command" in {line.rule for line in found} & {line.rule for line in of_user}
    assert "secret-command" not in {line.rule for line in fine}
