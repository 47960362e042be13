"""`audit --fix-spec`: the lines of the spec with which findings are gone, as a change of its text.

The tool itself judges, as in `import`: the new spec is loaded, linted and planned, and lines that the
validator or a guard refuses are left out, with the reason. Nothing is done to the host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from reconciler.app.audit.audit import AuditOptions
from reconciler.app.audit.fix_entries import Mend, Refused, entries_of, merged, notes_of
from reconciler.app.audit.fix_text import Amended, contents_of, diff_of
from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.plan import plan_host
from reconciler.app.specs import Loaded
from reconciler.audit.model import Report, Status
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error, errors
from reconciler.core.host import HostError, HostView
from reconciler.core.spec import Spec
from reconciler.core.spec_source import SourceError
from reconciler.host.hosts import open_host
from reconciler.host.spec_source.readers import absolute
from reconciler.host.spec_source.spec_file import rewrite
from reconciler.kinds import discover, importer
from reconciler.kinds.shared.importing import Asked
from reconciler.policy.lint import lint
from reconciler.spec.insert import CannotInsert
from reconciler.spec.load import load

_AS_IT_IS = ("uid", "system", "group", "home", "expires", "state")
"""The fields of an account without which a new block would change more than what is to be mended."""
_ADOPTION = "adoption"


@frozen
class Proposal:
    """A change of the spec, or the problems because of which there is none."""

    diff: str = ""
    contents: Mapping[str, bytes] = field(default_factory=dict)
    """The new content of the files, by the reader's name."""
    mended: tuple[Mend, ...] = ()
    refused: tuple[Refused, ...] = ()
    unmendable: int = 0
    """The number of findings that no line of a spec mends."""
    problems: tuple[Diagnostic, ...] = ()


@frozen
class _Trial:
    """A spec that was tried: the mends at fault with the reason, or the objects that are to be adopted."""

    contents: Mapping[str, bytes] = field(default_factory=dict)
    faults: Mapping[Address, str] = field(default_factory=dict)
    strange: tuple[str, ...] = ()
    """Errors that name no resource of the proposal."""
    adopt: frozenset[Address] = frozenset()


def propose(loaded: Loaded, report: Report, options: AuditOptions) -> Proposal:
    """The lines that mend the findings of a report."""
    failed = [result for result in report.results if result.status is Status.FAIL]
    mends = [Mend(result, entries_of(result.spec)) for result in failed if result.spec is not None]
    mends.sort(key=lambda mend: -mend.result.check.severity.weight)
    fixer = _Fixer(loaded, options)
    try:
        contents, taken, refused = fixer.tried(mends)
    except (SourceError, HostError) as problem:
        return Proposal(problems=(error("no change can be proposed", f"{problem}."),))
    assert loaded.reader is not None
    return Proposal(
        diff_of(loaded.reader, contents),
        contents,
        tuple(taken),
        tuple(refused),
        sum(result.spec is None for result in failed),
    )


def write(loaded: Loaded, proposal: Proposal) -> Diagnostic | None:
    """Write the files of a proposal; the problem, if there is one."""
    assert loaded.reader is not None
    if not loaded.path:
        detail = "The spec came from standard input; name its file with --spec."
        return error("nothing to write to", detail)
    for name, content in proposal.contents.items():
        try:
            rewrite(absolute(loaded.reader.display(name)), loaded.reader.read(name), content)
        except SourceError as problem:
            return error("the spec cannot be written", f"{problem}.")
    return None


