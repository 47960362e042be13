"""Who gains or loses access by a plan: accounts, keys, groups that amount to root, sudo rules.

A reviewer must not overlook these. Two answers are in one list. The first compares the whole host before and
after the plan, for everybody whom the plan concerns: who becomes root, who can log in
(`policy.access.host_access`). The second is what the plan does, change by change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Document, Origin, Verb
from reconciler.core.plan import Plan
from reconciler.formats.ssh.authorized_keys import read
from reconciler.kinds import of_accounts
from reconciler.kinds.shared.keys.observe import KeyFacts
from reconciler.kinds.users.facts import AccountFacts
from reconciler.kinds.users.home_removal import fate_of
from reconciler.policy.access.group_powers import group_words
from reconciler.policy.access.host_access import HostAccess
from reconciler.policy.access.ways import EVERYBODY, Writer, quoted
from reconciler.policy.file_changes import Effects, of_directory, of_file

_NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")
_FINGERPRINT = "SHA256:"
KEY = "ssh key"

Texts = Mapping[Address, tuple[str | None, str | None]]


@frozen
class Access:
    """One thing that somebody can do after the plan and could not before, or the other way round."""

    account: str
    """Empty where it is everybody, or where a file decides for anybody."""
    effect: str
    """`gains`, `loses` or `changes`."""
    what: str
    """`root`, `login`, `way to root` (one of several that is lost), `person` (another account that it
    becomes), or what the plan does: `account`, `group`, `shell`, `ssh key`, `sudo rule`, `file`, `home`.
    """
    detail: str
    """The way, the reason, or the thing itself, in words."""
    address: Address | None
    """The part that causes it; None for a file that no part is."""
    drift: bool = False
    """It is put back as it was approved before."""
    likely: bool = False
    """As in a Way."""
    holder: str = ""
    """The key whose holder it is, where it is not the account itself."""
    person: str = ""
    """The account that it becomes, which is not root."""


ROOT, LOGIN, WAY, PERSON = "root", "login", "way to root", "person"
_DANGER = (
    ("gains", ROOT),
    ("gains", PERSON),
    ("gains", LOGIN),
    ("loses", ROOT),
    ("loses", WAY),
    ("loses", LOGIN),
)
"""The most dangerous first; everything else follows in the order of the plan."""

_Ranked = tuple[int, str, Access]
"""A way to root, with its rank and the account."""
_FEW = 3
"""The number of accounts from which on they are named together."""


@frozen
class Sides:
    """The host before and after a plan, and the accounts that the plan concerns."""

    before: HostAccess
    after: HostAccess
    names: tuple[str, ...]


def access_diff(plan: Plan, texts: Texts, sides: Sides | None = None) -> list[Access]:
    """Everything that the plan changes about access, the most dangerous first; what is blocked or held does
    not happen.

    `texts` as in the document of the plan. Without `sides` there is only what the plan does. Raises HostError
    for what cannot be read.
    """
    changes = [change for change in plan.changes if _happens(change, plan)]
    answers = list(_answers(sides, _Causes(changes))) if sides is not None else []
    return [
        *sorted(answers, key=lambda row: _DANGER.index((row.effect, row.what))),
        *_done(changes, texts, sides),
    ]


def _happens(change: Change, plan: Plan) -> bool:
    return (
        change.verb not in (Verb.NONE, Verb.FORGET)
        and change.address not in plan.blocked
        and change.address not in plan.held
    )


def _done(changes: Iterable[Change], texts: Texts, sides: Sides | None) -> Iterator[Access]:
    for change in changes:
        tell = TELLERS.get(change.address.kind)
        if tell is None:
            continue
        account = "" if change.address.kind in ("files", "directories") else change.address.name
        drift = change.origin is Origin.DRIFT
        for effect, what, detail in tell(change, texts.get(change.address, (None, None))):
            words = _as_taken(sides, change, effect, detail) if what == KEY else (effect, detail)
            yield Access("" if what == "open" else account, words[0], what, words[1], change.address, drift)


# ------------------------------------------------------------------------------------------- before and after


class _Causes:
    """The changes of a plan that stand behind the gain or loss of an account."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._of: dict[str, Change] = {}
        self._other: Change | None = None
        for change in changes:
            if change.address.kind in of_accounts():
                self._of.setdefault(change.address.name, change)
            elif change.address.kind != "groups":
                self._other = self._other or change

    def row(
        self,
        account: str,
        effect: str,
        what: str,
        detail: str,
        address: Address | None = None,
        *,
        likely: bool = False,
    ) -> Access:
        """A row with the address of the change behind it, and whether that is a repair."""
        cause = self._of.get(account) or self._other
        drift = cause is not None and cause.origin is Origin.DRIFT and address is None
        return Access(
            account,
            effect,
            what,
            detail,
            address or (cause.address if cause is not None else None),
            drift,
            likely,
        )


