"""Plans made by hand: what the engine would make of the four first kinds."""

from __future__ import annotations

from typing import Any

from reconciler.core.actions import MakeDirectory, MakeLink, RemovePath, SetAccess, Unit, UnitVerb, WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Document, FieldChange, Observed, Origin, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Severity, Source
from reconciler.core.model.resource import Resource
from reconciler.core.plan import Plan
from reconciler.core.spec import Declared
from reconciler.core.state import LedgerRow, Memory, OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.render.plan.json import plan_to_json

NOW = "2026-01-01T00:00:00Z"
SPEC = "hosts/gpu-01.yaml"

API = Address("services", "ml-api")
TRAINING = Address("services", "ml-training")
OLD = Address("services", "old")
CONFIG = Address("files", "/etc/ml-api/config.yaml")
TOKEN = Address("files", "/etc/ml-api/token")
MOTD = Address("files", "/etc/motd")
MODELS = Address("directories", "/srv/models")
USERS = Address("groups", "ml-users")

OLD_TEXT = "host: 0.0.0.0\nport: 8000\nworkers: 4\n"
NEW_TEXT = "host: 0.0.0.0\nport: 8080\nworkers: 4\n"


def part(
    address: Address, document: Document, line: int, content: bytes | None = None, *, sensitive: bool = False
) -> Part:
    """A part declared at a line of the spec."""
    return Part(address, document, Declared(address, Resource(), Source(SPEC, line, 3)), content, sensitive)


def file_document(content: bytes, mode: str = "0644", owner: str = "root") -> Document:
    """The document that a file is compared by."""
    return {"type": "file", "content": digest(content), "mode": mode, "owner": owner, "group": "root"}


def fields(origin: Origin, *changed: tuple[str, Any, Any]) -> tuple[FieldChange, ...]:
    """Leaves by dotted path."""
    return tuple(
        FieldChange(tuple(path.split(".")), before, after, origin) for path, before, after in changed
    )


def unit_step(verb: UnitVerb, *causes: tuple[Address, str, str], held: bool = False) -> Step:
    """A systemctl call for (address, why, unit)."""
    units = tuple(unit for _, _, unit in causes if unit)
    return Step(Unit(verb, units), tuple(Cause(*cause) for cause in causes), held)


def service_document(**service: Any) -> Document:
    """A service's document as its kind makes it."""
    unit = {"Unit": {"Description": "ML inference API"}, "Service": {"Type": "exec", **service}}
    links = ["/etc/systemd/system/multi-user.target.wants/ml-api.service"]
    return {
        "type": "file",
        "mode": "0644",
        "owner": "root",
        "group": "root",
        "unit": unit,
        "enabled": links,
        "state": "running",
    }


SERVE = "/opt/ml/ml-api/bin/serve --port 8000"
SERVE_LONG = SERVE + " --model-store /srv/models/production --batch-size 64 --max-latency-ms 250"


def create() -> Plan:
    """A service, its file and a directory on an empty host."""
    service = part(
        API, service_document(ExecStart=SERVE, User="ml-api", Restart="on-failure"), 4, b"[Unit]\n"
    )
    content = NEW_TEXT.encode()
    config = part(CONFIG, file_document(content, "0640"), 12, content)
    models = part(MODELS, {"type": "directory", "mode": "0750", "owner": "ml-api", "group": "ml-users"}, 15)
    link = "/etc/systemd/system/multi-user.target.wants/ml-api.service"
    return Plan(
        "gpu-01",
        "sha256:" + "a" * 64,
        "0123456789abcdef0123",
        changes=(
            Change(MODELS, Verb.CREATE, Origin.INTENT, (), models),
            Change(CONFIG, Verb.CREATE, Origin.INTENT, (), config),
            Change(API, Verb.CREATE, Origin.INTENT, (), service),
        ),
        steps=(
            Step(MakeDirectory(MODELS.name, "0750", "ml-api", "ml-users"), (Cause(MODELS),)),
            Step(WriteFile(CONFIG.name, content, digest(content), "0640", "root", "root"), (Cause(CONFIG),)),
            Step(
                WriteFile("/etc/systemd/system/ml-api.service", b"", digest(b""), "0644", "root", "root"),
                (Cause(API),),
            ),
            Step(MakeLink(link, "/etc/systemd/system/ml-api.service"), (Cause(API),)),
            unit_step(UnitVerb.DAEMON_RELOAD, (API, "its unit file changed", "")),
            unit_step(UnitVerb.START, (API, "it is new", "ml-api.service")),
        ),
        fingerprint="sha256:" + "b" * 64,
    )


