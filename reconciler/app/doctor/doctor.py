"""`doctor`: whether the installation is sound, and what to type next where it is not.

There is one small function for each question; none of them writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from reconciler._version import __version__
from reconciler.app.doctor.findings import FINDING, FINE, LEFT_OUT, Finding, Patient, Question
from reconciler.app.doctor.state_questions import ask_ledger, ask_leftovers, ask_owed, ask_runs, ask_state
from reconciler.core.diagnostic import errors
from reconciler.core.host import HostError, HostView
from reconciler.formats.disks import Disks
from reconciler.formats.named_mounts import advice
from reconciler.host import installation
from reconciler.host.hosts import static_hostname
from reconciler.host.process.environment import is_root, now
from reconciler.kinds import discover, of_accounts

_SUDO = (("visudo", "sudo"),)
_FINGERPRINT = "SHA256:"
_NAMED = 3
"""Objects that a finding names; the others are counted."""
_SKEW = 300
"""Seconds by which the clock may have gone back since the last run without a finding."""


def _spec(patient: Patient) -> Iterator[Finding]:
    loaded = patient.loaded
    wrong = errors(loaded.diagnostics)
    if wrong:
        first_error = wrong[0].summary + (f": {wrong[0].detail}" if loaded.spec is None else "")
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        yield Finding("spec", FINDING, f"{first_error}{more}", f"reconciler validate {patient.spec}".strip())
        return
    assert loaded.spec is not None
    yield Finding("spec", FINE, f"{loaded.path or 'standard input'}: {len(loaded.spec.resources)} resources")
    hostname = static_hostname(patient.host)
    if hostname and loaded.spec.host != hostname:
        remedy = "name the spec of this host, or set the name with hostnamectl"
        yield Finding(
            "hostname", FINDING, f"the spec is for {loaded.spec.host}, /etc/hostname says {hostname}", remedy
        )


def _spec_place(patient: Patient) -> Iterator[Finding]:
    from reconciler.app.plan.spec_place import installed, others

    for words in others(patient.host, *installed(patient.host)):
        remedy = (
            "give it to root, and to nobody else who is not root already: chown, chmod; then look at what is"
            " there: reconciler plan"
        )
        yield Finding("spec place", FINDING, words, remedy)


def _clock(patient: Patient) -> Iterator[Finding]:
    last = patient.last_run
    if last and last["started"] > now() + _SKEW:
        yield Finding(
            "clock",
            FINDING,
            f"run {last['run']} began in the future: the clock has gone back",
            "timedatectl status",
        )


def _systemd(patient: Patient) -> Iterator[Finding]:
    if patient.root is not None:
        yield Finding("systemd", LEFT_OUT, "a tree has no running system")
        return
    if not patient.host.running:
        yield Finding("systemd", FINDING, "this system was not booted with systemd", "use --root for a tree")
        return
    version, problem = installation.systemd_version()
    if problem:
        yield Finding("systemd", FINDING, f"it cannot be asked: {problem}", "systemctl status")
    else:
        yield Finding("systemd", FINE, version)
    hostname = static_hostname(patient.host)
    if hostname and installation.running_hostname().partition(".")[0] != hostname.partition(".")[0]:
        difference = f"/etc/hostname says {hostname}, the kernel {installation.running_hostname()}"
        yield Finding("hostname", FINDING, difference, f"hostnamectl set-hostname {hostname}")


def _programs(patient: Patient) -> Iterator[Finding]:
    if patient.root is not None:
        yield Finding("programs", LEFT_OUT, "a tree needs none until it is booted")
        return
    needed: dict[str, str] = {}
    resources = patient.loaded.spec.resources if patient.loaded.spec else ()
    kinds = {declared.address.kind for declared in resources} | {
        address.kind for address in patient.memory.rows
    }
    for kind in sorted(kinds & discover().keys()):
        needed |= dict(discover()[kind].programs)
    if any(getattr(declared.resource, "sudo", None) for declared in resources):
        needed |= dict(_SUDO)
    missing = {name: package for name, package in needed.items() if not installation.find_program(name)}
    for name, package in missing.items():
        yield Finding(
            "programs", FINDING, f"{name} is missing, and the spec needs it", f"apt-get install {package}"
        )
    if needed and not missing:
        yield Finding("programs", FINE, ", ".join(sorted(needed)))


def _units(patient: Patient) -> Iterator[Finding]:
    units = installation.own_units(patient.root or "/")
    if not units:
        yield Finding("timer", FINE, "not installed: nothing is applied by itself")
        return
    if patient.root is not None or not patient.host.running:
        yield Finding("timer", LEFT_OUT, f"{', '.join(units)}: no systemd runs here")
        return
    good = []
    for unit, state in installation.unit_states(units).items():
        wrong = _unit_trouble(unit, state)
        if wrong is None:
            good.append(unit)
        else:
            yield wrong
    if good:
        yield Finding("timer", FINE, ", ".join(good))


def _unit_trouble(unit: str, state: Mapping[str, str]) -> Finding | None:
    if state.get("NeedDaemonReload") == "yes":
        return Finding("timer", FINDING, f"systemd has not read the new {unit}", "systemctl daemon-reload")
    if state.get("ActiveState") == "failed":
        return Finding(
            "timer", FINDING, f"{unit} failed ({state.get('Result')})", f"journalctl -u {unit} -n 50"
        )
    if unit.endswith(".timer") and (
        state.get("UnitFileState") != "enabled" or state.get("ActiveState") != "active"
    ):
        state_words = (
            f"{unit} is {state.get('UnitFileState')} and {state.get('ActiveState')}: it will not run"
        )
        return Finding("timer", FINDING, state_words, f"systemctl enable --now {unit}")
    return None


def _jobs(patient: Patient) -> Iterator[Finding]:
    if patient.root is not None or not patient.host.running:
        return
    from reconciler.app.plan.job_refusals import refusals
    from reconciler.app.service.job_health import jobs, unwell

    rows = jobs(patient.memory)
    for row in unwell(rows):
        yield Finding("jobs", FINDING, f"{row['address']}: {row['reason']}", row["next"])
    addresses = {row["address"] for row in unwell(rows)}
    for address, why, remedy in refusals():
        yield Finding("jobs", FINDING, f"{address}: its next run would be refused: {why}", remedy)
        addresses.add(address)
    unknown = [row["address"] for row in rows if row["healthy"] is None]
    if unknown:
        yield Finding(
            "jobs", LEFT_OUT, f"only root can look at {', '.join(unknown)}", "sudo reconciler doctor"
        )
    if rows and not addresses and not unknown:
        yield Finding(
            "jobs", FINE, f"{len(rows)}: no last run failed, and the archives are as they should be"
        )


def _data(patient: Patient) -> Iterator[Finding]:
    """Yield one finding for all places with data that no backup job of the spec has."""
    from reconciler.kinds.backups.not_covered import remedy, without_job

    places = without_job(patient.loaded.spec) if patient.loaded.spec else []
    if places:
        names = ", ".join(f"{place.path} ({place.declared.address})" for place in places)
        yield Finding("data", FINDING, f"in no backup: {names}", remedy(places[0]))


def _accounts(patient: Patient) -> Iterator[Finding]:
    from reconciler.app.plan.ageing import aged_of

    documents = {
        address: row.document for address, row in patient.memory.rows.items() if address.kind in of_accounts()
    }
    for aged in aged_of(documents, patient.host, static_hostname(patient.host)) if documents else ():
        yield Finding("accounts", FINDING, aged.what, aged.remedy)
    yield from administrators(
        patient.host, {address.name for address in documents if _FINGERPRINT in address.part}
    )


def administrators(host: HostView, names: Collection[str]) -> Iterator[Finding]:
    """Yield a finding where nobody can log in with a key and become root any more, though the ledger has keys
    of somebody who may become root.
    """
    from reconciler.policy.lockout.guard import Doors, Question

    try:
        doors = Doors(host, Question(static_hostname(host), now()))
        if not names or doors.ssh.config is None or any(True for _ in doors.everybody()):
            return
        able_to_be_root = [
            user
            for name in sorted(names)
            if (user := doors.people.users.get(name)) and doors.sudo.verdict(user).can
        ]
        if able_to_be_root:
            why = "; ".join(f"{user.name}: {doors.of(user.name)[0].why}" for user in able_to_be_root[:_NAMED])
            words = f"nobody can log in with a key and become root now: {why}"
            yield Finding("accounts", FINDING, words, f"reconciler access --who {able_to_be_root[0].name}")
    except HostError:
        return


def _disks(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each disk that is not mounted and has something of ours.

    The bare directory that is seen instead says nothing about it.
    """
    disks, kinds = Disks(patient.host), discover()
    lost: dict[str, list[str]] = {}
    for address, row in patient.memory.rows.items() if disks.named else ():
        paths = kinds[address.kind].paths(address) if address.kind in kinds else ()
        home = (row.document or {}).get("home", "") if address.kind == "users" and not address.part else ""
        mount_point = next(filter(None, map(disks.not_mounted, filter(None, (*paths, home)))), "")
        if mount_point:
            lost.setdefault(mount_point, []).append(str(address))
    for mount_point, addresses in lost.items():
        names = ", ".join(addresses[:_NAMED]) + (
            f" and {len(addresses) - _NAMED} more" if len(addresses) > _NAMED else ""
        )
        file = disks.named[mount_point]
        words = f"{mount_point} is a mount by {file}, and nothing is mounted there; on it are {names}"
        yield Finding(
            "disks", FINDING, words, f"mount {mount_point}; or, if it is one no more, {advice(file)}"
        )


