from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.core.address import Address
from reconciler.core.changes import Change, Origin, Part, Verb
from reconciler.core.diagnostic import Diagnostic, Source
from reconciler.core.spec import Declared, Spec
from reconciler.formats import logrotate as form
from reconciler.host.simulation.host import SimulatedHost
from reconciler.kinds import discover
from reconciler.kinds.logrotate.kind import KIND
from reconciler.kinds.logrotate.model import Policy
from reconciler.policy.lint import lint
from reconciler.spec.load import load
from tests.case import Reader, document
from tests.engine.workbench import Notes, applied, host_of, plan_of

pytestmark = pytest.mark.slow

READY = {
    "/usr/sbin/logrotate": "",
    "/etc/logrotate.conf": "include /etc/logrotate.d\n",
    "/etc/logrotate.d": None,
    "/var/log": None,
}


def _declared(name: str = "app", **fields: Any) -> Declared:
    policy = Policy.model_validate({"paths": ["/var/log/app.log"], **fields})
    return Declared(Address("logrotate", name), policy, Source("host.yaml", 1))


def _part(declared: Declared, *, running: bool = True) -> Part:
    return next(iter(KIND.expand(declared, running)))


def _checked(host: SimulatedHost, *declared: Declared) -> list[Diagnostic]:
    changes = [Change(one.address, Verb.CREATE, Origin.INTENT, part=_part(one)) for one in declared]
    return list(KIND.check(host, Spec("h", tuple(declared)), changes))


def _linted(**sections: Any) -> list[Diagnostic]:
    spec, _ = load(Reader(document(sections)), discover())
    assert spec is not None
    return lint(spec, discover())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paths": []}, "at least 1"),
        ({"paths": ["var/log/a"]}, "absolute path"),
        ({"paths": ["/var/log/a", "/var/log/a"]}, "named twice"),
        ({"paths": ["/var/log/a {\n}"]}, "match pattern"),
        ({"paths": ["/var/log/a{b}"]}, "braces"),
        ({"paths": ['/var/log/"']}, "quotes"),
        ({"size": "3g"}, "match pattern"),
        ({"size": "1M", "frequency": "daily"}, "exclude each other"),
        (
            {"nocreate": True, "create": {"mode": "0640", "owner": "root", "group": "root"}},
            "exclude each other",
        ),
        ({"copytruncate": True, "create": {"mode": "0640", "owner": "root", "group": "root"}}, "no effect"),
        ({"compress": False, "delaycompress": True}, "no effect"),
        ({"dateformat": "-%Y"}, "without `dateext"),
        ({"dateext": True, "dateformat": "-%Q"}, "match pattern"),
        ({"dateext": True, "dateformat": "-%Y x"}, "match pattern"),
        (
            {"su": {"user": "a", "group": "a"}, "create": {"mode": "0640", "owner": "b", "group": "b"}},
            "write the same",
        ),
        (
            {"su": {"user": "a", "group": "a"}, "create": {"mode": "0640", "owner": "a", "group": "b"}},
            "write the same",
        ),
        ({"postrotate": {}}, "exactly one"),
        ({"postrotate": {"reload": "a", "run": ["/bin/true"]}}, "exactly one"),
        ({"postrotate": {"run": ["true"]}}, "absolute path"),
        ({"postrotate": {"run": ["/bin/true", "a\nendscript"]}}, "match pattern"),
        ({"postrotate": {"reload": "a; rm -rf /"}}, "match pattern"),
        ({"postrotate": "systemctl reload a"}, "valid dictionary"),
        ({"frequency": "fortnightly"}, "hourly"),
        ({"rotate": -1}, "greater than or equal"),
        ({"create": {"mode": 0o640, "owner": "root", "group": "root"}}, "quotes"),
    ],
)
def test_what_logrotate_would_misread_or_ignore_is_refused(fields: dict[str, Any], words: str) -> None:
    """Wrong and contradictory policies are errors of the spec, not silence on the host."""
    with pytest.raises(ValidationError) as caught:
        _declared(**fields)

    assert words in str(caught.value)