def update() -> Plan:
    """An intended change with one drifted field, a watched file, a held restart and the end of a service."""
    before = service_document(ExecStart=SERVE, RestartSec="5s", Nice="5", Environment=["A=1", "B=2", "C=3"])
    after = service_document(
        ExecStart=SERVE_LONG, RestartSec="10s", Nice="0", Environment=["A=1", "B=3", "C=3", "D=4"]
    )
    api = fields(
        Origin.INTENT,
        ("unit.Service.ExecStart", SERVE, SERVE_LONG),
        ("unit.Service.RestartSec", "5s", "10s"),
        ("unit.Service.Environment", ["A=1", "B=2", "C=3"], ["A=1", "B=3", "C=3", "D=4"]),
    ) + fields(Origin.DRIFT, ("unit.Service.Nice", "5", "0"))
    old, new = OLD_TEXT.encode(), NEW_TEXT.encode()
    config = fields(Origin.INTENT, ("content", digest(old), digest(new)), ("mode", "0644", "0640"))
    declared = part(CONFIG, file_document(new, "0640"), 12, new)
    unit = "/etc/systemd/system/old.service"
    goes = service_document(ExecStart="/bin/old")
    return Plan(
        "gpu-01",
        "sha256:" + "a" * 64,
        changes=(
            Change(CONFIG, Verb.UPDATE, Origin.INTENT, config, declared, Observed(file_document(old))),
            Change(API, Verb.UPDATE, Origin.INTENT, api, part(API, after, 4), Observed(before), before),
            Change(OLD, Verb.DELETE, Origin.REMOVED, (), None, Observed(goes), goes),
            Change(USERS, Verb.FORGET, Origin.REMOVED, (), None, Observed({"gid": 2000}), {"gid": 2000}),
        ),
        steps=(
            unit_step(UnitVerb.STOP, (OLD, "it is no longer in the spec", "old.service")),
            Step(
                WriteFile(CONFIG.name, new, digest(new), "0640", "root", "root", digest(old)),
                (Cause(CONFIG),),
            ),
            Step(
                WriteFile("/etc/systemd/system/ml-api.service", b"", digest(b""), "0644", "root", "root"),
                (Cause(API),),
            ),
            Step(
                RemovePath(
                    "/etc/systemd/system/multi-user.target.wants/old.service",
                    f"link:{unit}",
                    prune_parent=True,
                ),
                (Cause(OLD),),
            ),
            Step(RemovePath(unit, digest(b"old")), (Cause(OLD),)),
            unit_step(
                UnitVerb.DAEMON_RELOAD,
                (API, "its unit file changed", ""),
                (OLD, "its unit file is removed", ""),
            ),
            unit_step(UnitVerb.RESTART, (API, "Service.ExecStart changed", "ml-api.service")),
            unit_step(
                UnitVerb.RESTART,
                (TRAINING, "/etc/ml-api/config.yaml changed", "ml-training.service"),
                held=True,
            ),
        ),
        memory=Memory(
            rows={
                OLD: LedgerRow(OLD, goes, source=f"{SPEC}:31:3"),
                USERS: LedgerRow(USERS, {"gid": 2000}, source="profiles/ml.yaml:9"),
            },
            lineage="0f6c",
            serial=7,
        ),
    )


