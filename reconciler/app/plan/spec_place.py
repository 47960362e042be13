"""Who besides root decides what a timer of ours applies: whoever can write the specification is root at the
next apply.
"""

from __future__ import annotations

from reconciler.core.host import HostError, HostView
from reconciler.formats import reconcile


def installed(view: HostView) -> tuple[str, bool]:
    """The specification that `install` has set up, empty for none, and whether it is taken from a commit."""
    try:
        settings = reconcile.parse(view.read(reconcile.PATH).decode("utf-8", "replace"))
    except (HostError, FileNotFoundError, reconcile.NotSettings):
        return "", False
    return settings.spec, bool(settings.commit)


def others(view: HostView, path: str, commit: bool) -> list[str]:
    """Each who is not root already and can change what is applied, in words.

    Raises HostError for what cannot be read.
    """
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
    uses = [Use(place, "applies") for place in specification_places(path, commit=commit)]
    ways: dict[str, str] = {}
    for way in reach.of_uses(Look(path), uses):
        if not way.account or not host.becomes_root(way.account):
            ways.setdefault(way.account, f"{way.who} becomes root: {way.by}")
    return list(ways.values())
