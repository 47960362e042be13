"""The whole answer as a matrix: who logs in and who becomes root, by what, now and after a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.core.basics.frozen import frozen
from reconciler.policy.access.changes import LOGIN, ROOT, Sides
from reconciler.policy.access.host_access import HostAccess
from reconciler.policy.access.missing import unread
from reconciler.policy.access.ways import EVERYBODY


@frozen
class Line:
    """One way of one account.

    `to` is `root` or `login`; `now` and `after` say whether it is open before and after the plan.
    """

    account: str
    to: str
    by: str
    now: bool
    after: bool
    likely: bool = False
    """As in a Way: what is not known decides whether it is one."""


@frozen
class Closed:
    """Why an account does not log in, now and after the plan; empty where it does."""

    account: str
    now: str
    after: str


@frozen
class Matrix:
    """All lines, those to root first and by their danger; why the others do not log in; and what could not be
    read, in words.
    """

    lines: tuple[Line, ...]
    closed: tuple[Closed, ...]
    unknown: tuple[str, ...] = ()


def matrix(sides: Sides, who: Collection[str] = (), to: str = "") -> Matrix:
    """The matrix of these accounts, or of all; only ways to `root` or to `login`, or both."""
    names = dict.fromkeys((EVERYBODY, *sides.before.people.users, *sides.after.people.users))
    lines: list[Line] = []
    closed: list[Closed] = []
    for name in who or names:
        account_lines = [*_root(sides, name), *_login(sides, name)]
        reasons = Closed(name, *(host.of(name).login.why for host in (sides.before, sides.after)))
        lines += [line for line in account_lines if to in ("", line.to)]
        closed += [reasons] if name != EVERYBODY and (reasons.now or reasons.after) else []
    unknown = tuple(unread((sides.before, sides.after), who or names, to))
    return Matrix(tuple(sorted(lines, key=lambda line: line.to != ROOT)), tuple(closed), unknown)


def _root(sides: Sides, name: str) -> Iterator[Line]:
    before, after = ({way.by: way for way in host.of(name).root} for host in (sides.before, sides.after))
    ways = sorted({**before, **after}.values(), key=lambda way: (way.rank, way.by))
    yield from (Line(name, ROOT, way.by, way.by in before, way.by in after, way.likely) for way in ways)


def _login(sides: Sides, name: str) -> Iterator[Line]:
    before, after = (_ways_in(host, name) for host in (sides.before, sides.after))
    yield from (Line(name, LOGIN, by, by in before, by in after) for by in dict.fromkeys((*before, *after)))


def _ways_in(host: HostAccess, name: str) -> list[str]:
    user = host.people.users.get(name)
    return [] if user is None else host.words(user)
