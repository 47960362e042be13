"""The paths that a declared user stands for: the home, what is below it, and the files of root's that are
about the user.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.address import Address
from reconciler.core.model.places import Place, Use
from reconciler.core.spec import Declared
from reconciler.formats.accounts import profile
from reconciler.kinds.shared.keys import parts as key_parts
from reconciler.kinds.users import root_files
from reconciler.kinds.users.constants import State
from reconciler.kinds.users.model import User, has_home, home_of
from reconciler.kinds.users.observe import DIRECTORIES

_HOOKS = (profile.HOOK, profile.LOGIN_HOOK, profile.BASHRC)


def places(declared: Declared) -> Iterator[Place]:
    """The paths of a user; none for an account that shall be absent."""
    user, name = declared.resource, declared.address.name
    assert isinstance(user, User)
    if user.state is State.ABSENT:
        return
    home = home_of(user, name)
    if has_home(user, name):
        yield from _in_home(user, name, home)
    if user.ssh_keys is not None and user.state is State.PRESENT:
        yield from (
            Place(path, Use.MANAGES, name, name, shared=key_parts.shared(name))
            for path in key_parts.paths(name, home)
        )
    for part in root_files.part_names(user):
        yield Place(root_files.path_of(Address("users", name, part)), Use.MANAGES)
        if part == root_files.PROFILE:
            yield from (Place(path, Use.MANAGES, shared=root_files.PROFILE) for path in _HOOKS)


def _in_home(user: User, name: str, home: str) -> Iterator[Place]:
    yield Place(home, Use.GIVES, name, user.group or name, named=user.home is not None, part="home")
    for path in user.directories:
        yield Place(f"{home}/{path}", Use.MANAGES, name, name, part=f"{DIRECTORIES}{path}")
