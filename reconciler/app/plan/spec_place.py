"""The accounts besides root that decide what our timer applies: whoever can write the specification is root
at the next apply.
"""

from __future__ import annotations

from reconciler.core.host import HostError, HostView
from reconciler.formats import reconcile


def installed(view: HostView) -> tuple[str, bool]:
    """The path of the specification that `install` has set up, and whether it is read from a commit.

    The path is empty if there is none.
    """
    try:
        settings = reconcile.parse(view.read(reconcile.PATH).decode("utf-8", "replace"))
    except (HostError, FileNotFoundError, reconcile.NotSettings):
        return "", False
    return settings.spec, bool(settings.commit)


def others(view: HostView, path: str, commit: bool) -> list[str]:
    """A sentence for each account that is not root and can change what is applied. Raises HostError."""
    if not path:
        return []
    from reconciler.formats.shell_commands import specification_places
    from reconciler.host.process.environment import now
    from reconciler.policy.access.host_access import HostAccess
    from reconciler.policy.lockout.guard import Doors, Question
    from reconciler.policy.root_reach.reach import RootReach
    from reconciler.policy.root_reach.relevance import Look
    from reconciler.policy.root_reach.texts.values import Use

    moment = now()
    host = HostAccess(Doors(view, Question("", moment)), moment)
    reach = RootReach(host.doors.files, host.people, host.becomes_root)
    uses = [Use(applied_path, "applies") for applied_path in specification_places(path, commit=commit)]
    ways: dict[str, str] = {}
    for way in reach.of_uses(Look(path), uses):
        if not way.account or not host.becomes_root(way.account):
            ways.setdefault(way.account, f"{way.who} becomes root: {way.by}")
    return list(ways.values())
