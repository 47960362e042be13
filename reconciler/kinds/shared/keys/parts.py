"""Keys in a user's ~/.ssh/authorized_keys, one part per key: each key that comes or goes is a line of a plan.

Both the kind `ssh_keys` and `ssh_keys` within a user are made of these functions. `prefix` is empty for the
first and `ssh_keys` for the second; an address is ours if `key_observe.is_ours(address, prefix)`. The main
part (`prefix` itself) is the file with its directory and, with `exactly`, the absence of other lines.

A kind passes all its addresses to `key_observe.observe` at once: a key that one of them stands for is not
foreign. It has `whole=False` and no `ownership_keys`: a key whose options were changed by hand is withdrawn
all the same.

The home of an account that exists is that of /etc/passwd; an account that does not exist yet will have the
`home` that `actions` gets, or /home/NAME. Nothing is ever written through a link, and nothing is read that
the users could not read themselves: a plan would show it to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.core.actions import ABSENT, EditLines, MakeDirectory, SetAccess
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Part, Verb
from reconciler.core.kind import Requirement, RequirementType
from reconciler.core.spec import Declared
from reconciler.core.steps import Cause, Step
from reconciler.formats.ssh.authorized_keys import Key
from reconciler.kinds.shared import ownership
from reconciler.kinds.shared.keys.observe import FILES, KeyFacts, fingerprint_of, rendered_options


def paths(user: str, home: str = "") -> Iterator[str]:
    """Yield the paths that are written, for a user with this home; /home/NAME when it is empty."""
    directory = f"{home or f'/home/{user}'}/.ssh"
    yield directory
    for name in FILES:
        yield f"{directory}/{name}"


def shared(user: str) -> str:
    """The word in `Place.shared` of these paths: `users` and `ssh_keys` may both declare them."""
    return f"keys of {user}"


def identity(address: Address) -> Iterator[str]:
    """The key of the user, wherever in the spec it is declared; nothing for the main part."""
    if fingerprint_of(address):
        yield f"{address.name} {fingerprint_of(address)}"


def parts(
    declared: Declared, user: str, keys: Iterable[Key], *, exactly: bool, prefix: str = ""
) -> Iterator[Part]:
    """The file and its directory, then each key."""
    kind, name = declared.address.kind, declared.address.name
    document: Document = {
        "file": {"mode": "0600", "owner": user},
        "directory": {"mode": "0700", "owner": user},
    }
    if exactly:
        document["others"] = []
    main = Address(kind, name, prefix)
    yield Part(main, document, declared)
    for key in keys:
        address = Address(kind, name, f"{prefix}/{key.fingerprint}" if prefix else key.fingerprint)
        document = {"type": key.type, "options": rendered_options(key)}
        yield Part(address, document, declared, key.render().encode(), needs=(main,), note=key.comment)


def references(user: str, home: str = "") -> Iterable[Address]:
    """The user and the home, should they be declared."""
    return (
        Address("users", user),
        Address("users", user, "home"),
        *ownership.above(f"{home or f'/home/{user}'}/.ssh"),
    )


def requires(user: str) -> Iterator[Requirement]:
    """The account."""
    yield Requirement(RequirementType.USER, user)


def reason_to_keep(address: Address) -> str:
    """Why the main part stays when it leaves the spec; empty for a key."""
    return "" if fingerprint_of(address) else "the file stays with the user; only keys of ours are taken out"


def actions(change: Change, user: str, home: str = "") -> Iterator[Step]:
    """Make the directory and edit the files. Edits of one file become one (`engine.ordering`)."""
    facts, cause = change.observed.facts(KeyFacts), (Cause(change.address),)
    directory = f"{home or f'/home/{user}' if facts.home is None else facts.home}/.ssh"
    lines, expects = facts.lines, facts.expects
    as_user: dict[str, Any] = {"owner": user, "group": "", "as_user": user}

    def edit(name: str, add: tuple[str, ...] = ()) -> Step:
        action = EditLines(
            f"{directory}/{name}",
            add,
            lines.get(name, ()),
            "0600",
            expects=expects.get(name, ABSENT),
            **as_user,
        )
        return Step(action, cause)

    if change.verb is Verb.DELETE:
        yield from (edit(name) for name in FILES if lines.get(name))
        return
    assert change.part is not None
    if fingerprint_of(change.address):
        assert change.part.content is not None
        yield edit(FILES[0], (change.part.content.decode(),))
        yield from (edit(name) for name in FILES[1:] if lines.get(name))
        return
    if facts.directory is None:
        yield Step(MakeDirectory(directory, "0700", **as_user), cause)
    elif facts.directory != change.part.document["directory"]:
        yield Step(SetAccess(directory, "0700", **as_user), cause)
    exactly = "others" in change.part.document
    if exactly:
        yield from (edit(name) for name in FILES[1:] if lines.get(name))
    if change.before is None or change.touches("file") or (exactly and lines.get(FILES[0])):
        removed = lines.get(FILES[0], ()) if exactly else ()
        yield Step(
            EditLines(
                f"{directory}/{FILES[0]}",
                (),
                removed,
                "0600",
                expects=expects.get(FILES[0], ABSENT),
                **as_user,
            ),
            cause,
        )
