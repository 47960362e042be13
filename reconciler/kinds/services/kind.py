"""services: a systemd service with a unit file of our own in /etc/systemd/system, its enablement, its state.

Services whose unit file is a package's (`unit: vendor`) are in `vendor`: their parts have names, the one part
of a unit of our own has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from reconciler.core.actions import Gate
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Observed, Part, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView
from reconciler.core.kind import DeclaredUnit, Kind, Requirement, RequirementType, Runs
from reconciler.core.model.places import Place, Use
from reconciler.core.spec import Declared, Spec
from reconciler.kinds.services import ORDER, unit_file
from reconciler.kinds.services.consistency import YES
from reconciler.kinds.services.model import Service
from reconciler.kinds.services.observe import observe, unit_of
from reconciler.kinds.services.steps import (
    MAY,
    actions,
    config_paths,
    ends_by_itself,
    on_config_change,
    paths,
    resume_owed,
    service_of,
)
from reconciler.kinds.shared import directive_checks, ownership, unit_files, unit_lint, units
from reconciler.kinds.shared.unit_fields import ServiceName, State


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part of the unit file, the links and the state, which change together; or those of `vendor`."""
    service = service_of(declared)
    if service.vendor:
        from reconciler.kinds.services.vendor import parts

        yield from parts.expand(declared, running)
        return
    if service.enabled == "masked":
        document: Document = {**units.MASK, "enabled": []}
    else:
        sections = unit_file.sections(service)
        install = service.install
        links = units.links(unit_of(declared.address), **install) if service.enabled else []
        document = {**units.FILE, "unit": sections, "enabled": links}
    if running and not ends_by_itself(service):
        document["state"] = "stopped" if service.enabled == "masked" else str(service.state)
    yield Part(declared.address, document, declared)


def runs(part: Part) -> Runs | None:
    """The process that is to run; only one part of a service has it."""
    name = unit_of(part.address)
    if part.address.part:
        from reconciler.kinds.services.vendor import parts

        runs_by_part, unit_path = parts.keeps_running(part), unit_files.drop_in(name)
    else:
        runs_by_part, unit_path = part.document.get("state") == "running", unit_files.path(name)
    if not runs_by_part:
        return None
    return Runs(
        name,
        tuple(dict.fromkeys(config_paths(part.declared))),
        tuple(dict.fromkeys((unit_path, unit_files.drop_in(name).rpartition("/")[0]))),
    )


def unit(part: Part) -> DeclaredUnit:
    """The unit of a part; each part of a package's unit stands for the whole unit."""
    service = service_of(part.declared)
    state = part.document.get("state") or (State.STOPPED if service.enabled == "masked" else None)
    runs = None if state is None or ends_by_itself(service) else state == State.RUNNING
    return DeclaredUnit(unit_of(part.address), runs, MAY[service.on_change])


def gate(part: Part) -> Gate | None:
    """The gate that the unit has to pass after each start; None without `health`."""
    service = service_of(part.declared)
    if service.health is None or service.enabled == "masked" or service.state is State.STOPPED:
        return None
    return service.health.gate(unit_of(part.address), service.user or "")


def others(part: Part, observed: Observed) -> Iterable[Diagnostic]:
    """Warn of foreign drop-ins."""
    if part.address.part:
        from reconciler.kinds.services.vendor import checks as vendor_checks

        return vendor_checks.others(part, observed)
    return units.others(part, observed)


def settings(document: Document) -> object:
    """The settings of a unit file that only a start puts into force."""
    return unit_file.at_start(document["unit"]) if isinstance(document.get("unit"), dict) else None


def _program(service: Service) -> str:
    command = service.exec_start or []
    words = command if isinstance(command, list) else command.lstrip("-@:+!|").split()
    return words[0] if words else ""


def references(declared: Declared) -> Iterator[Address]:
    """The accounts of a service, its files, and the directories above them."""
    service = service_of(declared)
    yield from ownership.owners(service.user or "root", service.group or "root")
    yield from (Address("groups", group) for group in service.supplementary_groups)
    files = tuple(filter(None, (*config_paths(declared), _program(service))))
    directory = (service.working_directory or "").removeprefix("-")
    yield from (Address("files", path) for path in files)
    yield from ownership.above(*files)
    if directory.startswith("/"):
        yield Address("directories", directory)
        yield from ownership.above(directory)


def requires(declared: Declared) -> Iterable[Requirement]:
    """The accounts, programs and paths of a service; none is fatal, as it fails by itself without them."""
    service = service_of(declared)
    dynamic = str(service.directives.get("Service", {}).get("DynamicUser", "no")).lower() in YES
    # With DynamicUser= systemd makes the user and the group while the unit runs.
    needed = [] if dynamic else [(RequirementType.USER, service.user), (RequirementType.GROUP, service.group)]
    needed += [(RequirementType.GROUP, group) for group in service.supplementary_groups]
    if service.enabled != "masked":
        needed.append((RequirementType.PROGRAM, _program(service)))
        from reconciler.kinds.services import paths as service_places  # only where something changes

        needed += service_places.needed(service)
    return [Requirement(type_, name, fatal=False) for type_, name in needed if name]


def places(declared: Declared) -> Iterator[Place]:
    """The files of the service, and the paths that its directives name."""
    service = service_of(declared)
    yield from (Place(path, Use.MANAGES) for path in paths(declared.address))
    if service.directives:
        from reconciler.kinds.services import paths as service_places

        yield from service_places.places(service, declared.address.name)