def drift() -> Plan:
    """Changed by hand: put back, gone, only reported, changed on both sides."""
    was, now = file_document(b"a\n"), file_document(b"b\n", "0666")
    api = service_document(ExecStart=SERVE)
    stopped = api | {"state": "stopped"}
    spec = file_document(b"c\n")
    models = {"type": "directory", "mode": "0750", "owner": "root", "group": "root"}
    drifted = fields(Origin.DRIFT, ("content", now["content"], was["content"]), ("mode", "0666", "0644"))
    both = fields(Origin.CONFLICT, ("content", now["content"], spec["content"])) + fields(
        Origin.DRIFT, ("mode", "0666", "0644")
    )
    return Plan(
        "gpu-01",
        changes=(
            Change(MODELS, Verb.CREATE, Origin.DRIFT, (), part(MODELS, models, 15), Observed(None), models),
            Change(CONFIG, Verb.NONE, Origin.DRIFT, drifted, part(CONFIG, was, 12), Observed(now), was),
            Change(
                MOTD, Verb.UPDATE, Origin.CONFLICT, both, part(MOTD, spec, 20, b"c\n"), Observed(now), was
            ),
            Change(
                API,
                Verb.UPDATE,
                Origin.DRIFT,
                fields(Origin.DRIFT, ("state", "stopped", "running")),
                part(API, api, 4),
                Observed(stopped),
                api,
            ),
        ),
        steps=(
            Step(MakeDirectory(MODELS.name, "0750", "root", "root"), (Cause(MODELS),)),
            Step(
                WriteFile(MOTD.name, b"c\n", spec["content"], "0644", "root", "root", now["content"]),
                (Cause(MOTD),),
            ),
            unit_step(UnitVerb.START, (API, "it is stopped", "ml-api.service")),
        ),
    )


def trouble() -> Plan:
    """Adoption taken and refused, a blocked part, owed rows, parts that cannot be read, diagnostics."""
    new = file_document(b"new\n")
    there = file_document(b"old\n", "0600", "alice")
    adopt = fields(
        Origin.ADOPTION,
        ("content", there["content"], new["content"]),
        ("mode", "0600", "0644"),
        ("owner", "alice", "root"),
    )
    directory = {"type": "directory", "mode": "0755", "owner": "nobody-here", "group": "root"}
    hidden = Address("files", "/root/secret.conf")
    return Plan(
        "gpu-01",
        changes=(
            Change(
                CONFIG, Verb.UPDATE, Origin.ADOPTION, adopt, part(CONFIG, new, 12, b"new\n"), Observed(there)
            ),
            Change(MOTD, Verb.UPDATE, Origin.ADOPTION, adopt, part(MOTD, new, 20, b"new\n"), Observed(there)),
            Change(MODELS, Verb.CREATE, Origin.INTENT, (), part(MODELS, directory, 15), Observed(None)),
        ),
        steps=(
            Step(
                WriteFile(CONFIG.name, b"new\n", new["content"], "0644", "root", "root", there["content"]),
                (Cause(CONFIG),),
            ),
            unit_step(UnitVerb.RESTART, (API, "Service.ExecStart changed", "ml-api.service")),
            unit_step(UnitVerb.RESTART, (TRAINING, "Service.Nice changed", "ml-training.service"), held=True),
        ),
        owed=(
            OwedRow(
                "restart", "ml-api.service", API, "Service.ExecStart changed", run=11, since=1_767_000_000
            ),
            OwedRow(
                "restart",
                "ml-training.service",
                TRAINING,
                "Service.Nice changed",
                held=True,
                run=9,
                since=1_766_000_000,
            ),
        ),
        blocked={
            MOTD: "it is on the host already and not ours",
            MODELS: "its owner nobody-here is neither on the host nor declared in this spec",
        },
        unreadable={hidden: "permission denied: run plan as root to see it"},
        diagnostics=(
            Diagnostic(
                Severity.WARNING,
                "Program not found",
                "/opt/ml/ml-api/bin/serve is not on this host. The service cannot start until it is there.",
                API,
                Source(SPEC, 5, 18, 24),
                "    exec_start: [/opt/ml/ml-api/bin/serve, --port, 8000]",
            ),
        ),
        memory=Memory(interrupted=11),
    )


SECRET = b"hunter2-hunter2"