ANYTHING = st.text(max_size=20) | st.sampled_from(
    ["/bin/x", "endscript", "a b", "it's", "$(reboot)", "}", "# c", "\\", '"', "\u00a0", "\u2003"]
)


@given(
    st.lists(ANYTHING.map(lambda text: f"/{text}"), min_size=1, max_size=3), st.lists(ANYTHING, max_size=3)
)
def test_every_valid_policy_can_be_written(paths: list[str], argv: list[str]) -> None:
    """A policy that the model lets through is written so that it is read back with the same paths and the
    same command.
    """
    import shlex

    try:
        declared = _declared(paths=paths, postrotate={"run": ["/bin/x", *argv]})
    except ValidationError:
        return
    part = _part(declared)
    assert part.content is not None
    found = form.parse(part.content.decode())

    assert tuple(paths) == found.stanzas[0].patterns
    assert ["/bin/x", *argv] == shlex.split(found.stanzas[0].scripts[0][1][0])


def test_a_host_that_has_all_it_takes_has_nothing_to_complain_of() -> None:
    """The checks below are not true because everything is complained of."""
    assert [] == _checked(SimulatedHost.of(READY), _declared(frequency="daily"))


def test_a_missing_program_says_how_to_get_it() -> None:
    """Without logrotate the plan is an error with the apt line; in a tree that is no host yet, a warning."""
    running, tree = SimulatedHost.of({"/var/log": None}), SimulatedHost.of({"/var/log": None}, running=False)

    assert ["error"] == [str(found.severity) for found in _checked(running, _declared())]
    assert "apt-get install logrotate" in _checked(running, _declared())[0].detail
    assert ["warning"] == [str(found.severity) for found in _checked(tree, _declared())]


def test_a_directory_that_is_not_included_is_told() -> None:
    """A policy that logrotate never reads would be a silent lie."""
    host = SimulatedHost.of({**READY, "/etc/logrotate.conf": "weekly\n"})

    assert ["include"] == [found.rule for found in _checked(host, _declared())]


def test_a_duplicate_names_both_files() -> None:
    """Who reads the error knows where to look, and which of the two would be ignored."""
    host = SimulatedHost.of({**READY, "/etc/logrotate.d/theirs": "/var/log/*.log {\n}\n"})
    found = _checked(host, _declared())

    assert ["one-policy"] == [one.rule for one in found]
    assert "/etc/logrotate.d/theirs" in found[0].detail
    assert "/etc/logrotate.d/app" in found[0].detail


@pytest.mark.parametrize(
    ("timer", "hourly"),
    [
        ({}, False),
        ({"/usr/lib/systemd/system/logrotate.timer": "[Timer]\nOnCalendar=daily\n"}, False),
        ({"/etc/systemd/system/logrotate.timer.d/x.conf": "[Timer]\nOnCalendar=hourly\n"}, True),
        ({"/etc/systemd/system/logrotate.timer": "[Timer]\nOnCalendar=*-*-* *:00:00\n"}, True),
        ({"/etc/systemd/system/logrotate.timer": "[Timer]\nOnCalendar=*:0/15\n"}, True),
        ({"/etc/cron.hourly/logrotate": "#!/bin/sh\n"}, True),
    ],
)
def test_hourly_needs_somebody_who_calls_every_hour(timer: dict[str, str], hourly: bool) -> None:
    """Debian runs logrotate once a day."""
    found = _checked(SimulatedHost.of({**READY, **timer}), _declared(frequency="hourly"))

    assert ([] if hourly else ["hourly"]) == [one.rule for one in found]


