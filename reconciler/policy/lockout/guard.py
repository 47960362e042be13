"""The lock-out guard: whether anybody is left who can log in with a key and become root, and whether the
account that applies still can.

It compares two hosts, the one that is and the one that the plan leaves behind in memory, and asks both in the
same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.core.actions import path_of
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.diagnostic import Diagnostic, Severity, errors
from reconciler.core.host import FileType, HostView
from reconciler.core.steps import Step
from reconciler.formats.accounts.passwd import User
from reconciler.formats.ssh.sshd_config import all_said, problems
from reconciler.formats.ssh.sshd_match import Origin
from reconciler.policy.access.login_accounts import People
from reconciler.policy.access.ssh.login import SshLogin, Verdict
from reconciler.policy.access.sudo.root import SudoRoot
from reconciler.policy.guards import LOCK_OUT
from reconciler.policy.lockout.relevance import SSHD, changes_what_runs_sshd
from reconciler.policy.lockout.session_files import closed_by, perhaps_closed_by
from reconciler.policy.symlinks import Followed

if TYPE_CHECKING:
    from reconciler.policy.lockout.session_limits import SessionLimits

_SUMMARY = "would lock out"
_UNITS = "/etc/systemd/system"
_SECURITY = "/etc/security"
_SECONDS = Late(r"\d+[sS]?")
_LEAST_GRACE = 5
"""Seconds that a login over a slow network takes at most."""
_NAMED = 10
"""Accounts that are named in one sentence; of more, the rest is counted."""


@frozen
class Applicant:
    """The account behind this process, by number, and the address that it has logged in from, where known."""

    uid: int
    origin: Origin | None = None


@frozen
class Question:
    """The question that both hosts are asked."""

    host: str
    """The host's name, for rules of sudo."""
    now: int
    """Seconds since the epoch."""
    allowed: Collection[str] = ()
    """Accounts that may lose access."""
    applicant: Applicant | None = None
    steps: Sequence[Step] = ()
    """The steps of the plan: files that they do not touch need not be looked at."""

    @property
    def touched(self) -> Collection[str]:
        """The paths that the plan writes, changes or removes."""
        paths = (path_of(step.action) for step in self.steps if not step.held)
        return tuple(dict.fromkeys(path for path in paths if path is not None))


class Doors:
    """The accounts that get into one host and become root there. Raises HostError for what cannot be read."""

    def __init__(self, view: HostView, question: Question) -> None:
        self.files = files = Followed(view)
        self.people = People(files)
        self.ssh = SshLogin(files, self.people, question.now)
        self.sudo = SudoRoot(files, self.people, question.host)
        limits = any(path.startswith(_SECURITY) for path in question.touched)
        self._limits = _limits(files, self.people) if limits else None
        self._known: dict[str, tuple[Verdict, Verdict]] = {}

    def of(self, name: str) -> tuple[Verdict, Verdict]:
        """Whether an account can log in with a key, and whether it then becomes root."""
        if name not in self._known:
            user = self.people.users.get(name)
            login = Verdict("the account is gone") if user is None else self.ssh.verdict(user)
            limited = self.limited(user) if user is not None and login.can else ""
            login = Verdict(limited) if limited else login
            self._known[name] = (login, login if user is None or not login.can else self.sudo.verdict(user))
        return self._known[name]

    def limited(self, user: User) -> str:
        """Why the account gets no session, though sshd lets it in; empty if it does, and where the plan
        changes nothing about limits.
        """
        return self._limits.why_not(user) if self._limits is not None else ""

    def everybody(self) -> Iterator[str]:
        """Yield all accounts that can do both, by name; the keys of those that cannot become root are not
        read.
        """
        for name, user in sorted(self.people.users.items()):
            if self.sudo.verdict(user).can and self.of(name)[0].can:
                yield name


