"""Keys on a host as a spec would declare them."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.host import HostView, Unreadable, UnsafePath
from reconciler.formats.accounts import account_files
from reconciler.formats.ssh import authorized_keys, key_options
from reconciler.kinds.shared.importing import Asked, Candidate, chosen

PLACES: tuple[str, ...] = ()


def find(view: HostView, asked: Asked) -> Iterator[Candidate]:
    """The keys of these accounts and of root: at least these, in the order of the file.

    Raises Unreadable, UnsafePath.
    """
    accounts = account_files.accounts(view)
    root = [user for user in accounts.users.values() if user.uid == 0]
    for user in (*root, *chosen(accounts, asked)):
        try:
            lines = (
                view.read(f"{user.home.rstrip('/')}/.ssh/authorized_keys")
                .decode("utf-8", "replace")
                .split("\n")
            )
        except FileNotFoundError:
            continue
        except (Unreadable, UnsafePath) as problem:
            yield Candidate("ssh_keys", user.name, why=str(problem))
            continue
        if (keys_of_user := _keys(user.name, lines)) is not None:
            yield keys_of_user


def _keys(name: str, lines: list[str]) -> Candidate | None:
    listed: dict[str, str] = {}
    partly: list[str] = []
    for number, line in enumerate(lines, 1):
        if authorized_keys.is_idle(line):
            continue
        key = authorized_keys.read(line)
        if key is None:
            partly.append(f"line {number} of authorized_keys is no key that sshd understands")
        elif key.fingerprint in listed:
            partly.append(f"{key.fingerprint} is in the file more than once")
            del listed[key.fingerprint]
        else:
            try:
                authorized_keys.parse(key.render())
                listed[key.fingerprint] = key.render()
            except key_options.BadKey as problem:
                partly.append(f"{key.fingerprint}: {problem}")
    if not listed:
        return Candidate("ssh_keys", name, why="; ".join(partly)) if partly else None
    return Candidate("ssh_keys", name, list(listed.values()), partly=tuple(partly))
