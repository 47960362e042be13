"""Errors and warnings across resources: what cannot work, and what is valid but probably not meant.

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
from reconciler.policy.given_logs import rotated_where_given
from reconciler.policy.look_alikes import look_alikes
from reconciler.policy.paths import Table, claimed_twice, forbidden, table

Rule = Callable[[Spec, Kinds], Iterator[Diagnostic]]
PathRule = Callable[[Spec, Table], Iterator[Diagnostic]]


_RUNNING = True
"""A spec is judged as for a host that runs, wherever it is read."""


def _file_as_parent(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield errors for paths below a declared file: they cannot exist."""
    files = {declared.address.name for declared in spec.resources if declared.address.kind == "files"}
    for declared, places in named if files else ():
        for place in places:
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
    """Yield secrets in Environment= or a profile file: every user of the host can read them."""
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
    """Whether a variable is a secret by its name, but for a path's (TOKEN_FILE), or by its value: a key, a
    login.
    """
    from reconciler.core.secrets.masking import holds_secret, is_secret  # only where there is a variable

    return is_secret(name, value) or holds_secret(f"{name}={value}")


def _of_its_kind(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield the diagnostics of each kind about its own resources."""
    for declared in spec.resources:
        yield from kinds[declared.address.kind].lint(declared)
    for kind in (kinds[name] for name in dict.fromkeys(declared.address.kind for declared in spec.resources)):
        yield from kind.lint_spec(spec)


def _needs_a_leaver(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Yield errors for resources that need an account which the same spec removes: they would fail from the
    next apply on.
    """
    leavers = {
        declared_user.address.name: declared_user
        for declared_user in spec.resources
        if declared_user.address.kind == "users"
        and any(True for _ in kinds["users"].absent(declared_user, _RUNNING))
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
    rotated_where_given,
    _file_as_parent,
)


def lint(spec: Spec, kinds: Kinds) -> list[Diagnostic]:
    """The diagnostics of all rules."""
    named = table(spec.resources, kinds)
    return [
        *(diagnostic for rule in RULES for diagnostic in rule(spec, kinds)),
        *(diagnostic for rule in PATH_RULES for diagnostic in rule(spec, named)),
    ]
