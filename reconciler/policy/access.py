"""Who gains or loses access by a plan: accounts, keys, groups that amount to root, sudo rules. What a reviewer must not overlook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Origin, Verb
from reconciler.core.plan import Plan
from reconciler.core.values import frozen
from reconciler.formats.authorized_keys import read
from reconciler.kinds.home_fate import fate_of

POWERFUL = frozenset(
    "adm admin disk docker incus incus-admin kmem libvirt lxd podman root shadow staff sudo systemd-journal wheel".split()  # noqa: SIM905
)
"""Groups whose members are root, can become root, or read what only root should."""

_NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")
_FINGERPRINT = "SHA256:"
_FILES = ("/etc/sudoers.d/", "/etc/ssh/", "/root/.ssh/")

Texts = Mapping[Address, tuple[str | None, str | None]]


@frozen
class Access:
    """One thing that somebody can do after the plan and could not before, or the other way round.

    `account` is empty where a file decides for anybody. `effect` is gains, loses or changes. `drift`: it is put back as it was approved
    before.
    """

    account: str
    effect: str
    what: str
    detail: str
    address: Address
    drift: bool = False


Found = Iterator[tuple[str, str, str]]
"""(effect, what, detail)"""


def access_diff(plan: Plan, texts: Texts) -> list[Access]:
    """Everything that the plan changes about access, in its order; what is blocked or held does not happen. `texts` as in its document."""
    found: list[Access] = []
    for change in plan.changes:
        tell = _TELLERS.get(change.address.kind)
        if tell is None or change.verb in (Verb.NONE, Verb.FORGET) or change.address in plan.blocked or change.address in plan.held:
            continue
        account = "" if change.address.kind == "files" else change.address.name
        drift = change.origin is Origin.DRIFT
        for effect, what, detail in tell(change, texts.get(change.address, (None, None))):
            found.append(Access(account, effect, what, detail, change.address, drift))
    return found


# ---------------------------------------------------------------------------------------------------- users


def _user(change: Change, texts: tuple[str | None, str | None]) -> Found:
    part = change.address.part
    if not part:
        yield from _account(change)
    elif part == "sudo":
        yield from _rules(change, texts)
    elif part == "ssh_keys" or _FINGERPRINT in part:
        yield from _keys(change, texts)


def _account(change: Change) -> Found:
    before, after = change.before, change.after
    if after is None:
        yield "loses", "account", "deleted"
        yield from _home(change)
        return
    if before is None:
        yield ("gains", "account", "created") if after.get("state") == "present" else ("changes", "account", "created, disabled")
    elif change.touches("state"):
        gone = after.get("state") != "present"
        yield ("loses", "account", "disabled") if gone else ("gains", "account", "enabled")
    was, will = (before or {}).get("expires", "never"), after.get("expires", "never")
    if before is not None and change.touches("state"):
        was = "never"  # what disables an account is an expiry, too
    if was != will and change.touches("expires") and after.get("state") == "present":
        yield "changes", "account", f"expires {will}" if was == "never" else f"expires {will}, not {was}"
    yield from _shell(before, after)
    old, new = _groups(before), _groups(after)
    yield from (("gains", "group", name) for name in sorted((new - old) & POWERFUL))
    if before is not None:
        yield from (("loses", "group", name) for name in sorted(_left(change, old, new) & POWERFUL))


def _home(change: Change) -> Found:
    """What is lost for good is said where nobody overlooks it."""
    fate, home = fate_of(change.declared), (before := change.before or {}).get("home", "")
    if fate != "keep" and before and change.observed.private.get("home"):
        yield "loses", "home", f"{home}, {'irreversible' if fate == 'delete' else 'archived'}"


def _shell(before: Document | None, after: Document) -> Found:
    if before is None or "shell" not in after or before["shell"] == after["shell"]:
        return
    was, will = (shell not in _NO_LOGIN for shell in (before["shell"], after["shell"]))
    if was != will:
        yield "gains" if will else "loses", "shell", after["shell"]


def _groups(document: Document | None) -> set[str]:
    """The groups that somebody is in, or shall at least be in, the primary one among them."""
    said = document or {}
    whole = {name for name, member in said.get("groups", {}).items() if member}
    return whole | set(said.get("exact_groups", ())) | {said.get("group", "")}


def _left(change: Change, old: set[str], new: set[str]) -> set[str]:
    """Without an exact list only what is taken away is left; other groups are left alone."""
    if "exact_groups" in (change.after or {}):
        return old - new
    named = {item.path[1] for item in change.fields if item.path[0] == "groups" and item.after is None and len(item.path) > 1}
    return named | ({str((change.before or {}).get("group"))} - new if change.touches("group") else set())


# ---------------------------------------------------------------------------------------------------- keys


def _keys(change: Change, texts: tuple[str | None, str | None]) -> Found:
    at = change.address.part.find(_FINGERPRINT)
    if at < 0:
        gone = next((item for item in change.fields if item.path == ("others",)), None)
        yield from (("loses", "ssh key", str(line)) for line in (gone.before if gone else None) or ())
        return
    name = " ".join(filter(None, (change.address.part[at:], _comment(change))))
    if change.verb is Verb.DELETE:
        yield "loses", "ssh key", name
    elif change.before is None:
        options = (change.after or {}).get("options") or []
        yield "gains", "ssh key", name + (f" ({', '.join(options)})" if options else "")
    else:
        old, new = ((document or {}).get("options") or [] for document in (change.before, change.after))
        yield "changes", "ssh key", f"{name} (options: {', '.join(old) or 'none'} -> {', '.join(new) or 'none'})"


def _comment(change: Change) -> str:
    """The comment of a key: from the spec, else from the line that goes."""
    lines = [change.part.content.decode()] if change.part and change.part.content else []
    lines += [line for found in change.observed.private.get("lines", {}).values() for line in found]
    keys = (read(line) for line in lines)
    return next((key.comment for key in keys if key is not None and key.comment), "")


# ---------------------------------------------------------------------------------------------------- sudo rules and files


def _rules(change: Change, texts: tuple[str | None, str | None]) -> Found:
    """Rules line by line; where the old ones may not be shown, that they are replaced."""
    if change.verb is Verb.DELETE and texts[0] is None:
        yield "loses", "sudo rule", "all"
        return
    if change.verb is Verb.UPDATE and not (change.touches("content") or change.touches("type")):
        return
    content = change.part.content if change.part else None
    old, new = _rule_lines(texts[0]), _rule_lines(content.decode("utf-8", "replace") if content is not None else None)
    yield from (("gains", "sudo rule", line) for line in new if line not in old)
    yield from (("loses", "sudo rule", line) for line in old if line not in new)
    if change.before is not None and texts[0] is None:
        yield "changes", "sudo rule", "replaces what is there and is not shown"


def _rule_lines(text: str | None) -> list[str]:
    return [line for line in (text or "").split("\n") if line.strip() and not line.startswith("#")]


def _file(change: Change, texts: tuple[str | None, str | None]) -> Found:
    """A file that decides who comes in."""
    path = change.address.name
    if path.startswith(_FILES) or path.endswith(("/.ssh/authorized_keys", "/.ssh/authorized_keys2")):
        yield "changes", "file", f"{path} is {'created' if change.before is None else 'removed' if change.after is None else 'changed'}"


_TELLERS: Mapping[str, Callable[[Change, tuple[str | None, str | None]], Found]] = {"users": _user, "ssh_keys": _keys, "files": _file}
