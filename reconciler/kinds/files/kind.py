"""files: one regular file with its content, mode and owner.

It is written by rename: a reader sees the old file or the new one.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterable, Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from reconciler.core.actions import UnitVerb
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Observed, Part, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.kind import Kind, Requirement, RequirementType
from reconciler.core.model.fields import AbsolutePath, Flag, KnownName, Mode, TextBlock
from reconciler.core.model.resource import Policy, RefersTo, Resource, SourcePath
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.core.steps import Step
from reconciler.kinds.files import ORDER
from reconciler.kinds.files.observe import FileFacts, observe
from reconciler.kinds.shared import file_part, ownership, requirements, strict_readers, units


class File(Resource):
    """A regular file.

    When its block is removed, the file is removed too, unless somebody changed it by hand.
    """

    content: TextBlock | None = None
    """The text of the file, byte for byte."""
    source: Annotated[str | None, Field(min_length=1, max_length=4096), SourcePath()] = None
    """A file in the spec's own tree, relative to the file this is written in; any bytes."""
    mode: Mode
    """Permissions, as four octal digits in quotes.

    Required: there is no mode that is right for everything.
    """
    owner: Annotated[KnownName, RefersTo("users")] = "root"
    """The user who owns it."""
    group: Annotated[KnownName, RefersTo("groups")] = "root"
    """The group that owns it."""
    sensitive: Annotated[Flag, Policy()] = False
    """Never show the content: plans and the ledger hold only a keyed digest."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.content is None) == (self.source is None):
            raise ValueError("say either `content: TEXT` or `source: PATH`, exactly one of them")
        return self


_UNITS = "/etc/systemd/system/"
_JOBS = "/etc/cron.d/"
_OTHERS_READ = 0o004
_LARGEST = 1 << 18
"""The most bytes of a text that is searched for secrets."""


def _file(declared: Declared) -> File:
    assert isinstance(declared.resource, File)
    return declared.resource


def _content(declared: Declared) -> bytes:
    file = _file(declared)
    return (
        file.content.encode()
        if file.source is None and file.content is not None
        else declared.sources[file.source or ""]
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: the file."""
    file = _file(declared)
    content = _content(declared)
    document = {
        "type": "file",
        "content": digest(content),
        "mode": file.mode,
        "owner": file.owner,
        "group": file.group,
    }
    yield Part(declared.address, document, declared, content, file.sensitive)


def actions(change: Change) -> Iterator[Step]:
    """Write the file, set its access, or remove it.

    A unit file is followed by a reload of systemd, and the drop-in of a timer by a restart of the timer.
    """
    path = change.address.name
    yield from file_part.steps(change, path, ("content",), check=strict_readers.check_of(path))
    if path.startswith(_UNITS) and _in_force(change):
        yield units.daemon_reload(change.address, f"{path} changes")
        if timer := change.observed.facts(FileFacts).timer:
            yield units.step(change.address, UnitVerb.RESTART, timer, "its drop-in changes")


def resume_owed(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """A restart of a timer that a killed apply left with its old times."""
    if row.unit and row.unit == observed.facts(FileFacts).timer:
        yield units.step(part.address, UnitVerb.RESTART, row.unit, row.why)


def _in_force(change: Change) -> bool:
    """Whether the change concerns more than mode and owner."""
    return change.verb is not Verb.UPDATE or change.touches("content") or change.touches("type")


def references(declared: Declared) -> Iterable[Address]:
    """Its owners, the accounts that jobs in it run as, and the directories above it."""
    file = _file(declared)
    jobs = (Address("users", user) for user in _cron_users(declared))
    return (*ownership.owners(file.owner, file.group), *jobs, *ownership.above(declared.address.name))


def requires(declared: Declared) -> Iterable[Requirement]:
    """Its owners, the accounts that jobs in it run as, and its directory."""
    file = _file(declared)
    jobs = (Requirement(RequirementType.USER, user) for user in _cron_users(declared))
    return (
        *requirements.owner_requirements(file.owner, file.group),
        *jobs,
        *requirements.parent_requirement(declared.address.name),
    )


def _cron_users(declared: Declared) -> tuple[str, ...]:
    """The accounts that a file of cron's names: cron passes over a file that names an unknown one."""
    if not declared.address.name.startswith(_JOBS):
        return ()
    from reconciler.formats.schedule.cron_lines import users  # most files have nothing to do with it

    return users(_content(declared).decode("utf-8", "replace"))


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Yield what the reader of a directory such as /etc/sudoers.d would refuse or pass over."""
    path = declared.address.name
    yield from _secret_problems(declared)
    reader = strict_readers.reader_of(path) if path.startswith("/etc/") else None
    if reader is None:
        if why := strict_readers.hidden_from(path):
            yield warning(
                "its reader passes over the file",
                f"{path}: {why}",
                address=declared.address,
                source=declared.source,
                rule="reader",
            )
        return
    file, content, diagnostic = _file(declared), _content(declared), error if reader.sure else warning
    access = {"mode": file.mode, "owner": file.owner, "group": file.group}
    for why in strict_readers.complaints(path, content, **access, sensitive=file.sensitive):
        yield diagnostic(
            "its reader would not take the file",
            f"{path}: {why}",
            address=declared.address,
            source=declared.source,
            rule="reader",
        )


def _secret_problems(declared: Declared) -> Iterator[Diagnostic]:
    """Warn of a secret that everybody can read, or that is not marked as one."""
    path, file = declared.address.name, _file(declared)
    where = {"address": declared.address, "source": declared.source}
    if file.sensitive and int(file.mode, 8) & _OTHERS_READ:
        why = (
            f"{path} is marked sensitive, and its mode {file.mode} lets everybody on the host read it. Write"
            " 0640 or 0600."
        )
        yield warning("everybody can read a secret", why, rule="open-secret", **where)
    if _is_unmarked_secret(declared):
        why = (
            f"{path} seems to have a secret in it, and plans and snapshots show its text but for what its"
            " shape tells. Write `sensitive: true`, or keep the secret in a file of its own."
        )
        yield warning("a secret that is not marked", why, rule="unmarked-secret", **where)


def _is_unmarked_secret(declared: Declared) -> bool:
    """Whether a file that others may not read seems to hold a secret, and is not marked `sensitive`."""
    file = _file(declared)
    if file.sensitive or int(file.mode, 8) & _OTHERS_READ:
        return False
    from reconciler.core.secrets.masking import holds_secret  # few files are closed

    content = _content(declared)
    lines = content.decode("utf-8", "replace").split("\n") if len(content) <= _LARGEST else []
    return holds_secret("\n".join(line for line in lines if not line.lstrip().startswith(("#", ";"))))


KIND = Kind(
    name="files",
    model=File,
    name_type=Annotated[AbsolutePath, Field(description="Where the file is.")],
    expand=expand,
    observe=observe,
    actions=actions,
    order=ORDER,
    tells_access=True,
    ownership_keys=("type", "content"),
    references=references,
    requires=requires,
    lint=lint,
    resume_owed=resume_owed,
    paths=lambda address: (address.name,),
    identity=lambda address: (address.name,),
)
