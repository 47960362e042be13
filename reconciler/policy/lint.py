"""Warnings about what is valid but probably not meant, seen across resources.

They need no host; `validate` and `plan` run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.core.diagnostic import Diagnostic, Severity, warning
from reconciler.core.kind import Kinds, RequirementType
from reconciler.core.model.places import Use
from reconciler.core.spec import Spec
from reconciler.policy.backup_places import removed_by_commands, removed_by_others, removed_by_tmpfiles
from reconciler.policy.given import in_spec
from reconciler.policy.look_alikes import look_alikes
from reconciler.policy.paths import Table, claimed_twice, forbidden, table

Rule = Callable[[Spec, Kinds], Iterator[Diagnostic]]
PathRule = Callable[[Spec, Table], Iterator[Diagnostic]]


def _file_as_parent(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """A path below a declared file cannot exist."""
    files = {declared.address.name for declared in spec.resources if declared.address.kind == "files"}
    for declared, found in named if files else ():
        for place in found:
            parent = (
                next((base for base in _above(place.path) if base in files), None)
                if place.use in (Use.MANAGES, Use.GIVES)
                else None
            )
            if parent:
                detail = f"{place.path} lies below {parent}, which is declared as a file."
                yield Diagnostic(
                    Severity.ERROR,
                    "path lies below a file",
                    detail,
                    declared.address,
                    declared.source,
                    rule="below-file",
                )


def _above(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) not in ("", "/"):
        yield path


def _secret_environment(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Environment= is readable by every user of the host, and so is a profile file."""
    for declared in spec.resources:
        environment = getattr(declared.resource, "environment", ())
        for name, value in getattr(environment, "set", environment or {}).items():
            if _is_secret(name, value):
                advice = "Use `load_credential` or an `environment_file` with mode 0600."
                by, advice = (
                    ("with `systemctl show`", advice)
                    if isinstance(environment, dict)
                    else ("in /etc", "Keep it in the home.")
                )
                detail = (
                    f"{declared.address} sets {name} in its environment, which any user can read {by}."
                    f" {advice}"
                )
                yield warning(
                    "secret in the environment",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="secret-environment",
                )


def _is_secret(name: str, value: str) -> bool:
    """By its name, unless that is of a place (TOKEN_FILE); or by its value: a key, a login in an address."""
    from reconciler.core.secrets.masking import holds_secret, is_secret  # only where there is a variable

    return is_secret(name, value) or holds_secret(f"{name}={value}")


def _of_its_kind(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield what each kind has to say about its own."""
    for declared in spec.resources:
        yield from kinds[declared.address.kind].lint(declared)
    for kind in (kinds[name] for name in dict.fromkeys(declared.address.kind for declared in spec.resources)):
        yield from kind.lint_spec(spec)


def _needs_a_leaver(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield errors for what needs an account that the same spec lets go.

    It would be gone, or fail, from the next apply on.
    """
    leavers = {
        one.address.name: one
        for one in spec.resources
        if one.address.kind == "users" and any(True for _ in kinds["users"].absent(one))
    }
    for declared in spec.resources if leavers else ():
        for need in kinds[declared.address.kind].requires(declared):
            leaver = leavers.get(need.name) if need.type is RequirementType.USER else None
            if leaver is not None and leaver is not declared:
                detail = (
                    f"{declared.address} needs the account {need.name}, and {leaver.address} says `state:"
                    f" absent` ({leaver.source}). Take one of the two out of the spec, or name another"
                    " account here."
                )
                yield Diagnostic(
                    Severity.ERROR,
                    "the account shall be absent",
                    detail,
                    declared.address,
                    declared.source,
                    rule="needs-absent",
                )


RULES: tuple[Rule, ...] = (
    _of_its_kind,
    _needs_a_leaver,
    _secret_environment,
    removed_by_tmpfiles,
    removed_by_commands,
)
PATH_RULES: tuple[PathRule, ...] = (
    forbidden,
    claimed_twice,
    removed_by_others,
    look_alikes,
    in_spec,
    _file_as_parent,
)


def lint(spec: Spec, kinds: Kinds) -> list[Diagnostic]:
    """Everything that all rules have to say."""
    named = table(spec.resources, kinds)
    return [
        *(found for rule in RULES for found in rule(spec, kinds)),
        *(found for rule in PATH_RULES for found in rule(spec, named)),
    ]