def test_a_missing_directory_is_told_and_a_declared_one_is_not() -> None:
    """Nothing is rotated in a directory that nobody makes."""
    host = SimulatedHost.of(READY)
    declared = _declared(paths=["/var/log/ml/a.log"])
    model = discover()["directories"].model.model_validate({"mode": "0755"})
    directory = Declared(Address("directories", "/var/log/ml"), model, Source("host.yaml", 2))
    change = Change(declared.address, Verb.CREATE, Origin.INTENT, part=Part(declared.address, {}, declared))

    assert ["missing-directory"] == [found.rule for found in _checked(host, declared)]
    assert [] == list(KIND.check(host, Spec("h", (declared, directory)), [change]))


def test_a_log_that_is_a_link_is_told() -> None:
    """logrotate passes over links without a word."""
    host = SimulatedHost.of({**READY, "/var/log/app.log": {"target": "/srv/app.log"}})

    assert ["link"] == [found.rule for found in _checked(host, _declared())]


@pytest.mark.parametrize(
    ("one", "other", "twice"),
    [
        ("/var/log/a.log", "/var/log/a.log", True),
        ("/var/log/*.log", "/var/log/a.log", True),
        ("/var/log/a.log", "/var/log/*.log", True),
        ("/var/log/a.log", "/var/log/b.log", False),
        ("/var/log/*/a.log", "/var/log/a.log", False),
        ("/var/log/app/c*.log", "/var/log/app/*.log", True),
        ("/var/log/app/c*.log", "/var/log/app/d*.log", False),
        ("/srv/*/logs/[a-m]*", "/srv/web/logs/*.log", True),
    ],
)
def test_two_policies_of_one_log_are_an_error_without_a_host(one: str, other: str, twice: bool) -> None:
    """`validate` in a pull request finds it."""
    found = _linted(logrotate={"one": {"paths": [one]}, "other": {"paths": [other]}})

    assert (["one-policy"] if twice else []) == [item.rule for item in found]


def test_a_service_that_cannot_reload_is_told() -> None:
    """The reload would fail at every rotation, at three in the morning."""
    policy = {"app": {"paths": ["/var/log/a.log"], "postrotate": {"reload": "app"}}}
    service = {"exec_start": ["/bin/x"]}

    assert ["reload"] == [found.rule for found in _linted(logrotate=policy, services={"app": service})]
    assert [] == _linted(
        logrotate=policy, services={"app": {**service, "exec_reload": ["/bin/kill", "-HUP", "$MAINPID"]}}
    )
    assert [] == _linted(logrotate=policy)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"size": "1M"}, True),
        ({"frequency": "daily", "maxsize": "1M"}, True),
        ({"frequency": "daily"}, False),
        ({"frequency": "hourly"}, False),
        ({"frequency": "hourly", "dateformat": "-%Y%m%d"}, True),
        ({"size": "1M", "dateformat": "-%Y%m%d-%s"}, False),
    ],
)
def test_names_by_date_that_collide_are_told(fields: dict[str, Any], told: bool) -> None:
    """The second rotation of a day would fail: the name is taken."""
    found = _linted(logrotate={"app": {"paths": ["/var/log/a.log"], "dateext": True, **fields}})

    assert (["dateformat"] if told else []) == [item.rule for item in found]


@pytest.mark.parametrize("name", ["a.b", "app~", ".app", "a/b", "", "a b", "-a"])
def test_names_that_logrotate_ignores_are_refused(name: str) -> None:
    """A name with a dot can be one of those that are passed over in silence."""
    spec, found = load(Reader(document({"logrotate": {name: {"paths": ["/var/log/a.log"]}}})), discover())

    assert spec is None
    assert found


@pytest.mark.parametrize(
    ("paths", "twice"),
    [
        (["/var/log/app/*.log", "/var/log/app/c1.log"], True),
        (["/var/log/app/c1.log", "/var/log/app/*.log"], True),
        (["/var/log/app/*.log", "/var/log/*/c*.log"], True),
        (["/var/log/app/*.log", "/var/log/app/*.txt"], False),
    ],
)
def test_a_log_that_one_policy_names_twice_is_an_error(paths: list[str], twice: bool) -> None:
    """The first such log would make logrotate refuse the file; found without any log there."""
    assert (["one-policy"] if twice else []) == [
        item.rule for item in _linted(logrotate={"one": {"paths": paths}})
    ]


