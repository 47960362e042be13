"""logrotate: how logs are rotated.

One policy is one file in /etc/logrotate.d, and the whole tree is judged before it is put there.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from reconciler.core.actions import Check
from reconciler.core.address import Address
from reconciler.core.changes import Change, Part
from reconciler.core.kind import Kind, Requirement, RequirementType
from reconciler.core.spec import Declared
from reconciler.core.steps import Step
from reconciler.formats import logrotate as form
from reconciler.kinds.logrotate import ORDER, checks
from reconciler.kinds.logrotate.model import Policy, PolicyName, Script
from reconciler.kinds.logrotate.observe import observe, path_of
from reconciler.kinds.shared import file_part, ownership, requirements

_FILE = {"type": "file", "mode": "0644", "owner": "root", "group": "root"}
_CONTENT = ("paths", "directives", "scripts", "unexpected")
VALUES = ("size", "minsize", "maxsize", "rotate", "maxage", "dateformat", "olddir")
FLAGS = {
    "compress": "nocompress",
    "delaycompress": "nodelaycompress",
    "missingok": "nomissingok",
    "notifempty": "ifempty",
    "copytruncate": "nocopytruncate",
    "dateext": "nodateext",
    "sharedscripts": "nosharedscripts",
}
SCRIPTS = ("firstaction", "prerotate", "postrotate", "lastaction")
_SYSTEMCTL = "/usr/bin/systemctl"


def _policy(declared: Declared) -> Policy:
    assert isinstance(declared.resource, Policy)
    return declared.resource


def _header(address: Address) -> tuple[str, ...]:
    mark = form.MARK.removeprefix("# ").removesuffix("logrotate.")
    return (f"{mark}{address}.", "Change the spec instead: what is changed here is put back.")


def _directives(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.su:
        yield "su", f"{policy.su.user} {policy.su.group}"
    if policy.frequency:
        yield str(policy.frequency), ""
    for name in VALUES:
        value = getattr(policy, name)
        if value is not None:
            yield name, str(value)
    for name, opposite in FLAGS.items():
        value = getattr(policy, name)
        if value is not None:
            yield name if value else opposite, ""
    if policy.create:
        yield "create", f"{policy.create.mode} {policy.create.owner} {policy.create.group}"
    if policy.nocreate:
        yield "nocreate", ""


def _lines(script: Script) -> tuple[str, ...]:
    if script.reload is None:
        return (shlex.join(script.run or ()),)
    # A stopped service needs no reload and is no error. A reload that fails is one: the service goes on
    # writing to the old log.
    unit = shlex.quote(f"{script.reload}.service")
    return (
        f"if {_SYSTEMCTL} --quiet is-active {unit}; then {_SYSTEMCTL} --no-ask-password reload {unit}; fi",
    )


def stanza(policy: Policy) -> form.Stanza:
    """The one block of the policy's file."""
    scripts = ((name, getattr(policy, name)) for name in SCRIPTS)
    return form.Stanza(
        tuple(policy.paths),
        tuple(_directives(policy)),
        tuple((name, _lines(script)) for name, script in scripts if script is not None),
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: the file."""
    block = stanza(_policy(declared))
    content = form.render(block, _header(declared.address)).encode()
    yield Part(declared.address, {**_FILE, **form.Config((block,)).data()}, declared, content)


def actions(change: Change) -> Iterator[Step]:
    """Write the file once logrotate accepts it, set its access, or remove it."""
    return file_part.steps(change, path_of(change.address), _CONTENT, check=Check.LOGROTATE)


def _accounts(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.create:
        yield policy.create.owner, policy.create.group
    if policy.su:
        yield policy.su.user, policy.su.group


def references(declared: Declared) -> Iterable[Address]:
    """The accounts and the directories of the logs: logrotate refuses a policy that names missing ones."""
    policy = _policy(declared)
    named = (address for owner, group in _accounts(policy) for address in ownership.owners(owner, group))
    olddir = (f"{policy.olddir}/x",) if policy.olddir else ()
    return (*named, *ownership.above(*policy.paths, *olddir, path_of(declared.address)))


def requires(declared: Declared) -> Iterable[Requirement]:
    """The accounts, the directory of policies and that of old logs."""
    policy = _policy(declared)
    yield from (
        need for owner, group in _accounts(policy) for need in requirements.owner_requirements(owner, group)
    )
    yield Requirement(RequirementType.DIRECTORY, form.DIRECTORY)
    if policy.olddir:
        yield Requirement(RequirementType.DIRECTORY, policy.olddir)


KIND = Kind(
    name="logrotate",
    model=Policy,
    name_type=PolicyName,
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=("type", *_CONTENT),
    order=ORDER,
    programs=(("logrotate", "logrotate"),),
    references=references,
    requires=requires,
    paths=lambda address: (path_of(address),),
    identity=lambda address: (path_of(address),),
    lint_spec=checks.lint,
    check=checks.check,
    foreign_overrides=checks.others,
)