def _answers(sides: Sides, causes: _Causes) -> Iterator[Access]:
    ways: list[_Ranked] = []
    for name in (EVERYBODY, *sides.names):
        was, will = sides.before.of(name), sides.after.of(name)
        words_before, words_after = {way.by for way in was.root}, {way.by for way in will.root}
        sure_before = {way.by for way in was.root if not way.likely}
        new = [
            way
            for way in will.root
            if way.by not in words_before or not (way.likely or way.by in sure_before)
        ]
        ways += [
            (way.rank, name, causes.row(name, "gains", ROOT, way.by, way.address, likely=way.likely))
            for way in new
        ]
        latent = _latent(sides.before, name), _latent(sides.after, name)
        if latent[1] and not latent[0] and not was.root and not will.root:
            yield causes.row(name, "gains", ROOT, latent[1], likely=True)
        lost = WAY if will.root else ROOT
        yield from (
            causes.row(name, "loses", lost, way.by)
            for way in was.root
            if way.by not in words_after and not will.root_unread
        )
        if was.login_unread or will.login_unread:
            continue
        if will.login.can and not was.login.can:
            yield causes.row(name, "gains", LOGIN, will.login.how)
        if was.login.can and not will.login.can:
            yield causes.row(name, "loses", LOGIN, will.login.why)
    yield from (row for _, _, row in sorted(_summed_up(ways, sides), key=lambda item: item[:2]))
    yield from _persons(sides, causes)


def _persons(sides: Sides, causes: _Causes) -> Iterator[Access]:
    """Yield who becomes another account that is not root, by what that account runs or reads.

    Somebody who is root already is left out; several members of a group are one row.
    """
    for hand in sides.after.hands.values():
        writers_before = sides.before.hands[hand.by].writers if hand.by in sides.before.hands else {}
        new = {
            name: writer
            for name, writer in hand.writers.items()
            if name not in writers_before and EVERYBODY not in writers_before
        }
        if EVERYBODY in new:
            new = {EVERYBODY: new[EVERYBODY]}
        members = Counter(writer.group for writer in new.values() if writer.group)
        writers: dict[str, Writer] = {}
        for name, writer in new.items():
            if members[writer.group] > _FEW:
                writers.setdefault(f"members of {writer.group}", writer)
            elif name != hand.person and not sides.after.becomes_root(name):
                writers[name] = writer
        for name, writer in writers.items():
            likely = hand.likely or writer.likely
            row = causes.row(name, "gains", PERSON, f"{hand.by}; {writer.how}", hand.address, likely=likely)
            yield replace(row, person=hand.person)


def _latent(host: HostAccess, name: str) -> str:
    """The way by which an account would be root if it had a password; empty where there is none."""
    user = host.people.users.get(name)
    return next((way.by for way in host.becoming.latent(user)), "") if user is not None else ""


def _summed_up(ways: Sequence[_Ranked], sides: Sides) -> Iterator[_Ranked]:
    """Yield the rows, one for EVERYBODY where all accounts have the way: nobody reads all their names."""
    having = Counter(row.detail for _, name, row in ways if name)
    common = {by for by, number in having.items() if number >= _FEW and _is_common(by, sides.after)}
    details: set[str] = set()
    for rank, name, row in ways:
        if row.detail not in common:
            yield rank, name, row
        elif row.detail not in details:
            details.add(row.detail)
            yield rank, EVERYBODY, replace(row, account=EVERYBODY)


def _is_common(by: str, host: HostAccess) -> bool:
    others = (user.name for user in host.people.users.values() if user.uid)
    return all(any(way.by == by for way in host.of(name).root) for name in others)


def _as_taken(sides: Sides | None, change: Change, effect: str, detail: str) -> tuple[str, str]:
    """The effect and detail of a key: one that comes is gained only where sshd will take it."""
    why = refused_key(sides, change) if effect == "gains" else ""
    return ("changes", f"{detail} is written, and sshd does not take it: {why}") if why else (effect, detail)


def refused_key(sides: Sides | None, change: Change) -> str:
    """Why sshd will not take the key that a change brings; empty if it will."""
    user = sides.after.people.users.get(change.address.name) if sides is not None else None
    at = change.address.part.find(_FINGERPRINT)
    if sides is None or user is None or at < 0:
        return ""
    fingerprint = change.address.part[at:]
    # the answer about the login names the first key that sshd takes: that one has been judged already
    is_known = sides.after.of(user.name).login.how.startswith(f"key {fingerprint} ")
    return "" if is_known else sides.after.why_no_key(user, fingerprint)


# ---------------------------------------------------------------------------------------------------- users


def _user(change: Change, texts: tuple[str | None, str | None]) -> Effects:
    part = change.address.part
    if not part:
        yield from _account(change)
    elif part == "home":
        yield from of_directory(change, texts)
    elif part == "sudo":
        yield from _rules(change, texts)
    elif part == "ssh_keys" or _FINGERPRINT in part:
        yield from _keys(change, texts)


