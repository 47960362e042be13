"""The fields of a service in a spec.

A field carries the directive it stands for and what changing it costs.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticKnownError

from reconciler.core.model.fields import AbsolutePath, Duration, Flag, KnownName, Text
from reconciler.core.model.places import NamesPath, Use
from reconciler.core.model.resource import Directive, Effect, Policy, RefersTo, Resource
from reconciler.kinds.services import consistency
from reconciler.kinds.services.health import Health
from reconciler.kinds.shared.unit_fields import (
    Command,
    CpuWeight,
    CredentialName,
    Device,
    DirectiveName,
    EnvironmentName,
    Limit,
    Nodes,
    Numbers,
    OptionalPath,
    Output,
    Percentage,
    ReadPath,
    Size,
    SliceName,
    State,
    Tasks,
    UnitName,
    WorkingDirectory,
)


class OnChange(StrEnum):
    """The most that a change may do to a running service."""

    RESTART = "restart"
    RELOAD = "reload"
    NONE = "none"


class UnitOf(StrEnum):
    """Whose the unit file is."""

    OWN = "own"
    VENDOR = "vendor"


class Hardening(StrEnum):
    """The documented set of sandboxing directives that is added."""

    NONE = "none"
    BASIC = "basic"
    STRICT = "strict"


def _enabled(value: Any) -> Any:
    if value is True or value is False or value == "masked":
        return value
    raise ValueError("write true, false or masked")


def _required(command: Any, info: ValidationInfo) -> Any:
    """Refuse a unit of our own without a program; a package's unit has one."""
    if command is None and info.data.get("unit") is UnitOf.OWN:
        raise PydanticKnownError("missing")
    return command


def _split(value: str | list[str] | None) -> list[str]:
    """The words of a directive that may stand there several times; an empty one begins anew."""
    words: list[str] = []
    for text in [value] if isinstance(value, str) else value or []:
        words = [*words, *text.split()] if text else []
    return words


HandedPath = Annotated[AbsolutePath, NamesPath(Use.HANDS_ON)]
"""systemd itself reads it, with root's rights (systemd.exec(5))."""


# Fields that go into the unit file as they are.
_PLAIN_TEXT = (
    "description",
    "documentation",
    "working_directory",
    "environment_file",
    "load_credential",
    "syslog_identifier",
    "standard_output",
    "standard_error",
    "device_allow",
)