class _Fixer:
    def __init__(self, loaded: Loaded, options: AuditOptions) -> None:
        assert loaded.spec is not None
        self._loaded, self._options = loaded, options
        self._declared = {item.address: item.resource for item in loaded.spec.resources}
        self._usual: set[tuple[str, str]] | None = None
        self._accounts: Mapping[str, Mapping[str, Any]] | None = None

    def tried(self, mends: Sequence[Mend]) -> tuple[Mapping[str, bytes], list[Mend], list[Refused]]:
        """The new files with the mends in them, and those that are refused. Raises SourceError, HostError."""
        refused: list[Refused] = []
        adopt: frozenset[Address] = frozenset()
        while mends:
            entries, taken, conflicts = merged(mends)
            trial = self._trial(entries, taken, adopt)
            faults = trial.faults
            if trial.strange:
                faults = self._at_fault(taken, adopt, trial.strange)
            if not faults and trial.adopt <= adopt:
                return trial.contents, taken, [*refused, *conflicts]
            adopt |= trial.adopt
            refused += [Refused(mend, why) for mend in mends if (why := _why(mend, faults))]
            mends = [mend for mend in mends if not _why(mend, faults)]
        return {}, [], refused

    def _at_fault(
        self, mends: Sequence[Mend], adopt: frozenset[Address], strange: Sequence[str]
    ) -> dict[Address, str]:
        """The resources with which alone there is such an error; where none is alone at fault, all are."""
        faults: dict[Address, str] = {}
        for mend in mends:
            trial = self._trial(merged([mend])[0], [mend], adopt)
            if trial.strange:
                faults |= dict.fromkeys(mend.entries, trial.strange[0])
        everything = {address: strange[0] for mend in mends for address in mend.entries}
        return faults or everything

    def _trial(
        self, entries: Mapping[Address, dict[str, Any]], mends: Sequence[Mend], adopt: Collection[Address]
    ) -> _Trial:
        whole = {address: self._whole(address, fields, adopt) for address, fields in entries.items()}
        missing = {
            address: "the account is not there, or cannot be read"
            for address, fields in whole.items()
            if fields is None
        }
        if missing:
            return _Trial(faults=missing)
        blocks = {address: fields for address, fields in whole.items() if fields is not None}
        try:
            contents = contents_of(self._loaded, blocks, notes_of(mends))
        except CannotInsert as problem:
            return self._unwritable(blocks, problem)
        assert self._loaded.reader is not None and self._loaded.spec is not None
        reader = Amended(self._loaded.reader, contents)
        spec, diagnostics = load(reader, discover())
        diagnostics = [*diagnostics, *(lint(spec, discover()) if spec is not None else ())]
        if spec is None or errors(diagnostics):
            return _judged(errors(diagnostics), blocks, contents)
        if not _only(self._loaded.spec, spec, blocks):
            return _Trial(strange=("another resource of the spec would be another one",))
        amended = replace(self._loaded, spec=spec, diagnostics=tuple(diagnostics), reader=reader)
        return _judged(self._new_errors(amended), blocks, contents)

    def _unwritable(self, blocks: Mapping[Address, Any], problem: CannotInsert) -> _Trial:
        """The resources whose lines have no place."""
        faults: dict[Address, str] = {}
        for address, fields in blocks.items():
            try:
                contents_of(self._loaded, {address: fields}, {})
            except CannotInsert as reason:
                faults[address] = str(reason)
        return _Trial(faults=faults or dict.fromkeys(blocks, str(problem)))

    def _whole(
        self, address: Address, fields: Mapping[str, Any], adopt: Collection[Address]
    ) -> dict[str, Any] | None:
        """The block of a resource: with what an account must have to stay as it is otherwise, where the spec
        does not declare it; None for an account that cannot be read.
        """
        if address in self._declared:
            more = {"adopt": True} if address in adopt else {}
            return dict(_missing(self._declared[address], address, fields)) | more
        account: Mapping[str, Any] | None = {}
        if address.kind == "users":
            account = self._account(address.name)
        if account is None:
            return None
        return {**account, **fields} | ({"adopt": True} if address in adopt else {})

    def _account(self, name: str) -> Mapping[str, Any] | None:
        if self._accounts is None:
            find, _ = importer("users")
            self._accounts = {
                account.name: {key: value for key, value in dict(account.fields).items() if key in _AS_IT_IS}
                for account in find(self._view(), Asked(system=True))
            }
        return self._accounts.get(name)

    def _view(self) -> HostView:
        if self._options.snapshot is None:
            return open_host(self._options.root)
        from reconciler.app.snapshot import load_snapshot

        assert self._loaded.spec is not None
        snapshot = load_snapshot(self._options.snapshot, self._loaded.spec, ())
        if snapshot.view is None:
            raise SourceError(snapshot.problem.detail if snapshot.problem else "the snapshot cannot be read")
        return snapshot.view

    def _new_errors(self, amended: Loaded) -> list[Diagnostic]:
        """The errors of the plan that the plan of the spec as it is does not have."""
        wrong = self._errors(amended)
        if wrong and self._usual is None:
            self._usual = {(item.summary, item.detail) for item in self._errors(self._loaded)}
        return [item for item in wrong if (item.summary, item.detail) not in (self._usual or ())]

    def _errors(self, loaded: Loaded) -> list[Diagnostic]:
        options = PlanOptions(self._options.root, snapshot=self._options.snapshot)
        return errors(plan_host(loaded, options).diagnostics)


def _missing(resource: Any, address: Address, fields: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The fields of a declared resource that are to change. A service that is declared reads its files as the
    spec says; only what mends the finding itself is set.
    """
    for name, value in fields.items():
        if address.kind == "services" and name in ("unit", "watch", "on_change"):
            continue
        if getattr(resource, name, None) != value:
            yield name, value


def _why(mend: Mend, faults: Mapping[Address, str]) -> str:
    return next((faults[address] for address in mend.entries if address in faults), "")


def _judged(
    wrong: Iterable[Diagnostic], blocks: Mapping[Address, Any], contents: Mapping[str, bytes]
) -> _Trial:
    faults: dict[Address, str] = {}
    strange: list[str] = []
    adopt: set[Address] = set()
    for item in wrong:
        address = item.address.resource if item.address is not None else None
        if address is None or address not in blocks:
            strange.append(item.detail or item.summary)
        elif item.rule == _ADOPTION and not blocks[address].get("adopt"):
            adopt.add(address)
        else:
            faults.setdefault(address, item.detail or item.summary)
    return _Trial(contents, faults, tuple(strange), frozenset(adopt))


def _only(before: Spec, after: Spec, changed: Collection[Address]) -> bool:
    """Whether all else of the spec is as it was."""
    kept = [
        {item.address: item.resource for item in spec.resources if item.address not in changed}
        for spec in (before, after)
    ]
    return kept[0] == kept[1] and before.settings == after.settings