def test_a_pattern_that_may_meet_one_of_the_host_is_told_without_a_log() -> None:
    """A warning while there is no such log, and a refusal as soon as there is one."""
    paths = {**READY, "/etc/logrotate.d/theirs": "/var/log/*.log {\n}\n"}
    (found,) = _checked(SimulatedHost.of(paths), _declared(paths=["/var/log/app*"]))
    (refused,) = _checked(
        SimulatedHost.of({**paths, "/var/log/app1.log": ""}), _declared(paths=["/var/log/app*.log"])
    )

    assert ("warning", "one-policy") == (found.severity, found.rule)
    assert "/etc/logrotate.d/theirs" in found.detail
    assert ("error", "one-policy") == (refused.severity, refused.rule)


BOB = {"mode": "0755", "owner": "bob", "group": "bob"}
OPEN = {"mode": "1777", "owner": "root", "group": "root"}
SHARED = {"mode": "2775", "owner": "root", "group": "devs"}


@pytest.mark.parametrize(
    ("pattern", "paths", "rule"),
    [
        ("/home/*/logs/*.log", {"/home/bob": BOB}, "belongs to bob"),
        ("/home/*/logs/*.log", {"/home/bob/logs": BOB}, "belongs to bob"),
        ("/home/*/logs/*.log", {"/home": None}, "nothing matches /home/*/logs yet"),
        ("/srv/web-*/x.log", {"/srv": None}, "nothing matches /srv/web-* yet"),
        ("/srv/web-*/x.log", {"/srv/web-1": None}, ""),
        ("/srv/[ab]/*/x.log", {"/srv/a/one": None, "/srv/b/two": BOB}, "belongs to bob"),
        ("/srv/*/x.log", {"/srv": OPEN, "/srv/one": None}, "in /srv everybody can make what * stands for"),
        ("/srv/a/*/l/x.log", {"/srv/a": SHARED, "/srv/a/one/l": None}, "in /srv/a group devs can make what"),
    ],
)
def test_directories_that_a_pattern_stands_for_count_before_there_is_a_log(
    pattern: str, paths: dict[str, Any], rule: str
) -> None:
    """Who owns one of them, or may make one, could lead root elsewhere by a link: `su` is required."""
    host = SimulatedHost.of(
        {**READY, "/etc/passwd": "root:x:0:0::/:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n", **paths}
    )
    found = [item for item in _checked(host, _declared(paths=[pattern])) if item.severity == "error"]
    asked = _checked(host, _declared(paths=[pattern], su={"user": "bob", "group": "bob"}))

    assert ([rule] if rule else []) == [rule for item in found if rule in item.detail]
    assert len(found) == bool(rule)
    assert not [item for item in asked if item.severity == "error"]


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ({"/srv/old": BOB}, "/srv/old belongs to bob, who could make root write an old log to any place"),
        ({"/srv": BOB, "/srv/old": None}, "/srv belongs to bob"),
        ({"/srv/old": OPEN}, "/srv/old can be written by everybody (mode 1777)"),
        ({"/srv/old": SHARED}, "/srv/old can be written by group devs"),
        ({"/srv/old": {"target": "/etc/cron.d"}}, "/srv/old is a link to /etc/cron.d"),
        ({"/srv/old": None}, ""),
    ],
)
def test_old_logs_do_not_go_where_others_lead(paths: dict[str, Any], words: str) -> None:
    """`olddir` is judged as the directory of a log: whoever writes there could turn root elsewhere by a link."""
    accounts = {"/etc/passwd": "root:x:0:0::/:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n"}
    host = SimulatedHost.of({**READY, **accounts, **paths})
    found = [item.detail for item in _checked(host, _declared(olddir="/srv/old")) if item.severity == "error"]

    assert ([words] if words else []) == [words for detail in found if words in detail]
    assert len(found) == bool(words)
    if "link" not in words:
        bobs = _checked(host, _declared(olddir="/srv/old", su={"user": "bob", "group": "bob"}))
        roots = _checked(host, _declared(olddir="/srv/old", su={"user": "root", "group": "root"}))
        assert not [item for item in bobs if item.severity == "error"]
        assert len([item for item in roots if item.severity == "error"]) == ("belongs" in words)


