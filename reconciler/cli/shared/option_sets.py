"""Sets of options that several commands take: plan, apply, drift and install."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from reconciler.cli.shared import options
from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.app.plan.options import PlanOptions


@frozen
class Source:
    """The spec, and the host that it is for."""

    spec: options.Spec = ""
    root: options.Root = None
    snapshot: options.Snapshot = None
    commit: options.Commit = ""


@frozen
class Scope:
    """The part of the spec that counts, and the exceptions for this once."""

    target: options.Target = field(default_factory=list)
    exclude: options.Exclude = field(default_factory=list)
    adopt: options.Adopt = False
    unprotect: options.Unprotect = field(default_factory=list)
    allow: options.Allow = field(default_factory=list)
    retry: options.Retry = False


@frozen
class Output:
    """The form of the answer."""

    as_json: options.Json = False
    detailed_exitcode: options.Detailed = False
    report: options.Report = False
    verbose: options.Verbose = False
    no_color: options.NoColor = False


def plan_options(source: Source, scope: Scope, *, fingerprint: bool = False) -> PlanOptions:
    """The options of a plan, from those of a command."""
    from reconciler.app.plan.options import PlanOptions

    return PlanOptions(
        source.root,
        tuple(scope.target),
        tuple(scope.exclude),
        scope.adopt,
        tuple(scope.unprotect),
        tuple(scope.allow),
        fingerprint=fingerprint,
        snapshot=source.snapshot,
        retry=scope.retry,
    )


def spread(command: Callable[..., int], without: Collection[str] = ()) -> Callable[..., int]:
    """The command as typer reads it, with the options themselves in the place of each set.

    The command takes its sets, and all else, by name. An option that is named in `without` is not an option
    of this command, and has its default.
    """
    sets: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if is_dataclass(parameter.annotation):
            sets[parameter.name] = parameter.annotation
            parameters += [
                option for option in _parameters(parameter.annotation) if option.name not in without
            ]
        else:
            parameters.append(parameter)

    def run(**given: Any) -> int:
        for name, option_set in sets.items():
            own = [option.name for option in fields(option_set) if option.name in given]
            given[name] = option_set(**{key: given.pop(key) for key in own})
        return command(**given)

    readable: Any = run
    readable.__name__, readable.__doc__ = command.__name__, command.__doc__
    readable.__signature__ = inspect.Signature(parameters, return_annotation=int)
    return run


def spread_without(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """`spread` as a decorator, for a command that lacks these options of its sets."""
    return lambda command: spread(command, names)


def _parameters(option_set: Any) -> list[inspect.Parameter]:
    """The fields of a set of options, as parameters of a function."""
    types = get_type_hints(option_set, include_extras=True)
    return [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(option.default, option.default_factory),
            annotation=types[option.name],
        )
        for option in fields(option_set)
    ]


def _default(value: Any, factory: Any) -> Any:
    if value is not MISSING:
        return value
    return inspect.Parameter.empty if factory is MISSING else factory()
