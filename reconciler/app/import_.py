"""`import`: a spec of the objects on a host, an apply of which changes nothing there.

The kinds propose (`importer.py` in their folders), and the tool itself judges: the proposal is written,
loaded and planned, and an object that an apply would change is left out with the reason, until the plan is
empty. The host is only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from reconciler.app.not_looked_at import PLACES, not_looked_at
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.specs import Loaded
from reconciler.core.actions import Unit
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.host import HostError, HostView
from reconciler.core.secrets.masking import masked
from reconciler.core.state import Memory
from reconciler.core.steps import Step
from reconciler.host.hosts import open_host, static_hostname
from reconciler.host.packages import packaged
from reconciler.host.spec_source.source import StdinReader
from reconciler.kinds import discover, importable, importer
from reconciler.kinds.shared.importing import Asked, Candidate
from reconciler.policy.lint import lint
from reconciler.render.masking import mask
from reconciler.spec.load import load

_MOST_ROUNDS = 8
_WIDE = 100
_AMBIGUOUS = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|none|~|[-+.]?[0-9][0-9a-z_.:+-]*")
"""Words that some reader of YAML takes for something other than text."""
_INDICATORS = frozenset(":?")
"""Characters inside a flow scalar that older readers take for its end."""
_NO_FOLDING = 1 << 24


@frozen
class Imported:
    """The spec of a host, or the problems because of which there is none."""

    text: str = ""
    """The spec as YAML."""
    count: int = 0
    """The number of resources in it."""
    left_out: Mapping[Address, str] = field(default_factory=dict)
    """Objects that are not in it, with the reason."""
    not_looked_at: tuple[str, ...] = ()
    """Objects that no kind looks at, and kinds that could not be read: a line each."""
    problems: tuple[Diagnostic, ...] = ()


def import_host(kinds: Iterable[str], *, system: bool, root: str | None) -> Imported:
    """The spec of the host's objects, without those that an apply of it would change.

    `kinds` are the kinds to look at. If it is empty, all are, and objects that no kind looks at are named.
    """
    named_kinds = set(kinds)
    chosen = [name for name in importable() if name in named_kinds] or list(importable())
    try:
        host = open_host(root)
        name = static_hostname(host)
    except HostError as problem:
        return Imported(problems=(error(problem.summary, problem.detail),))
    candidates, unread = _find(host, chosen, system=system)
    if len(unread) == len(chosen):
        return Imported(problems=tuple(error(problem.summary, problem.detail) for problem in unread.values()))
    beside = tuple(f"{kind}: {masked(str(problem))}" for kind, problem in unread.items())
    if not named_kinds:
        beside += tuple(map(masked, not_looked_at(host, packaged(host, PLACES))))
    return _without_differences(name, [_without_secrets(candidate) for candidate in candidates], beside, root)


def _find(
    host: HostView, kinds: Iterable[str], *, system: bool
) -> tuple[list[Candidate], dict[str, HostError]]:
    """The objects of each kind, and the reasons why a kind cannot be read."""
    candidates: list[Candidate] = []
    unread: dict[str, HostError] = {}
    for kind in kinds:
        try:
            find, places = importer(kind)
            candidates += find(host, Asked(system, packaged(host, places) if places else ()))
        except HostError as problem:
            unread[kind] = problem
    return candidates, unread


def _without_differences(
    name: str, candidates: Sequence[Candidate], beside: tuple[str, ...], root: str | None
) -> Imported:
    """The spec of the objects that an apply would not change; each other one is left out with its reason."""
    left_out = {
        Address(candidate.kind, candidate.name): candidate.why for candidate in candidates if candidate.why
    }
    partly = {
        Address(candidate.kind, candidate.name): candidate.partly
        for candidate in candidates
        if candidate.partly
    }
    imported = {
        Address(candidate.kind, candidate.name): candidate.fields
        for candidate in candidates
        if not candidate.why
    }
    for _ in range(_MOST_ROUNDS):
        text = _text(name, imported, left_out, partly, beside)
        wrong, problems = _judge(text, root)
        if problems:
            wrong = _at_fault(name, imported, root)
            if not wrong:
                return Imported(problems=tuple(problems))
        if not wrong:
            return Imported(text, len(imported), left_out, beside)
        left_out |= {address: masked(why) for address, why in wrong.items() if address in imported}
        imported = {address: fields for address, fields in imported.items() if address not in wrong}
    return Imported(
        problems=(error("the import does not come to an end", "This is a bug; please report it."),)
    )


def _at_fault(name: str, imported: Mapping[Address, Any], root: str | None) -> dict[Address, str]:
    """The resources that make the spec as a whole unreadable, with the reason; found by halving."""
    _, problems = _judge(_text(name, imported, {}, {}, ()), root)
    if not problems:
        return {}
    if len(imported) <= 1:
        return dict.fromkeys(imported, problems[0].detail or problems[0].summary)
    items = list(imported.items())
    middle = len(items) // 2
    return _at_fault(name, dict(items[:middle]), root) | _at_fault(name, dict(items[middle:]), root)


def _without_secrets(candidate: Candidate) -> Candidate:
    """The object, with a reason to leave it out if it has a secret in the open: a spec lies in Git.

    The reasons do not show the secret either.
    """
    why, partly = masked(candidate.why), tuple(map(masked, candidate.partly))
    if not candidate.why and _has_secret(candidate.fields):
        why = (
            "a secret stands in it; put that into a file only root can read, name it by LoadCredential= or"
            " EnvironmentFile=, import again"
        )
    return replace(candidate, why=why, partly=partly)


def _has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return mask(value) != value or any(map(_has_secret, value.values()))
    if isinstance(value, list):
        words = " ".join(item for item in value if isinstance(item, str))
        return masked(words) != words or any(map(_has_secret, value))
    return isinstance(value, str) and masked(value) != value


# ---------------------------------------------------------------------------------------------------- judging


def _judge(text: str, root: str | None) -> tuple[dict[Address, str], list[Diagnostic]]:
    """The resources that the loader refuses or the plan would change, with the reason; and the problems of
    the spec as a whole.
    """
    spec, diagnostics = load(StdinReader(text.encode()), discover())
    diagnostics = [*diagnostics, *(lint(spec, discover()) if spec is not None else ())]
    wrong = {
        diagnostic.address.resource: diagnostic.detail or diagnostic.summary
        for diagnostic in reversed(errors(diagnostics))
        if diagnostic.address is not None
    }
    if wrong or spec is None or errors(diagnostics):
        return wrong, [diagnostic for diagnostic in errors(diagnostics) if diagnostic.address is None]
    planned = plan_host(Loaded(spec, tuple(diagnostics)), PlanOptions(root), memory=Memory())
    if planned.plan is None:
        return {}, errors(planned.diagnostics)
    wrong = dict(_done_without_a_difference(planned.plan.steps))
    wrong |= {change.address.resource: _difference(change) for change in reversed(planned.plan.changes)}
    wrong |= {
        address.resource: f"it cannot be read: {why}" for address, why in planned.plan.unreadable.items()
    }
    return wrong, []


def _done_without_a_difference(steps: Iterable[Step]) -> Iterator[tuple[Address, str]]:
    """Yield the resources on which an apply would act though they are as declared, with the reason: it would
    restart a process that is older than its unit file.
    """
    for step in steps:
        if isinstance(step.action, Unit):
            verb = str(step.action.verb)
            for cause in step.causes:
                yield (
                    cause.address.resource,
                    f"an apply would {verb} it, because {cause.why}: do that by hand, and import again",
                )


def _difference(change: Change) -> str:
    """The change that an apply would make, in one line."""
    if change.before is None:
        return f"{change.address.part or change.address} is not there, and would be made"
    first = change.fields[0]
    prefix = f"{change.address.part}: " if change.address.part else ""
    more = f" ({len(change.fields) - 1} more)" if len(change.fields) > 1 else ""
    return (
        f"{prefix}{'.'.join(first.path)} is {_short(first.before)}, and would become"
        f" {_short(first.after)}{more}"
    )


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."


# ---------------------------------------------------------------------------------------------------- writing


def _text(
    host: str,
    imported: Mapping[Address, Any],
    left_out: Mapping[Address, str],
    partly: Mapping[Address, Iterable[str]],
    beside: Iterable[str],
) -> str:
    """The spec, as YAML that a person would write."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    document = CommentedMap({"version": 1, "host": host or "localhost"})
    document.yaml_set_start_comment(
        "Candidate on this host by `reconciler import`. Applying it changes nothing there.\n"
    )
    for address, fields in imported.items():
        if address.kind not in document:
            document[address.kind] = CommentedMap()
            document.yaml_set_comment_before_after_key(address.kind, before="\n")
        document[address.kind][address.name] = _pleasant(fields)
    yaml, out = YAML(typ="rt"), _Pieces()
    yaml.Representer = _representer()
    yaml.width = _NO_FOLDING
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    yaml.dump(document, out)
    not_imported = [f"{address}: {why}" for address, why in left_out.items()]
    not_imported += [
        f"{address}, in part: {why}"
        for address, reasons in partly.items()
        if address in imported
        for why in reasons
    ]
    return (
        b"".join(out.pieces).decode()
        + _comment("Not imported, and left alone by an apply", not_imported)
        + _comment("Not looked at", beside)
    )


