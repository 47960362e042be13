"""ssh_keys: the keys with which a user can log in, in ~/.ssh/authorized_keys.

The file is written with the user's own rights.
"""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import GetJsonSchemaHandler, model_validator

from reconciler.core.address import Address
from reconciler.core.changes import Change, Part
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.kind import Kind, Requirement
from reconciler.core.model.fields import KnownName
from reconciler.core.model.places import Place, Use
from reconciler.core.model.resource import Policy, Resource
from reconciler.core.spec import Declared, Spec
from reconciler.core.steps import Step
from reconciler.formats.ssh.authorized_keys import RSA_GOOD, Key
from reconciler.kinds.shared.keys import parts as keys
from reconciler.kinds.shared.keys.model import KeyList, keys_of
from reconciler.kinds.ssh_keys import ORDER
from reconciler.kinds.ssh_keys.observe import observe


class SshKeys(Resource):
    """The keys of one user, who may be declared under `users` or exist already.

    Only a list: the user has at least these keys.

    A key that is taken out of the list can no longer log in. The file itself stays, with what the user put
    there.
    """

    LIST_FORM: ClassVar[str] = "keys"
    """The field that a list stands for."""

    keys: KeyList | None = None
    """At least these keys: other lines of the file are left alone. The same as only a list."""
    exactly: Annotated[KeyList | None, Policy("exactly", lambda keys: keys is not None)] = None
    """These keys and no others: every other line that lets somebody in is removed, from authorized_keys2 too.

    Comments stay.
    """

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {cls.LIST_FORM: value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.keys is None) == (self.exactly is None):
            raise ValueError(
                "say either `keys` (at least these) or `exactly` (no others), exactly one of them"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        """Either form."""
        schema = handler.resolve_ref_schema(handler(core))
        listed = next(form for form in schema["properties"]["keys"]["anyOf"] if form.get("type") == "array")
        description = schema.pop("description", "")
        return {"description": description, "anyOf": [listed, schema]}

    def declared_keys(self) -> tuple[Key, ...]:
        """The keys in the order of the spec."""
        return keys_of(self.exactly if self.exactly is not None else self.keys)


def _resource(declared: Declared) -> SshKeys:
    assert isinstance(declared.resource, SshKeys)
    return declared.resource


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """The file, then each key."""
    resource = _resource(declared)
    return keys.parts(
        declared, declared.address.name, resource.declared_keys(), exactly=resource.exactly is not None
    )


def actions(change: Change) -> Iterator[Step]:
    """The steps for the file or a key. An account that is still to be made will have its declared home."""
    return keys.actions(change, change.address.name, _home(change.part.declared) if change.part else "")


def _home(declared: Declared) -> str:
    """The path of the home that the spec declares for the user; empty for the usual one."""
    home = getattr(declared.beside.get("users"), "home", None)
    path = str(getattr(home, "path", home) or "")  # a home that is not managed is a block with a `path`
    return path if path.startswith("/") else ""


def places(declared: Declared) -> Iterator[Place]:
    """The paths of the files with keys, in the declared home or in the usual one."""
    name = declared.address.name
    yield from (
        Place(path, Use.MANAGES, name, name, shared=keys.shared(name))
        for path in keys.paths(name, _home(declared))
    )


def references(declared: Declared) -> Iterable[Address]:
    """The user and the home."""
    return keys.references(declared.address.name, _home(declared))


def requires(declared: Declared) -> Iterator[Requirement]:
    """The account."""
    return keys.requires(declared.address.name)


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """Keys that are accepted, but short."""
    for key in _resource(declared).declared_keys():
        if key.type == "ssh-rsa" and key.bits < RSA_GOOD:
            detail = (
                f"{key.fingerprint} ({key.comment or 'no comment'}) has {key.bits} bits; {RSA_GOOD} are"
                " recommended, or ed25519."
            )
            yield warning(
                "short RSA key", detail, address=declared.address, source=declared.source, rule="rsa-bits"
            )


def lint_spec(spec: Spec) -> Iterator[Diagnostic]:
    """Yield lists of keys that are declared twice for a user, and keys that two users have."""
    users = {block.address.name: block for block in spec.resources if block.address.kind == "users"}
    owners: dict[bytes, str] = {}
    for declared in spec.resources:
        name = declared.address.name
        if declared.address.kind == "ssh_keys" and name in users and _in_user(users[name]) is not None:
            detail = (
                f"users.{name} has `ssh_keys` too; two lists for one file would undo each other. Keep one of"
                " them."
            )
            yield error(
                "keys declared twice",
                detail,
                address=declared.address,
                source=declared.source,
                rule="keys-twice",
            )
        for key in _listed(declared):
            other = owners.setdefault(key.blob, name)
            if other != name:
                detail = (
                    f"{key.fingerprint} ({key.comment or 'no comment'}) lets its owner in as {other} and as"
                    f" {name}."
                )
                yield warning(
                    "one key for two users",
                    detail,
                    address=declared.address,
                    source=declared.source,
                    rule="shared-key",
                )


def _in_user(declared: Declared) -> Any:
    """The keys within a block of `users`; None for a block without them, or of another kind."""
    return getattr(declared.resource, "ssh_keys", None) if declared.address.kind == "users" else None


def _listed(declared: Declared) -> tuple[Key, ...]:
    """The keys that a block declares, under `ssh_keys` or within `users`."""
    if declared.address.kind == "ssh_keys":
        return _resource(declared).declared_keys()
    keys_in_user = _in_user(declared)
    return keys_of(getattr(keys_in_user, "exactly", keys_in_user)) if keys_in_user else ()


KIND = Kind(
    name="ssh_keys",
    model=SshKeys,
    name_type=KnownName,
    expand=expand,
    observe=observe,
    actions=actions,
    ownership_keys=(),
    order=ORDER,
    tells_access=True,
    programs=(("sshd", "openssh-server"),),
    whole=False,
    reason_to_keep=lambda _view, address, _vanishing: keys.reason_to_keep(address),
    paths=lambda address: keys.paths(address.name),
    places=places,
    identity=keys.identity,
    references=references,
    requires=requires,
    lint=lint,
    lint_spec=lint_spec,
    sibling_kinds=("users",),
)