class Service(Resource):
    """A systemd service. Typed fields carry systemd's own names in snake_case: its man pages explain them.

    By default its unit file is ours. With `unit: vendor` it is a package's and stays as it is: what is
    declared goes into one drop-in, /etc/systemd/system/NAME.service.d/50-reconciler.conf, and no default of
    ours applies. There commands replace the package's; variables, dependencies and other lists are added to
    them. Whether it runs and whether it starts with the host are left alone unless `state` and `enabled` say
    so; removing the block takes away the drop-in only.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"unit": {"const": "vendor"}}, "required": ["unit"]},
            "else": {"required": ["exec_start"], "properties": {"exec_start": {"not": {"type": "null"}}}},
        }
    )

    unit: UnitOf = UnitOf.OWN
    """Ours: own (we write the unit file) or vendor (a package's unit: we write a drop-in)."""
    description: Annotated[Text | None, Directive("Unit", "Description", Effect.NONE)] = None
    """Its description, for people."""
    documentation: Annotated[list[Text], Directive("Unit", "Documentation", Effect.NONE)] = []
    """Where more is written."""
    after: Annotated[list[UnitName], Directive("Unit", "After")] = []
    """Units that are started before this one."""
    before: Annotated[list[UnitName], Directive("Unit", "Before")] = []
    """Units that are started after this one."""
    wants: Annotated[list[UnitName], Directive("Unit", "Wants")] = []
    """Units that are started along with this one."""
    requires: Annotated[list[UnitName], Directive("Unit", "Requires")] = []
    """Units without which this one cannot run."""

    type: Annotated[
        Annotated[str, Field(pattern=r"^(?:simple|exec|forking|oneshot|notify|notify-reload|dbus|idle)\z")]
        | None,
        Directive("Service", "Type"),
    ] = "exec"
    """When it counts as started.

    `exec` notices a missing program or user, which `simple` does not. null leaves it to systemd.
    """
    remain_after_exit: Annotated[Flag | None, Directive("Service", "RemainAfterExit")] = None
    """Whether a oneshot service counts as running after its command ended."""
    exec_start_pre: Annotated[list[Command], Directive("Service", "ExecStartPre")] = []
    """Commands before the start."""
    exec_start: Annotated[
        Command | None,
        Field(validate_default=True),
        AfterValidator(_required),
        Directive("Service", "ExecStart"),
    ] = None
    """The program; needed unless `unit: vendor`.

    A list is the exact argv; a string is systemd's own syntax.
    """
    exec_start_post: Annotated[list[Command], Directive("Service", "ExecStartPost")] = []
    """Commands after the start."""
    exec_reload: Annotated[Command | None, Directive("Service", "ExecReload", Effect.RELOAD)] = None
    """How to make it read its configuration again."""
    exec_stop: Annotated[list[Command], Directive("Service", "ExecStop", Effect.NONE)] = []
    """Commands that stop it."""
    user: Annotated[KnownName | None, RefersTo("users"), Directive("Service", "User")] = None
    """The user it runs as; root when left out."""
    group: Annotated[KnownName | None, RefersTo("groups"), Directive("Service", "Group")] = None
    """The group it runs as; the user's own when left out."""
    working_directory: Annotated[WorkingDirectory | None, Directive("Service", "WorkingDirectory")] = None
    """The directory it runs in; `-` in front: may be missing; `~`: the user's home."""
    environment: Annotated[dict[EnvironmentName, Text], Directive("Service", "Environment")] = {}
    """Variables; any user of the host can read them, so no secrets here."""
    environment_file: Annotated[list[OptionalPath], Directive("Service", "EnvironmentFile")] = []
    """Files of NAME=value lines; `-` in front: may be missing."""
    load_credential: Annotated[dict[CredentialName, HandedPath], Directive("Service", "LoadCredential")] = {}
    """Secrets, by name, from files only root can read."""
    restart: Annotated[
        Annotated[
            str, Field(pattern=r"^(?:no|always|on-success|on-failure|on-abnormal|on-abort|on-watchdog)\z")
        ]
        | None,
        Directive("Service", "Restart", Effect.NONE),
    ] = "on-failure"
    """When systemd starts it again by itself. null leaves it to systemd."""
    restart_sec: Annotated[Duration | None, Directive("Service", "RestartSec", Effect.NONE)] = None
    """How long systemd waits before that."""
    timeout_start_sec: Annotated[Duration | None, Directive("Service", "TimeoutStartSec", Effect.NONE)] = None
    """How long a start may take."""
    timeout_stop_sec: Annotated[Duration | None, Directive("Service", "TimeoutStopSec", Effect.NONE)] = None
    """How long a stop may take before it is killed."""
    syslog_identifier: Annotated[Text | None, Directive("Service", "SyslogIdentifier")] = None
    """Its name in the journal."""
    standard_output: Annotated[Output | None, Directive("Service", "StandardOutput")] = None
    """Where its output goes."""
    standard_error: Annotated[Output | None, Directive("Service", "StandardError")] = None
    """Where its errors go."""
    nice: Annotated[int | None, Field(ge=-20, le=19, strict=True), Directive("Service", "Nice")] = None
    """CPU scheduling: -20 first, 19 last."""
    limit_nofile: Annotated[Limit | None, Directive("Service", "LimitNOFILE")] = None
    """Open files: a number, `soft:hard` or infinity."""
    limit_nproc: Annotated[Limit | None, Directive("Service", "LimitNPROC")] = None
    """Processes of its user."""
    limit_memlock: Annotated[Size | None, Directive("Service", "LimitMEMLOCK")] = None
    """Memory that it may lock: 64M, infinity. RDMA and pinned memory of GPUs need it."""
    slice: Annotated[SliceName | None, Directive("Service", "Slice")] = None
    """The slice whose limits it shares with others: ml.slice."""
    memory_max: Annotated[Size | None, Directive("Service", "MemoryMax")] = None
    """Memory it may use: 32G, 80%, infinity. Above it, it is killed."""
    memory_high: Annotated[Size | None, Directive("Service", "MemoryHigh")] = None
    """Memory above which it is slowed down."""
    memory_low: Annotated[Size | None, Directive("Service", "MemoryLow")] = None
    """Memory that others take from it last."""
    memory_swap_max: Annotated[Size | None, Directive("Service", "MemorySwapMax")] = None
    """Swap it may use; 0 for none."""
    oom_policy: Annotated[
        Annotated[str, Field(pattern=r"^(?:continue|stop|kill)\z")] | None, Directive("Service", "OOMPolicy")
    ] = None
    """The fate of the service when the kernel kills a process of it for want of memory: continue, stop or
    kill.
    """
    cpu_quota: Annotated[Percentage | None, Directive("Service", "CPUQuota")] = None
    """CPU time: 200% is two CPUs."""
    cpu_weight: Annotated[CpuWeight | None, Directive("Service", "CPUWeight")] = None
    """Its share of the CPU beside others, 1 to 10000 or idle; 100 is everybody's."""
    allowed_cpus: Annotated[Numbers | None, Directive("Service", "AllowedCPUs")] = None
    """The CPUs it may run on: 0-7,16."""
    numa_policy: Annotated[
        Annotated[str, Field(pattern=r"^(?:default|preferred|bind|interleave|local)\z")] | None,
        Directive("Service", "NUMAPolicy"),
    ] = None
    """From which NUMA nodes its memory comes: default, preferred, bind, interleave or local."""
    numa_mask: Annotated[Nodes | None, Directive("Service", "NUMAMask")] = None
    """The NUMA nodes that are meant: 0-1, all."""
    tasks_max: Annotated[Tasks | None, Directive("Service", "TasksMax")] = None
    """Processes and threads it may have: a number, a share (10%) or infinity."""
    io_weight: Annotated[
        int | None, Field(ge=1, le=10_000, strict=True), Directive("Service", "IOWeight")
    ] = None
    """Its share of the disks beside others, 1 to 10000; 100 is everybody's."""
    supplementary_groups: Annotated[
        list[KnownName], RefersTo("groups"), Directive("Service", "SupplementaryGroups")
    ] = []
    """Groups that it is in besides its own, such as video and render for GPUs."""
    device_policy: Annotated[
        Annotated[str, Field(pattern=r"^(?:auto|closed|strict)\z")] | None,
        Directive("Service", "DevicePolicy"),
    ] = None
    """Devices besides those of `device_allow`: auto (all, if none is there), closed (/dev/null and the like)
    or strict (none).
    """
    device_allow: Annotated[list[Device], Directive("Service", "DeviceAllow")] = []
    """Devices it may use, such as /dev/nvidia0 rw."""
    wanted_by: Annotated[list[UnitName], Directive("Install", "WantedBy", Effect.NONE)] = [
        "multi-user.target"
    ]
    """Which targets start it when it is enabled."""
    required_by: Annotated[list[UnitName], Directive("Install", "RequiredBy", Effect.NONE)] = []
    """Which units cannot start without it when it is enabled."""

    hardening: Hardening = Hardening.NONE
    """Ours: none, basic or strict, each a documented set of sandboxing directives."""
    directives: dict[DirectiveName, dict[DirectiveName, Text | list[Text]]] = {}
    """Any other directive, by section and name, in systemd's own syntax. Linted; wins over `hardening`."""
    watch: Annotated[list[ReadPath], Policy()] = []
    """Ours: files, directories and patterns of names that count as its configuration, besides its environment
    files and credentials.
    """
    on_change: Annotated[OnChange, Policy()] = OnChange.RESTART
    """Ours: what a change may do to the running service."""
    health: Annotated[Health | None, Policy()] = None
    """Ours: when it counts as well after a start, and what follows otherwise: `{http:
    "http://127.0.0.1:8000/healthz", within: 60s}`.
    """
    state: State = State.RUNNING
    """Ours: running or stopped."""
    enabled: Annotated[
        bool | str, BeforeValidator(_enabled), Field(json_schema_extra={"enum": [True, False, "masked"]})
    ] = True
    """Whether it starts with the host: true, false or masked."""

    @property
    def vendor(self) -> bool:
        """Whether the unit file is a package's."""
        return self.unit is UnitOf.VENDOR

    @property
    def install(self) -> dict[str, list[str]]:
        """The names that enabling it makes links for, by the words of `units.links`."""
        directives = self.directives.get("Install", {})
        return {
            "wanted_by": self.wanted_by,
            "required_by": self.required_by,
            "upheld_by": _split(directives.get("UpheldBy")),
            "aliases": _split(directives.get("Alias")),
        }

    def says(self, name: str) -> bool:
        """Whether a field counts; for a package's unit only the fields that were written do."""
        return not self.vendor or name in self.model_fields_set

    @model_validator(mode="after")
    def _of_a_package(self) -> Self:
        if not self.vendor:
            return self
        for name in ("wanted_by", "required_by"):
            if name in self.model_fields_set:
                raise ValueError(
                    f"leave `{name}` out: the [Install] section of the package's unit says what starts it"
                )
        if "Install" in self.directives:
            raise ValueError(
                "leave [Install] out of `directives`: that of the package's unit says what starts it"
            )
        if not self.model_fields_set - {"unit", "adopt", "drift", "protect", "on_change", "watch", "health"}:
            raise ValueError(
                "nothing is said about the package's unit: write a directive, `state` or `enabled`, or leave"
                " the block out"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.enabled == "masked" and self.state is State.RUNNING and "state" in self.model_fields_set:
            raise ValueError("a masked service cannot run: write `state: stopped` or leave `state` out")
        if self.on_change is OnChange.RELOAD and self.exec_reload is None and not self.vendor:
            raise ValueError(
                "`on_change: reload` needs `exec_reload`, the command that makes it read its configuration"
                " again"
            )
        if self.enabled is True and not any(self.install.values()):
            raise ValueError(
                "nothing would start it: `enabled: true` needs an entry in `wanted_by` or `required_by`"
            )
        return self

    @model_validator(mode="after")
    def _something_to_ask(self) -> Self:
        if (
            self.health is not None
            and self.type == "oneshot"
            and not self.remain_after_exit
            and not self.vendor
        ):
            raise ValueError(
                "a oneshot service runs and ends, and nothing of it is left that `health` could ask: leave"
                " `health` out"
            )
        return self

    @model_validator(mode="after")
    def _as_a_unit_file(self) -> Self:
        consistency.check_effects(self.directives, self.install)
        consistency.check_limits({"memory_max": self.memory_max, "memory_high": self.memory_high})
        if not self.vendor:
            consistency.check_nodes(self.numa_policy, self.numa_mask)
        texts = {name: getattr(self, name) for name in _PLAIN_TEXT if name in self.model_fields_set}
        for names in self.directives.values():
            texts |= names
        consistency.check_texts(texts)
        if self.directives:
            consistency.check_sections(self.directives, self._typed_directives())
        return self

    @classmethod
    def _typed_directives(cls) -> dict[tuple[str, str], str]:
        """The fields that stand for a directive, by its section and name."""
        return {
            (mark.section, mark.name): name
            for name, info in cls.model_fields.items()
            for mark in info.metadata
            if isinstance(mark, Directive)
        }