def _comment(title: str, texts: Iterable[str]) -> str:
    lines = [f"#   {_line(text)}\n" for text in texts]
    return "".join(["\n", f"# {title}:\n", *lines]) if lines else ""


class _Pieces:
    """A text in the making, for a library that wants to write to a file."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)


def _representer() -> Any:
    """The class that writes values: null as a word, since a key without a value looks like a mistake, and
    text that other YAML readers take for a number in quotes.
    """
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        pass

    Representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )

    def text(representer: Any, value: str) -> Any:
        quoted = _AMBIGUOUS.fullmatch(value) or _INDICATORS & set(value)
        return representer.represent_scalar(
            "tag:yaml.org,2002:str", value, style="'" if quoted and value.isprintable() else None
        )

    Representer.add_representer(str, text)
    return Representer


def _line(text: str) -> str:
    """The text on one line, without characters that control a terminal or end a comment."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _pleasant(value: Any) -> Any:
    """The value, with short lists of plain values and small maps on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        mapping = CommentedMap({name: _pleasant(field) for name, field in value.items()})
        if (
            value
            and len(str(dict(value))) < _WIDE
            and not any(isinstance(field, Mapping | list) for field in value.values())
        ):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq(_pleasant(item) for item in value)
        if len(str(value)) < _WIDE and not any(isinstance(item, Mapping | list) for item in value):
            sequence.fa.set_flow_style()
        return sequence
    return value


def save(imported: Imported, path: str) -> str:
    """Write the spec to a new file; the problem, empty if there was none."""
    from reconciler.host.documents import save_new

    return save_new(path, imported.text.encode())