def _account(change: Change) -> Effects:
    before, after = change.before, change.after
    if after is None:
        yield "loses", "account", "deleted"
        yield from _home(change)
        return
    if before is None:
        yield (
            ("gains", "account", "created")
            if after.get("state") == "present"
            else ("changes", "account", "created, disabled")
        )
    elif change.touches("state"):
        is_disabled = after.get("state") != "present"
        yield ("loses", "account", "disabled") if is_disabled else ("gains", "account", "enabled")
    was, will = (before or {}).get("expires", "never"), after.get("expires", "never")
    if before is not None and change.touches("state"):
        was = "never"  # an account is disabled by an expiry, too
    if was != will and change.touches("expires") and after.get("state") == "present":
        yield "changes", "account", f"expires {will}" if was == "never" else f"expires {will}, not {was}"
    yield from _shell(before, after)
    own = {"", change.address.name}
    old, new = _groups(before), _groups(after)
    yield from (("gains", "group", group_words(name)) for name in sorted(new - old - own))
    if before is not None:
        yield from (("loses", "group", name) for name in sorted(_groups_left(change, old, new) - own))


def _home(change: Change) -> Effects:
    """Yield the loss of a home: here nobody overlooks it."""
    fate, home = fate_of(change.declared), (before := change.before or {}).get("home", "")
    if fate != "keep" and before and change.observed.facts(AccountFacts).home_owner:
        yield "loses", "home", f"{home}, {'irreversible' if fate == 'delete' else 'archived'}"


def _shell(before: Document | None, after: Document) -> Effects:
    if before is None or "shell" not in after or before["shell"] == after["shell"]:
        return
    was, will = (shell not in _NO_LOGIN for shell in (before["shell"], after["shell"]))
    if was != will:
        yield "gains" if will else "loses", "shell", after["shell"]


def _groups(document: Document | None) -> set[str]:
    """The groups that an account is in, or shall at least be in, the primary one among them."""
    declared = document or {}
    joined = {name for name, member in declared.get("groups", {}).items() if member}
    return joined | set(declared.get("exact_groups", ())) | {declared.get("group", "")}


def _groups_left(change: Change, old: set[str], new: set[str]) -> set[str]:
    """The groups that an account leaves; without an exact list only those that the spec takes away."""
    if "exact_groups" in (change.after or {}):
        return old - new
    named = {
        item.path[1]
        for item in change.fields
        if item.path[0] == "groups" and item.after is None and len(item.path) > 1
    }
    return named | ({str((change.before or {}).get("group"))} - new if change.touches("group") else set())


# ---------------------------------------------------------------------------------------------------- keys


def _keys(change: Change, texts: tuple[str | None, str | None]) -> Effects:
    at = change.address.part.find(_FINGERPRINT)
    if at < 0:
        others = next((item for item in change.fields if item.path == ("others",)), None)
        yield from (("loses", KEY, str(line)) for line in (others.before if others else None) or ())
        return
    name = " ".join(filter(None, (change.address.part[at:], quoted(_comment(change)))))
    if change.verb is Verb.DELETE:
        yield "loses", KEY, name
    elif change.before is None:
        options = (change.after or {}).get("options") or []
        yield "gains", KEY, name + (f" ({', '.join(options)})" if options else "")
    else:
        old, new = ((document or {}).get("options") or [] for document in (change.before, change.after))
        yield "changes", KEY, f"{name} (options: {', '.join(old) or 'none'} -> {', '.join(new) or 'none'})"


def _comment(change: Change) -> str:
    """The comment of a key: from the spec, else from the line that goes."""
    lines = [change.part.content.decode()] if change.part and change.part.content else []
    lines += [line for of_key in change.observed.facts(KeyFacts).lines.values() for line in of_key]
    keys = (read(line) for line in lines)
    return next((key.comment for key in keys if key is not None and key.comment), "")


# --------------------------------------------------------------------------------------- sudo rules and files


def _rules(change: Change, texts: tuple[str | None, str | None]) -> Effects:
    """Yield rules line by line; where the old ones may not be shown, only that they are replaced."""
    if change.verb is Verb.DELETE and texts[0] is None:
        yield "loses", "sudo rule", "all"
        return
    if change.verb is Verb.UPDATE and not (change.touches("content") or change.touches("type")):
        return
    content = change.part.content if change.part else None
    old, new = (
        _rule_lines(texts[0]),
        _rule_lines(content.decode("utf-8", "replace") if content is not None else None),
    )
    yield from (("gains", "sudo rule", line) for line in new if line not in old)
    yield from (("loses", "sudo rule", line) for line in old if line not in new)
    if change.before is not None and texts[0] is None:
        yield "changes", "sudo rule", "replaces what is there and is not shown"


def _rule_lines(text: str | None) -> list[str]:
    return [line for line in (text or "").split("\n") if line.strip() and not line.startswith("#")]


TELLERS: Mapping[str, Callable[[Change, tuple[str | None, str | None]], Effects]] = {
    "users": _user,
    "ssh_keys": _keys,
    "files": of_file,
    "directories": of_directory,
}
"""A function for each kind with `tells_access`."""