def test_su_of_the_whole_host_counts() -> None:
    """Ubuntu: /var/log belongs to a group, and logrotate.conf says with whose rights logs are rotated."""
    shared = {**READY, "/var/log": {"mode": "0775", "owner": "root", "group": "syslog"}}
    ubuntu = {**shared, "/etc/logrotate.conf": "weekly\nsu root adm\ninclude /etc/logrotate.d\n"}

    assert [] == _checked(SimulatedHost.of(ubuntu), _declared())
    assert ["su"] == [found.rule for found in _checked(SimulatedHost.of(shared), _declared())]


def test_a_directory_that_a_group_could_replace_is_a_warning() -> None:
    """logrotate looks at the directory of the log alone, and rotates; whose group may put a link there is
    told.
    """
    paths = {
        **READY,
        "/var/log": {"mode": "0775", "owner": "root", "group": "syslog"},
        "/var/log/nginx": None,
    }
    (found,) = _checked(SimulatedHost.of(paths), _declared(paths=["/var/log/nginx/a.log"]))

    assert ("warning", "su") == (found.severity, found.rule)
    assert "group syslog" in found.detail


def test_a_pattern_that_also_stands_for_old_logs_is_told() -> None:
    """`*` alone rotates a.log.1 again; with `olddir`, or an end of the names, it does not."""
    assert ["old-logs"] == [item.rule for item in _linted(logrotate={"a": {"paths": ["/var/log/app/*"]}})]
    assert [] == _linted(
        logrotate={
            "a": {"paths": ["/var/log/app/*"], "olddir": "/var/log/old"},
            "b": {"paths": ["/var/log/x/*.log"]},
        }
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"rotate": 30}, {"rotate": 0}, ["no old log is kept: with a higher number"]),
        ({"rotate": 30}, {"rotate": 1}, ["old logs are kept 1 times, not 30: with a higher number"]),
        ({"rotate": 30}, {"rotate": 7}, ["old logs are kept 7 times, not 30: with a higher number"]),
        ({"rotate": 30}, {}, ["old logs are kept 4 times, not 30: with a higher number"]),
        (
            {"rotate": 30},
            {"rotate": 7, "dateext": True},
            ["old logs are kept 7 times, not 30: The next rotation deletes what is more"],
        ),
        ({"rotate": 7}, {"rotate": 30}, []),
        ({"rotate": 7}, {"rotate": 7, "maxage": 10}, ["old logs are kept 10 days: no limit"]),
        ({"rotate": 7, "maxage": 10}, {"rotate": 7}, []),
        ({"rotate": 7}, {"rotate": 7, "compress": True}, []),
    ],
)
def test_old_logs_that_go_are_told(before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    """By the plan that keeps fewer, with what logrotate does then; not where as many or more are kept."""
    conf = {"/etc/logrotate.conf": "rotate 4\ninclude /etc/logrotate.d\n"}
    host, notes = host_of({**READY, **conf}), Notes()
    policies = [
        {"logrotate": {"app": {"paths": ["/var/log/app.log"], **fields}}} for fields in (before, after)
    ]
    applied(policies[0], host, notes)
    found = [one for one in plan_of(policies[1], host, notes.memory()).diagnostics if one.rule == "logs-go"]

    assert len(told) == len(found), found
    for words, one in zip(told, found, strict=True):
        for word in words.split(": "):
            assert word in f"{one.summary} {one.detail}"