def secret() -> Plan:
    """A sensitive file that changes, one that is created, and one that goes."""
    before, after = file_document(b"old-secret", "0600"), file_document(SECRET, "0640")
    other = Address("files", "/etc/ml-api/other")
    gone = Address("files", "/etc/ml-api/gone")
    changed = fields(
        Origin.INTENT, ("content", before["content"], after["content"]), ("mode", "0600", "0640")
    )
    keyed = {**after, "content": "hmac:" + "c" * 64}
    was = digest(b"old-secret")
    return Plan(
        "gpu-01",
        changes=(
            Change(
                TOKEN,
                Verb.UPDATE,
                Origin.INTENT,
                changed,
                part(TOKEN, after, 22, SECRET, sensitive=True),
                Observed(before),
                before,
            ),
            Change(
                other,
                Verb.CREATE,
                Origin.INTENT,
                (),
                part(other, keyed, 25, SECRET),
                Observed(None),
                sensitive=True,
            ),
            Change(gone, Verb.DELETE, Origin.REMOVED, (), None, Observed(before), before),
        ),
        steps=(
            Step(
                WriteFile(TOKEN.name, SECRET, digest(SECRET), "0640", "root", "root", was, sensitive=True),
                (Cause(TOKEN),),
            ),
            Step(RemovePath(gone.name, was), (Cause(gone),)),
        ),
        memory=Memory(rows={gone: LedgerRow(gone, before, sensitive=True)}),
    )


HOSTILE = "x\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2066\r\n\x9b31m\u200b\u00a0"


def hostile() -> Plan:
    """Everything that comes from outside tries to act on the terminal."""
    address = Address("files", f"/etc/{HOSTILE}")
    document = {"type": "file", HOSTILE: HOSTILE, "list": [HOSTILE, "b"]}
    declared = Declared(address, Resource(), Source(HOSTILE, 1))
    changed = (
        FieldChange((HOSTILE,), "a", HOSTILE, Origin.INTENT),
        FieldChange(("list",), ["b"], [HOSTILE, "b"], Origin.DRIFT),
    )
    memory = Memory(unreadable=HOSTILE, damaged=HOSTILE)
    return Plan(
        HOSTILE,
        spec_commit=HOSTILE,
        changes=(
            Change(
                address,
                Verb.UPDATE,
                Origin.INTENT,
                changed,
                Part(address, document, declared),
                Observed(document),
                None,
                HOSTILE,
            ),
            Change(
                Address("files", "/b"),
                Verb.CREATE,
                Origin.INTENT,
                (),
                Part(address, document, declared),
                Observed(None),
            ),
            Change(Address("files", "/c"), Verb.DELETE, Origin.REMOVED, (), None, Observed(document)),
        ),
        steps=(
            Step(RemovePath(HOSTILE, HOSTILE), (Cause(Address("files", "/c")),)),
            Step(SetAccess(HOSTILE, "0644", HOSTILE, HOSTILE), (Cause(address),)),
            unit_step(UnitVerb.RESTART, (address, HOSTILE, HOSTILE)),
        ),
        owed=(OwedRow(HOSTILE, HOSTILE, address, HOSTILE),),
        blocked={Address("files", "/b"): HOSTILE},
        unreadable={address: HOSTILE},
        diagnostics=(
            Diagnostic(Severity.ERROR, HOSTILE, HOSTILE, address, Source(HOSTILE, 1, 2, 9), HOSTILE, HOSTILE),
        ),
        memory=memory,
    )


def data_of(plan: Plan, kind: str = "live", **more: Any) -> dict[str, Any]:
    """The plan document."""
    return plan_to_json(plan, basis={"kind": kind}, now=NOW, tool="0.1.0", **more)


TEXTS = {CONFIG: (OLD_TEXT, NEW_TEXT)}

ALL = {
    "create": lambda: data_of(create(), "offline", texts={CONFIG: (None, NEW_TEXT)}),
    "update": lambda: data_of(update(), texts=TEXTS),
    "drift": lambda: data_of(drift(), texts={CONFIG: ("b\n", "a\n"), MOTD: ("b\n", "c\n")}),
    "trouble": lambda: data_of(trouble()),
    "secret": lambda: data_of(secret(), texts={TOKEN: ("old-secret", SECRET.decode())}),
    "hostile": lambda: data_of(hostile(), texts={Address("files", f"/etc/{HOSTILE}"): (None, HOSTILE)}),
    "nothing": lambda: data_of(Plan("gpu-01")),
}
"""Plan documents by name."""
