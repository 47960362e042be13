"""The settings of sshd on a host that is not there yet, in the form of `sshd -T`: its files by our own
reading, with the defaults of OpenSSH for what decides about logins.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.host import HostView

_DEFAULTS: Mapping[str, str] = {
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "yes",
    "permitrootlogin": "prohibit-password",
    "permitemptypasswords": "no",
    "permituserenvironment": "no",
    "strictmodes": "yes",
    "usepam": "no",
    "hostbasedauthentication": "no",
    "maxauthtries": "6",
    "x11forwarding": "no",
}
_CHOSEN = "+-^"
"""Before a list of algorithms: it changes the list of the program, which is not known here."""


def sshd_settings(view: HostView, account: str) -> str:
    """The settings for everybody, or for an account. Raises NotInstalled, HostError."""
    from reconciler.core.answers import NotInstalled
    from reconciler.formats.ssh.sshd_config import in_force
    from reconciler.formats.ssh.sshd_match import Login, Origin
    from reconciler.policy.access.login_accounts import People
    from reconciler.policy.access.ssh.login import SshLogin
    from reconciler.policy.symlinks import Followed

    files = Followed(view)
    people = People(files)
    lines = SshLogin(files, people, 0).config
    if lines is None:
        raise NotInstalled("sshd")
    user = people.users.get(account)
    groups = people.groups_of(user) if user is not None else frozenset()
    settings = in_force(lines, Login(account, groups, Origin()))
    values = {**_DEFAULTS, **{name: ",".join(words) for name, words in settings.values.items()}}
    return "".join(f"{name} {value}\n" for name, value in values.items() if value[:1] not in _CHOSEN)
