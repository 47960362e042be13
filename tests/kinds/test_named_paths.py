"""Each field that holds a path says what becomes of it: the rules over paths need no list of fields, and a
new kind gets them unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from reconciler.core.kind import Kind
from reconciler.core.model.fields import AbsolutePath
from reconciler.core.model.places import NamesPath, Use, fields
from reconciler.core.model.resource import Resource, SourcePath
from reconciler.core.paths.declared_places import places
from reconciler.core.spec import Declared
from reconciler.kinds import discover
from reconciler.spec.annotations import fields_of, is_model
from tests.engine.workbench import address, spec_of

pytestmark = pytest.mark.slow

NO_PATHS = ("x", "@/srv/x y")
"""A name, and a command in systemd's own syntax."""


def texts(annotation: Any, metadata: tuple[Any, ...], way: str) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Each place below an annotation where a text may stand: the way to it, its type, and all marks on the
    way.
    """
    if get_origin(annotation) is Annotated:
        yield from texts(annotation.__origin__, (*metadata, *annotation.__metadata__), way)
    elif annotation is str:
        yield way, str, metadata
    elif is_model(annotation):
        for name, info in fields_of(annotation).items():
            yield from texts(info.annotation, tuple(info.metadata), f"{way}.{name}")
    else:
        kept = tuple(mark for mark in metadata if isinstance(mark, NamesPath | SourcePath))
        for member in get_args(annotation):
            if isinstance(member, type) or get_origin(member) is not None:
                yield from texts(member, kept, way)


def accepts(kind: Any, metadata: tuple[Any, ...], text: str) -> bool:
    """Whether a text passes the type with these constraints."""
    whole: Any = kind
    for mark in metadata:
        whole = Annotated[whole, mark]
    try:
        TypeAdapter(whole).validate_python(text)
    except ValidationError:
        return False
    return True


def unmarked(model: type[Resource]) -> list[str]:
    """The fields that take a path and nothing else, and do not say what becomes of it."""
    found = []
    for name, info in fields_of(model).items():
        for way, kind, metadata in texts(info.annotation, tuple(info.metadata), name):
            marked = any(isinstance(mark, NamesPath | SourcePath) for mark in metadata)
            if (
                not marked
                and accepts(kind, metadata, "/srv/x/y")
                and not any(accepts(kind, metadata, text) for text in NO_PATHS)
            ):
                found.append(way)
    return found


@pytest.mark.parametrize("name", discover())
def test_each_field_that_takes_a_path_says_what_becomes_of_it(name: str) -> None:
    """Whoever adds a field of paths without `NamesPath` is told here."""
    assert [] == unmarked(discover()[name].model)


class _Block(Resource):
    inner: list[AbsolutePath] = []


class _Unmarked(Resource):
    """As somebody would write a new kind."""

    plain: AbsolutePath | None = None
    listed: list[AbsolutePath] = []
    mapped: dict[str, AbsolutePath] = {}
    block: _Block | None = None
    own: Annotated[str, Field(pattern=r"^/[a-z/]+\z")] = "/x"
    text: str = ""
    marked: Annotated[list[AbsolutePath], NamesPath(Use.READS)] = []


def test_an_unmarked_path_is_found_wherever_it_is() -> None:
    """The test above can fail: in a list, a mapping, a block, and with a pattern of its own."""
    assert ["plain", "listed", "mapped", "block.inner", "own"] == unmarked(_Unmarked)


class _Inner(Resource):
    to: Annotated[AbsolutePath, NamesPath(Use.WRITES_INTO)] = "/inner"


class _New(Resource):
    """A kind that nobody has thought of."""

    owner: str = "root"
    mode: str = "0755"
    into: Annotated[list[AbsolutePath], NamesPath(Use.WRITES_INTO)] = []
    by_name: dict[str, Annotated[AbsolutePath, NamesPath(Use.READS)]] = {}
    block: _Inner | None = None
    home: Annotated[AbsolutePath, NamesPath(Use.GIVES)] | None = None


def test_a_new_kind_is_in_the_table_without_asking() -> None:
    """Its marked fields, in whatever form, and its name if that is a path, with the owner and mode that the
    resource says.
    """
    kind = Kind("new", _New, str, lambda *_: (), lambda *_: {}, lambda _: (), ())
    resource = _New(
        owner="ann", mode="0777", into=["/a", "/b"], by_name={"x": "/c"}, block=_Inner(to="/d"), home="/e"
    )
    (declared,) = spec_of({"groups": {"any": {}}}).resources
    found = list(places(kind, Declared(address('files["/srv/new"]'), resource, declared.source)))

    assert [
        ("/srv/new", "manages", "ann", "0777"),
        ("/a", "writes into", "root", ""),
        ("/b", "writes into", "root", ""),
        ("/c", "reads", "root", ""),
        ("/d", "writes into", "root", ""),
        ("/e", "gives", "/srv/new", ""),
    ] == [(place.path, str(place.use), place.owner, place.mode) for place in found]


def test_what_kinds_say_of_their_fields() -> None:
    """The table as it is: another use for a field is a decision."""
    said = {
        (f"{name}.{field}", str(use))
        for name, kind in discover().items()
        for field, use, _ in fields(kind.model)
    }

    assert {
        ("audit.allow", "reads"),
        ("audit.scan", "reads"),
        ("users.shell", "reads"),
        ("users.home", "gives"),
        ("users.home", "reads"),  # one that is not managed
        ("users.environment", "reads"),
        ("services.working_directory", "reads"),
        ("services.environment_file", "hands on"),
        ("services.load_credential", "hands on"),
        ("services.standard_output", "writes into"),
        ("services.standard_error", "writes into"),
        ("services.watch", "reads"),
        ("timers.working_directory", "reads"),
        ("logrotate.paths", "writes into"),
        ("logrotate.olddir", "writes into"),
        ("backups.sources", "reads"),
        ("backups.destinations", "writes into"),
        ("backups.destinations", "reads"),  # the private key of one on another machine
        ("backups.password_file", "reads"),
        ("backups.drill_directory", "writes into"),
        ("backups.require_mount", "reads"),
    } == said