def lockout(
    before: HostView,
    after: HostView,
    question: Question,
    complaint: str | None = None,
    doors: tuple[Doors, Doors] | None = None,
) -> list[Diagnostic]:
    """The refusals, and warnings beside them.

    `complaint` is the error of sshd itself about its configuration after the plan, empty if it would start.
    `doors` are those of the two hosts, where the caller asks them too. Raises HostError for what cannot be
    read: then nothing is known.
    """
    now, then = doors or (Doors(before, question), Doors(after, question))
    if now.ssh.config is None:
        return []
    diagnostics = [*_listens_elsewhere(now, then), *_hurries(now, then), *_ends_shells(now, then, question)]
    problem = _broken(now, then) if complaint is None else complaint
    broken = (
        (f"sshd would not start again with its configuration: {problem}" if problem else "")
        or _changed_service(before, after, question.steps)
        or _no_longer_served(before, after)
        or closed_by(now.files, then.files, question.touched)
    )
    in_now = list(now.everybody()) if broken or not any(then.everybody()) else []
    if in_now and broken:
        return diagnostics + _refuse(
            question, in_now, f"{_now(in_now)}, and after this plan perhaps nobody: {broken}.", {}
        )
    if broken and (name := _came_by_ssh(now, question)):
        sentence = f"{name} is the account that applies this, over SSH, and it may lose its access: {broken}."
        return diagnostics + _refuse(question, [name], sentence, {})
    if in_now:
        reasons = {name: _reason(then.of(name)) for name in in_now}
        diagnostics += _refuse(question, in_now, f"{_now(in_now)}, nobody could after this plan.", reasons)
    lost = _lost(now, then, question)
    if lost is not None and not (errors(diagnostics) and lost[0] in in_now):
        sentence = f"{lost[0]} is the account that applies this, and it would lose its access: {lost[1]}."
        diagnostics += _refuse(question, [lost[0]], sentence, {})
    return diagnostics


def _changed_service(before: HostView, after: HostView, steps: Sequence[Step]) -> str:
    if not changes_what_runs_sshd(steps):
        return ""
    from reconciler.policy.lockout.sshd_units import changed_service  # few plans have to do with it

    return changed_service(before, after, steps)


def _limits(files: Followed, people: People) -> SessionLimits:
    from reconciler.policy.lockout.session_limits import SessionLimits  # likewise

    return SessionLimits(files, people)


def _came_by_ssh(now: Doors, question: Question) -> str:
    """The account that applies and becomes root, if it has logged in over SSH, perhaps with a password; empty
    otherwise.
    """
    applicant = question.applicant
    if applicant is None or applicant.origin is None:
        return ""
    users = (user for user in now.people.users.values() if user.uid == applicant.uid)
    return next((user.name for user in users if now.sudo.verdict(user).can), "")


def _listens_elsewhere(now: Doors, then: Doors) -> Iterator[Diagnostic]:
    """Yield a warning where sshd would listen elsewhere than now: only the network knows who reaches it
    there.
    """
    for keyword in ("port", "listenaddress") if then.ssh.config is not None else ():
        was, will = (all_said(doors.ssh.config or (), keyword) for doors in (now, then))
        if was != will:
            detail = (
                f"{keyword} is {' '.join(was) or 'the default'} now and would be"
                f" {' '.join(will) or 'the default'}. "
            )
            detail += (
                "Keep a session open, and see with a second one that clients and firewalls let you in there."
            )
            yield Diagnostic(Severity.WARNING, "sshd would listen elsewhere", detail, rule="sshd-listens")


def _hurries(now: Doors, then: Doors) -> Iterator[Diagnostic]:
    """Yield a warning where sshd would give clients less time than a login over a slow network takes."""
    was, will = (all_said(doors.ssh.config or (), "logingracetime")[:1] for doors in (now, then))
    seconds = int(will[0].lower().rstrip("s")) if will and _SECONDS.fullmatch(will[0]) else 0
    if was != will and 0 < seconds < _LEAST_GRACE:
        detail = (
            f"logingracetime would be {will[0]}: who has not logged in after {seconds} s is turned away. "
        )
        detail += "Keep a session open, and log in with a second one from where you usually do."
        yield Diagnostic(Severity.WARNING, "sshd would hardly wait", detail, rule="sshd-grace")


def _ends_shells(now: Doors, then: Doors, question: Question) -> Iterator[Diagnostic]:
    """Yield a warning where a file that every login shell reads ends it under a condition."""
    for sentence in perhaps_closed_by(now.files, then.files, question.touched):
        detail = f"{sentence} Keep a session open, and log in with a second one afterwards."
        yield Diagnostic(Severity.WARNING, "login shells may end", detail, rule="login-shells")


