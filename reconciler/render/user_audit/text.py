"""The use of accounts for people: a line for each account that somebody can use, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.terminal import Paint, painter, visible

Account = Mapping[str, Any]

_FORM = "{:<16} {:<10} {:<15} {:>6} {:>5} {:<14} {:>8}"
_HEAD = ("account", "last login", "from", "failed", "sudo", "password", "keys")
_WIDTHS = (16, 10, 15, 6, 5, 14, 8)
_WIDTH = 80
_UNKNOWN = "?"


def user_audit_text(data: Mapping[str, Any], *, colour: bool) -> str:
    """The report as text."""
    paint = painter(colour=colour)
    since = f"logins since {data['since'][:10]}" if data["since"] else "no login on record"
    taken = f", snapshot of {visible(data['basis']['taken'])}" if data["basis"]["kind"] == "snapshot" else ""
    shown = [account for account in data["accounts"] if _is_usable(account)]
    lines = [f"Accounts of {visible(data['host']['name'] or 'this host')}{taken}, {since}", ""]
    lines += [paint(_FORM.format(*_HEAD).rstrip(), "bold")]
    lines += [_line(account, paint) for account in shown]
    rest = len(data["accounts"]) - len(shown)
    lines += ["", f"{rest} more without shell, password, key or login."] if rest else []
    lines += [*_unused(data, paint), *_strangers(data)]
    lines += [f"unknown  {visible(text)}" for text in data["unknown"]]
    return "\n".join(lines) + "\n"


def _is_usable(account: Account) -> bool:
    password = account["password"]
    return bool(
        account["shell"]
        or account["last_login"]
        or account["keys"]
        or (password and password["state"] in ("set", "empty"))
    )


def _line(account: Account, paint: Paint) -> str:
    last, failed, sudo = account["last_login"], account["failed_logins"], account["sudo"]
    cells = (
        visible(account["account"]),
        (last["time"] or _UNKNOWN)[:10] if last else "none",
        visible(last["from"] or last["line"]) if last else "",
        str(failed["count"]) if failed else _UNKNOWN,
        str(sudo["count"]) if sudo else _UNKNOWN,
        _password(account["password"]),
        _keys(account["keys"]),
    )
    text = _FORM.format(*(_cut(cell, width) for cell, width in zip(cells, _WIDTHS, strict=True)))
    return paint(text, "yellow") if account["unused"] else text


def _password(password: Mapping[str, Any] | None) -> str:
    if password is None:
        return _UNKNOWN
    age = f" {password['age_days']} d" if password["age_days"] is not None else ""
    return f"{password['state']}{age if password['state'] == 'set' else ''}"


def _keys(keys: list[Mapping[str, Any]] | None) -> str:
    """The number of keys, and the age of the oldest file."""
    if keys is None:
        return _UNKNOWN
    ages = [key["age_days"] for key in keys if key["age_days"] is not None]
    return f"{len(keys)}, {max(ages)} d" if ages else str(len(keys))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}~"


def _unused(data: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    names = [visible(account["account"]) for account in data["accounts"] if account["unused"]]
    if names:
        yield ""
        yield paint(f"Not used for {data['unused_days']} days:", "bold")
        yield from _wrapped(names)


def _wrapped(names: list[str]) -> Iterator[str]:
    """Names with commas, as many in a line as it holds."""
    line = ""
    for name in names:
        if line and len(line) + len(name) + 4 > _WIDTH:
            yield f"  {line},"
            line = ""
        line = f"{line}, {name}" if line else name
    yield f"  {line}"


def _strangers(data: Mapping[str, Any]) -> Iterator[str]:
    failed = data["failed_unknown_names"]
    if failed and failed["count"]:
        yield ""
        last = f", the last on {failed['last'][:10]}" if failed["last"] else ""
        yield f"{failed['count']} failed logins with names that no account has{last}."