def _sshd(patient: Patient) -> Iterator[Finding]:
    if (
        patient.root is not None
        or not patient.host.running
        or not is_root()
        or not installation.find_program("sshd")
    ):
        return
    from reconciler.app.plan.sshd_in_force import UNITS, config_files
    from reconciler.host.validators.sshd import last_read, refuses_its_files

    if why := refuses_its_files():
        yield Finding(
            "sshd",
            FINDING,
            f"it would not start with its configuration: {why}",
            "sshd -t, and mend the file that it names",
        )
        return
    unit, read = last_read(UNITS)
    for path in config_files(patient.host) if unit else ():
        entry = patient.host.entry(path)
        if entry is not None and changed_after(read, entry.mtime_ns, now()):
            yield Finding(
                "sshd",
                FINDING,
                f"{path} was changed after {unit} had read it: it is not in force",
                f"systemctl reload {unit}",
            )


def changed_after(read: int, mtime: int, second: int) -> bool:
    """Whether a file of this mtime was changed after `read` (both in nanoseconds); `second` is the clock's.

    A time in the future says nothing: the clock was set, or `touch` wrote it.
    """
    return read < mtime < (second + 1) * 10**9


QUESTIONS: Mapping[str, Question] = {
    "state": ask_state,
    "ledger": ask_ledger,
    "last run": ask_runs,
    "owed": ask_owed,
    "leftovers": ask_leftovers,
    "spec": _spec,
    "spec place": _spec_place,
    "systemd": _systemd,
    "programs": _programs,
    "timer": _units,
    "jobs": _jobs,
    "data": _data,
    "disks": _disks,
    "accounts": _accounts,
    "sshd": _sshd,
    "clock": _clock,
}


def examine(root: str | None, spec: str) -> dict[str, Any]:
    """The answers to all questions, as JSON.

    A question that cannot be answered is a finding of its own. Raises HostError when there is no host at all.
    """
    patient = Patient(root, spec)
    view: HostView = patient.host
    findings: list[Finding] = []
    for name, question in QUESTIONS.items():
        try:
            findings += question(patient)
        except HostError as problem:
            findings.append(
                Finding(name, FINDING, f"it cannot be looked at: {problem}", "sudo reconciler doctor")
            )
    return {
        "host": static_hostname(view),
        "versions": {"reconciler": __version__, **installation.versions()},
        "findings": [
            {
                "check": finding.check,
                "status": finding.status,
                "what": finding.what,
                "next": finding.next or None,
            }
            for finding in findings
        ],
        "healthy": all(finding.status != FINDING for finding in findings),
    }