def _refuse(
    question: Question, names: Collection[str], sentence: str, reasons: Mapping[str, str]
) -> list[Diagnostic]:
    """A refusal with these sentences, unless all these accounts are allowed to lose their access."""
    if names and all(name in question.allowed for name in names):
        return []
    sentences = [f"{name}: {why}." for name, why in list(reasons.items())[:_NAMED]]
    flags = " ".join(f"--allow {LOCK_OUT}:{name}" for name in names) or f"--allow {LOCK_OUT}:ACCOUNT"
    detail = "\n".join((sentence, *sentences, f"If it is meant: {flags}."))
    return [Diagnostic(Severity.ERROR, _SUMMARY, detail, rule=LOCK_OUT, refusal=True)]


def _reason(verdicts: tuple[Verdict, Verdict]) -> str:
    login, root = verdicts
    return f"cannot log in: {login.why}" if not login.can else f"cannot become root: {root.why}"


def _broken(now: Doors, then: Doors) -> str:
    """The first problem of the new configuration that sshd does not start with, and does not have already."""
    if then.ssh.config is None:
        return "there is none"
    problems_now = {problem for _, problem in problems(now.ssh.config or ())}
    return next(
        (f"{line}: {problem}" for line, problem in problems(then.ssh.config) if problem not in problems_now),
        "",
    )


def _lost(now: Doors, then: Doors, question: Question) -> tuple[str, str] | None:
    """The account that applies, and the access that it loses, in words; None if it keeps all."""
    applicant = question.applicant
    user = next((user for user in now.people.users.values() if applicant and user.uid == applicant.uid), None)
    if applicant is None or user is None:
        return None
    later = next(
        (other for other in then.people.users.values() if (other.uid, other.name) == (user.uid, user.name)),
        None,
    )
    if later is None:
        return (
            (user.name, "the account is gone")
            if now.of(user.name)[0].can or now.sudo.verdict(user).can
            else None
        )
    for origin in dict.fromkeys((applicant.origin, None)):
        login = then.ssh.verdict(later, origin)
        if now.ssh.verdict(user, origin).can and not login.can:
            return user.name, f"it could no longer log in by SSH key{_from(origin)}: {login.why}"
    if not now.limited(user) and (limited := then.limited(later)):
        return user.name, f"it would get no session: {limited}"
    root = then.sudo.verdict(later)
    return (
        (user.name, f"it could no longer become root: {root.why}")
        if now.sudo.verdict(user).can and not root.can
        else None
    )


def _from(origin: Origin | None) -> str:
    return f" from {origin.address}" if origin is not None else ""


def _no_longer_served(before: HostView, after: HostView) -> str:
    """Why sshd would no longer serve: it stops, or does not come back after the next boot; empty if it goes
    on.
    """
    if before.running and _runs(before) and not _runs(after):
        return "sshd would be stopped"
    return "sshd would no longer be started at boot" if _starts(before) and not _starts(after) else ""


def _runs(view: HostView) -> bool:
    return any(state.active in ("active", "activating", "reloading") for state in view.units(SSHD).values())


def _starts(view: HostView) -> bool:
    """Whether a unit of sshd is enabled and not masked."""
    return any(
        _is_link(view, f"{_UNITS}/{target}.target.wants/{unit}")
        and not _is_link(view, f"{_UNITS}/{unit}", "/dev/null")
        for unit in SSHD
        for target in ("multi-user", "sockets", "ssh")
    )


def _is_link(view: HostView, path: str, target: str = "") -> bool:
    entry = view.entry(path)
    return entry is not None and entry.type is FileType.LINK and (not target or entry.target == target)


def _now(names: Collection[str]) -> str:
    return f"{_count(names)} can log in by SSH key and become root now ({_named(names)})"


def _count(names: Collection[str]) -> str:
    return "1 account" if len(names) == 1 else f"{len(names)} accounts"


def _named(names: Collection[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else "")


def allowed_accounts(allow: Collection[str]) -> frozenset[str]:
    """The accounts that --allow names."""
    return frozenset(
        name for rule, _, name in (text.partition(":") for text in allow) if rule == LOCK_OUT and name
    )
