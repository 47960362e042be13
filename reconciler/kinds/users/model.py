"""The model of a user in the spec."""

# No `from __future__ import annotations`: pydantic would evaluate the text of each annotation at every start.

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from reconciler.core.model.fields import AbsolutePath, AccountName, Flag, KnownName, Mode, Text
from reconciler.core.model.places import NamesPath, Use
from reconciler.core.model.resource import Policy, RefersTo, Resource
from reconciler.formats.accounts import profile
from reconciler.formats.sudo import user_rules
from reconciler.kinds.shared.keys.model import KeyList
from reconciler.kinds.users.constants import EPOCH, NO_HOME, NOLOGIN, State
from reconciler.kinds.users.home_removal import FATES


def _not_root(name: str) -> str:
    if name == "root":
        raise ValueError(
            "leave root out: that account is not managed here, a mistake would shut everybody out"
        )
    return name


def _relative(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(
            "write the path below the home in its plain form: no '/' at either end, no '..', no '.', no '//'"
        )
    return path


def _day(text: str) -> str:
    if date.fromisoformat(text) <= EPOCH.replace(day=2):
        raise ValueError("write a later date, or `state: disabled`")
    return text


def _no_colon(path: str) -> str:
    if ":" in path:
        raise ValueError("write each directory as an entry of its own, without ':'")
    return path


def _settable(name: str) -> str:
    why = profile.variable_problem(name)
    if why:
        raise ValueError(why)
    return name


def _aliasable(name: str) -> str:
    why = profile.alias_problem(name)
    if why:
        raise ValueError(why)
    return name


def _command(run: list[str]) -> list[str]:
    why = user_rules.problem(run)
    if why:
        raise ValueError(why)
    return run


UserName = Annotated[AccountName, Field(description="The name of the account."), AfterValidator(_not_root)]
Comment = Annotated[Text, Field(pattern=r"^[^:]*\z", max_length=255)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\z"), AfterValidator(_settable)]
AliasName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}\z"), AfterValidator(_aliasable)]
PathEntry = Annotated[AbsolutePath, AfterValidator(_no_colon), NamesPath(Use.READS)]
Shell = Annotated[AbsolutePath, AfterValidator(_no_colon), NamesPath(Use.READS)]
HomePath = Annotated[AbsolutePath, Field(pattern=r"^/[^:]+\z"), NamesPath(Use.GIVES)]
HomeFate = Literal["keep", "archive", "delete"]
PathInHome = Annotated[Text, Field(min_length=1, max_length=1024), AfterValidator(_relative)]
Expiry = Annotated[
    str, Field(pattern=r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\z"), AfterValidator(_day)
]
GroupName = Annotated[KnownName, RefersTo("groups")]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ExactGroups(_Block):
    """These groups and no others."""

    exactly: list[GroupName]
    """The supplementary groups; any other one is left."""


class ExactKeys(_Block):
    """These keys and no others."""

    exactly: KeyList
    """The keys; every other line that lets somebody in is removed. Comments stay."""


class ForeignHome(_Block):
    """A home that belongs to somebody else by design: /var/www of www-data, the top of an sftp chroot,
    /usr/sbin of daemon.
    """

    path: Annotated[AbsolutePath, Field(pattern=r"^/[^:]*\z"), NamesPath(Use.READS)]
    """The path that the account names as its home. Nothing is made there, and nobody is given anything."""
    manage: Literal[False]
    """Always false: a home that is managed is written as its path alone."""

    def __str__(self) -> str:
        return self.path


class Environment(_Block):
    """Variables for login shells and interactive shells (sh and bash), in a file
    that only root can change.
    """

    set: dict[VariableName, Text] = {}
    """Variables and their values; nothing in a value is expanded."""
    prepend: dict[VariableName, list[PathEntry]] = {}
    """Directories to put in front of the value of a variable like PATH, unless they are in it already."""

    @model_validator(mode="after")
    def _once(self) -> Self:
        both = sorted(self.set.keys() & self.prepend.keys())
        if both:
            raise ValueError(f"{both[0]} is under `set` and under `prepend`: write it under one of them")
        return self


class SudoRule(_Block):
    """One command that the user may run with sudo."""

    run: Literal["ALL"] | Annotated[list[Text], Field(min_length=1), AfterValidator(_command)]
    """The exact command with its exact arguments, as a list; or ALL: everything. No wildcards."""
    as_: Annotated[AccountName | Literal["ALL"], Field(alias="as")] = "root"
    """As whom: a user, or ALL."""
    password: Flag = True
    """Whether sudo asks for the user's password. An account without one needs `false`."""


class User(Resource):
    """A person's or a service's account.

    When its block is removed, the account is disabled; its data, its number and its groups stay.
    """

    comment: Comment | None = None
    """Who or what it is (GECOS). When left out, it is the user's own business (chfn)."""
    groups: list[GroupName] | ExactGroups = []
    """Supplementary groups. A list means at least these; `{exactly: [...]}` means no others."""
    group: GroupName | None = None
    """The primary group; when left out one of the user's own name, which is made."""
    shell: Shell | None = None
    """The login shell.

    When left out, a new account gets /bin/bash (nologin if `system`); later it is the user's own business
    (chsh).
    """
    home: HomePath | HomeFate | ForeignHome | None = None
    """The home; /home/NAME when left out, none if `system`; `{path: ..., manage: false}` where it is not the
    user's own.

    With `state: absent`, its fate: keep, archive or delete.
    """
    home_mode: Mode | None = None
    """Permissions of the home.

    When left out, it is made with 0700, and later it is the user's own business.
    """
    uid: Annotated[int | None, Field(ge=1, le=4_294_967_294, strict=True)] = None
    """Its number; the next free one when left out.

    Cannot be changed later: files on disk carry the number.
    """
    directories: list[PathInHome] = []
    """Directories below the home, made with the user's own rights. They are never removed."""
    expires: Expiry | None = None
    """The first day, as YYYY-MM-DD, on which the account cannot be used any more; never when left out."""
    system: Flag = False
    """An account of a service: a number from the range for system accounts, no home, no shell, unless they
    are given.
    """
    state: State = State.PRESENT
    """present, disabled (nobody can log in; home, number and groups are kept) or absent (with `home: keep`,
    `archive` or `delete`).
    """
    environment: Environment = (
        Environment.model_construct()
    )  # not made by its validator, which would be built at every start
    """Variables for login shells and interactive shells."""
    aliases: dict[AliasName, Text] = {}
    """Aliases for interactive shells."""
    ssh_keys: Annotated[
        KeyList | ExactKeys | None, Policy("exactly", lambda keys: isinstance(keys, ExactKeys))
    ] = None
    """Keys to log in with, as under `ssh_keys:`.

    A list means at least these; `{exactly: [...]}` means no others.
    """
    sudo: list[SudoRule] = []
    """The rules for what the user may do with sudo."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fate = self.home in FATES
        if self.state is State.ABSENT and not fate:
            raise ValueError(
                "say what becomes of the home: `state: absent` needs `home: keep`, `home: archive` or `home:"
                " delete`"
            )
        if self.state is not State.ABSENT and fate:
            raise ValueError(f"`home: {self.home}` belongs to `state: absent`; otherwise `home` is a path")
        if isinstance(self.home, ForeignHome) and (self.directories or self.home_mode):
            raise ValueError(
                "`directories` and `home_mode` belong to a home that is managed; declare such places under"
                " `directories:`"
            )
        if (self.directories or self.ssh_keys is not None) and self.system and self.home is None:
            raise ValueError(
                "`directories` and `ssh_keys` are below the home, and a system account has none: give `home`"
                " a path"
            )
        return self

    def home_and_below(self, name: str) -> tuple[str, ...]:
        """As Resource.home_and_below."""
        home = home_of(self, name)
        return (home, *(f"{home}/{path}" for path in self.directories)) if has_home(self, name) else ()


def home_of(user: User, name: str) -> str:
    """The path of the home."""
    if isinstance(user.home, ForeignHome):
        return user.home.path
    if user.home is not None and user.home.startswith("/"):
        return user.home
    return NO_HOME if user.system else f"/home/{name}"


def has_home(user: User, name: str) -> bool:
    """Whether there is a home to be made, and to be the user's own."""
    return home_of(user, name) != NO_HOME and not isinstance(user.home, ForeignHome)


def shell_of(user: User) -> str:
    """The shell of a new account."""
    return user.shell or (NOLOGIN if user.system else "/bin/bash")