def reason_to_keep(_view: HostView, address: Address, _vanishing: AbstractSet[str]) -> str:
    """Why a part that left the spec stays: the enablement and state of a package's unit do."""
    if not address.part:
        return ""
    from reconciler.kinds.services.vendor import parts

    return parts.reason_to_keep(address)


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield the problems with the host: its packages, its systemd, writers of root's programs."""
    ours = [change for change in changes if change.address.kind == "services" and change.part is not None]
    of_packages = [change for change in ours if change.address.part]
    if of_packages:
        from reconciler.kinds.services.vendor import checks as vendor_checks

        written = [
            change.address.name
            for change in changes
            if change.address.kind == "files" and change.verb in (Verb.CREATE, Verb.UPDATE)
        ]
        packages = [
            change.address.name
            for change in changes
            if change.address.kind == "packages" and change.verb is Verb.CREATE
        ]
        yield from vendor_checks.check(view, of_packages, written, packages)
    from reconciler.kinds.services import checks, logs  # only where something changes

    yield from units.check_together(
        change for change in ours if not change.address.part and change.verb is not Verb.NONE
    )
    from reconciler.kinds.services import relations  # as above

    yield from relations.check(
        view, spec, [change for change in changes if change.address.kind == "services"]
    )
    yield from checks.conditions(view, ours)
    yield from logs.unrotated(view, spec, ours)
    yield from checks.too_new(view, ours)
    yield from directive_checks.check(view, ours, lambda declared: service_of(declared).directives)
    yield from checks.other_definitions(view, ours)
    yield from checks.still_activated(
        view, [change for change in changes if change.address.kind == "services"]
    )
    for change in ours if view.running else ():
        if change.part is not None and change.verb is not Verb.NONE and "unit" in change.part.document:
            service = service_of(change.part.declared)
            yield from checks.replaceable_programs(view, spec, change, _run_by_root(service))
            yield from checks.readable_credentials(view, spec, change, list(service.load_credential.values()))


def _commands(service: Service) -> list[str | list[str]]:
    single = [command for command in (service.exec_start, service.exec_reload) if command]
    probe: list[str | list[str]] = (
        [service.health.command] if service.health is not None and service.health.command else []
    )
    return [*single, *service.exec_start_pre, *service.exec_start_post, *service.exec_stop, *probe]


def _run_by_root(service: Service) -> list[str]:
    if (
        service.vendor
        or service.enabled == "masked"
        or not unit_lint.runs_as_root(service.user, service.directives)
    ):
        return []
    return list(
        dict.fromkeys(program for command in _commands(service) for program in unit_lint.programs(command))
    )


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield errors for values that no unit file can hold, and warnings about probable mistakes."""
    service = service_of(declared)
    yield from _lint_name(declared, service)
    yield from units.lint(declared, lambda: expand(declared, running=False))
    user = service.user if not service.vendor or service.user else "of the package"
    yield from unit_lint.lint(declared, service.directives, _commands(service), user)
    yield from directive_checks.lint(declared, service.directives)
    for path in unit_file.encrypted_credentials(service) if service.directives else ():
        if unit_file.has_specifier(path):
            detail = (
                f"Only systemd knows what the specifier in {path} stands for: write the path out, or name the"
                " file under `watch` too."
            )
            where = {"address": declared.address, "source": declared.source, "rule": "unseen-changes"}
            yield warning(f"changes of {path} are not seen", detail, **where)
    if service.health is not None and (host := service.health.elsewhere):
        detail = (
            f"`health` asks {host}, and says nothing about the process on this host: name 127.0.0.1, [::1] or"
            " localhost."
        )
        yield warning(
            "another host is asked",
            detail,
            address=declared.address,
            source=declared.source,
            rule="health-elsewhere",
        )


def _lint_name(declared: Declared, service: Service) -> Iterator[Diagnostic]:
    template, at, instance = declared.address.name.partition("@")
    if not at:
        return
    where = {"address": declared.address, "source": declared.source, "rule": "template"}
    if not instance:
        detail = (
            f"A template runs nothing itself. Declare its instances: `{template}@INSTANCE: {{unit: vendor}}`;"
            " see systemd-escape(1)."
        )
        yield error(f"{declared.address.name}.service is a template", detail, **where)
    elif not service.vendor:
        detail = (
            f"Units of ours are whole: declare `{template}-{instance}` as a service of its own (a YAML anchor"
            " carries what they share), or write `unit: vendor` if a package brings the template."
        )
        yield error(f"{declared.address.name}.service is an instance of a template", detail, **where)


def lint_spec(spec: Spec) -> Iterator[Diagnostic]:
    """Yield mistakes that only show beside the other blocks of the spec."""
    services = [
        (declared, service_of(declared)) for declared in spec.resources if declared.address.kind == "services"
    ]
    if any(
        service.after or service.before or service.requires or "Unit" in service.directives
        for _, service in services
    ):
        from reconciler.kinds.services import relations  # most services stand alone

        yield from relations.lint(spec)
    yield from unit_lint.lint_spec(
        spec,
        (
            (
                declared,
                _run_by_root(service),
                list(service.load_credential.values()),
                [path.removeprefix("-") for path in service.environment_file],
            )
            for declared, service in services
        ),
    )


KIND = Kind(
    name="services",
    order=ORDER,
    programs=(("systemctl", "systemd"),),
    model=Service,
    name_type=ServiceName,
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=("type", "unit"),
    references=references,
    requires=requires,
    config_paths=config_paths,
    on_config_change=on_config_change,
    resume_owed=resume_owed,
    foreign_overrides=others,
    process=runs,
    start_settings=settings,
    gate=gate,
    unit=unit,
    paths=paths,
    places=places,
    reason_to_keep=reason_to_keep,
    check=check,
    lint=lint,
    lint_spec=lint_spec,
)
