"""Reporting: figures that Prometheus can read, and telling each target of each change of state once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.core.host import HostError
from reconciler.formats import prometheus, reconcile
from reconciler.formats.prometheus import Metric
from reconciler.formats.reconcile import Settings
from reconciler.host import notify
from reconciler.host.state.report_files import publish, read_report
from reconciler.host.systemd.journal import serialised
from reconciler.jobs import report
from reconciler.jobs.report import News, Standing

pytestmark = pytest.mark.slow

NOW = 1_800_000_000
BAD = Standing(bad=True, summary="apply failed: 1 failed", addresses=["services.a"])
GOOD = Standing(bad=False, summary="apply works")


class Listener:
    """A web server that keeps what it was told, and answers as it is asked to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answer = 200
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/s3cr3t"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.events += [json.loads(body)] if listener.answer == 200 else []
                self.send_response(listener.answer)
                self.send_header("Location", f"{listener.url}/elsewhere")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  # the base class's word

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's word
                pass

        return Handler


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A web server for the time of the test."""
    found = Listener()
    thread = Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def state(tmp_path: Path) -> str:
    """A state directory."""
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return str(path)


def tell(
    state: str,
    standing: Standing,
    *targets: str,
    subject: str = report.APPLY,
    figures: Mapping[str, Any] | None = None,
) -> list[str]:
    """Report this; what did not work."""
    chosen = Settings(notify=tuple(reconcile.target(text) for text in targets))
    return report.report(News({subject: standing}, figures or {}, run=7), chosen, state, "web1", NOW)


# ---------------------------------------------------------------------------------------------------- telling


def test_only_changes_of_state_are_told(state: str, listener: Listener) -> None:
    """Good at first is no news; failing is told once, recovering is told once,
    failing again is told again.
    """
    for standing in (GOOD, BAD, BAD, GOOD, GOOD, BAD):
        assert [] == tell(state, standing, listener.url)

    assert ["failing", "recovered", "failing"] == [event["event"] for event in listener.events]
    assert ("web1", 7, ["services.a"], "web1: apply failed: 1 failed") == tuple(
        listener.events[0][key] for key in ("host", "run", "addresses", "text")
    )


def test_the_spec_of_the_apply_is_told(state: str, listener: Listener) -> None:
    """With the mark of a tree that was not committed; nothing where there is no commit."""
    for revision in ("", "a13b10d+uncommitted"):
        news = News(
            {report.APPLY: BAD if revision else Standing(bad=True, summary="no spec")},
            {"spec": revision},
            run=7,
        )
        chosen = Settings(notify=(reconcile.target(listener.url),))
        assert [] == report.report(news, chosen, state, "web1", NOW)
        tell(state, GOOD, listener.url)

    assert [None, None, "a13b10d+uncommitted", "a13b10d+uncommitted"] == [
        event["commit"] for event in listener.events
    ]


def test_subjects_do_not_hide_each_other(state: str, listener: Listener) -> None:
    """Drift is told while the apply fails, and its end is told though the apply fails still."""
    tell(state, BAD, listener.url)
    tell(state, Standing(bad=True, summary="1 object has changed"), listener.url, subject=report.DRIFT)
    tell(state, Standing(bad=False, summary="nothing"), listener.url, subject=report.DRIFT)

    assert ["failing", "drift", "drift_gone"] == [event["event"] for event in listener.events]


@pytest.mark.parametrize("answer", [302, 404, 500])
def test_a_target_that_could_not_be_told_is_told_at_the_next_report(
    state: str, listener: Listener, answer: int
) -> None:
    """It is said that it did not work, never with the address; the other target is not told twice."""
    other = Listener()
    thread = Thread(target=other.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        listener.answer = answer
        problems = tell(state, BAD, listener.url, other.url)
        listener.answer = 200
        again = tell(state, BAD, listener.url, other.url)
    finally:
        other.server.shutdown()
        thread.join()
        other.server.server_close()

    assert [f"the webhook was not told: it answered {answer}; the next report tries again"] == problems
    assert [] == again
    assert [1, 1] == [len(listener.events), len(other.events)]


def test_an_address_in_a_file_is_never_told(state: str, listener: Listener, tmp_path: Path) -> None:
    """The address of a webhook can stay in root's file: neither what is kept nor what is said has it."""
    (tmp_path / "hook").write_text(listener.url + "\n")
    listener.answer = 500
    problems = tell(state, BAD, f"file:{tmp_path}/hook")
    listener.answer = 200
    tell(state, BAD, f"file:{tmp_path}/hook")

    assert 1 == len(listener.events)
    assert "s3cr3t" not in json.dumps([problems, read_report(state)])


def test_a_server_that_is_not_there_is_a_problem_and_no_more(state: str, listener: Listener) -> None:
    """The reason is said, without the address."""
    url = listener.url.replace(str(listener.server.server_port), "1")

    assert ["the webhook was not told: Connection refused; the next report tries again"] == tell(
        state, BAD, url
    )


def test_a_mail_has_a_recipient_and_no_other_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary with line ends adds no header and no recipient."""
    seen: list[bytes] = []
    monkeypatch.setattr(notify, "_run", lambda _words, feed: seen.append(feed))
    event = {
        "text": "web1: failed\r\nBcc: eve@example.org\nmore",
        "addresses": ["services.ä"],
        "hint": "look",
    }
    notify.deliver({"mail": "ops@example.org"}, event)
    head, _, body = seen[0].decode().partition("\n\n")

    assert "To: ops@example.org" in head.splitlines()
    assert "Subject: web1: failed" in head.splitlines()
    assert not any(line.startswith("Bcc") for line in head.splitlines())
    assert body


def test_a_command_gets_the_event_on_its_input(state: str, tmp_path: Path) -> None:
    """Exactly its argv, and one line of JSON."""
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\ncat > {tmp_path}/seen; echo "$#:$1" > {tmp_path}/arguments\n')
    script.chmod(0o755)
    tell(state, BAD, f"command:{script} 'a  b'")

    assert "failing" == json.loads((tmp_path / "seen").read_text())["event"]
    assert "1:a  b\n" == (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"format": 9}', "\0"])
def test_a_damaged_memory_tells_again(state: str, listener: Listener, damage: str) -> None:
    """A memory that cannot be read counts as if nothing had been told: better twice than never."""
    tell(state, BAD, listener.url)
    Path(state, "report.json").write_text(damage)

    assert [] == tell(state, BAD, listener.url)
    assert 2 == len(listener.events)


# ---------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://hooks.example.org/x", {"webhook": "https://hooks.example.org/x"}),
        ("file:/etc/reconciler/hook", {"webhook_file": "/etc/reconciler/hook"}),
        ("mailto:ops@example.org", {"mail": "ops@example.org"}),
        ("command:/usr/bin/logger -t 'a b'", {"command": ["/usr/bin/logger", "-t", "a b"]}),
    ],
)
def test_targets(text: str, expected: dict[str, Any]) -> None:
    """Each form, and it survives the file."""
    found = reconcile.target(text)
    settings = Settings("/etc/x", "main", "/a.prom", "", (found,))

    assert expected == found
    assert settings == reconcile.parse(reconcile.render(reconcile.document(settings)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops@example.org",
        "https://",
        "ftp://x/y",
        "file:relative",
        "mailto:",
        "mailto:-f@x",
        "mailto:a b",
        "command:",
        "command:ls",
        "command:'",
        "https://a/\n",
    ],
)
def test_what_is_no_target(text: str) -> None:
    """Whatever else is written is refused."""
    with pytest.raises(ValueError):  # noqa: PT011  # shlex has its own words
        reconcile.target(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "notify": [3]}',
        '{"format": 1, "spec": 3}',
        "[" * 100_000,
    ],
)
def test_what_is_no_file_of_settings(text: str) -> None:
    """Whatever `install` did not write is refused in words."""
    with pytest.raises(reconcile.NotSettings):
        reconcile.parse(text)


# ---------------------------------------------------------------------------------------------------- figures


def audited(*findings: str) -> Standing:
    """The audit, with these findings that count."""
    causes = dict(zip(findings, findings, strict=True))
    return Standing(bool(findings), f"{len(findings)} findings", list(findings), causes)


def test_each_finding_of_the_audit_is_told_once(listener: Listener, state: str) -> None:
    """New findings are told, each once; what is gone is no news, and is news again when it comes back."""
    first, second = "uid-0 toor", "account-files /etc/shadow"
    for standing in (
        audited(),
        audited(first),
        audited(first),
        audited(first, second),
        audited(second),
        audited(),
        audited(first),
    ):
        assert [] == tell(state, standing, listener.url, subject=report.AUDIT)

    assert [[first], [second], [first]] == [event["addresses"] for event in listener.events]
    assert {"audit_findings"} == {event["event"] for event in listener.events}
    assert "web1: 1 new finding of the audit: uid-0 toor" == listener.events[0]["text"]


def test_a_new_finding_that_could_not_be_told_is_told_later(listener: Listener, state: str) -> None:
    """A target that does not answer gets the finding with the next report."""
    listener.answer = 500
    assert tell(state, audited("uid-0 toor"), listener.url, subject=report.AUDIT)
    listener.answer = 200
    assert [] == tell(state, audited("uid-0 toor"), listener.url, subject=report.AUDIT)

    assert [["uid-0 toor"]] == [event["addresses"] for event in listener.events]


def test_the_figures_of_the_audit(state: str, tmp_path: Path) -> None:
    """Findings by severity, the time of the last audit, its score, and waivers that ended."""
    path = tmp_path / "reconciler.prom"
    counts = {"critical": 0, "high": 2, "medium": 1, "low": 0}
    figures = {"findings": counts, "time": NOW, "score": 87, "not_checked": 3, "expired": 1}
    report.report(News(figures={"audit": figures}), Settings(metrics=str(path)), state, "web1", NOW)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
        if sample.name.startswith("reconciler_audit")
    }
    by_severity = {("reconciler_audit_findings", name): number for name, number in counts.items()}

    assert values == by_severity | {
        ("reconciler_audit_last_timestamp_seconds",): NOW,
        ("reconciler_audit_score",): 87,
        ("reconciler_audit_not_checked",): 3,
        ("reconciler_audit_expired_waivers",): 1,
    }


def test_the_official_parser_reads_the_figures(state: str, tmp_path: Path) -> None:
    """Names, types and values as told; counters add up from run to run."""
    path = tmp_path / "reconciler.prom"
    for number in (1, 2):
        figures = {
            "last_apply": NOW,
            "last_success": NOW - 1,
            "seconds": 1.5,
            "drift": 3,
            "debt": number,
            "held": 0,
            "commit": "abc",
        }
        report.report(
            News(figures=figures, changes={"create": 2, "update": 1}),
            Settings(metrics=str(path)),
            state,
            "web1",
            NOW,
        )
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }

    assert {
        ("reconciler_last_apply_timestamp_seconds",): NOW,
        ("reconciler_last_success_timestamp_seconds",): NOW - 1,
        ("reconciler_run_duration_seconds",): 1.5,
        ("reconciler_drift_resources",): 3,
        ("reconciler_debt_items",): 2,
        ("reconciler_held_resources",): 0,
        ("reconciler_changes_total", "create"): 4,
        ("reconciler_changes_total", "update"): 2,
        ("reconciler_spec_commit_info", "abc"): 1,
    } == values
    assert "counter" == families["reconciler_changes"].type
    assert "100644" == f"{path.stat().st_mode:o}"
    assert ["reconciler.prom", "state"] == sorted(found.name for found in tmp_path.iterdir())


def test_labels_and_help_survive_the_parser() -> None:
    """Quotes, backslashes and line ends are escaped as the format has it."""
    awkward = 'a"b\\c\nd{}=,'
    (family,) = text_string_to_metric_families(
        prometheus.render([Metric("x", "gauge", "one\ntwo\\", [({"l": awkward}, 1)])])
    )

    assert [{"l": awkward}] == [sample.labels for sample in family.samples]
    assert "one\ntwo\\" == family.documentation


def test_a_figure_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    """The exporter's directory may be somebody else's: what is there and is no file stays as it is."""
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "x.prom").symlink_to(target)
    with pytest.raises(HostError):
        publish(str(tmp_path / "x.prom"), b"x")

    assert "mine" == target.read_text()


def test_figures_that_cannot_be_written_stop_nobody_from_being_told(state: str, listener: Listener) -> None:
    """It is a problem among others."""
    chosen = Settings(metrics="/nonexistent/x.prom", notify=({"webhook": listener.url},))
    problems = report.report(News({report.APPLY: BAD}), chosen, state, "web1", NOW)

    assert ["a file cannot be written: /nonexistent/x.prom: No such file or directory"] == problems
    assert 1 == len(listener.events)


# ------------------------------------------------------------------------------------------------ the journal


def test_a_value_with_line_ends_adds_no_field() -> None:
    """It is sent with its length (systemd's native protocol), so that it is one value whatever is in it."""
    assert b"A=1\nMESSAGE\n\x08\x00\x00\x00\x00\x00\x00\x00x\nB=2\nyz\nC=3\n" == serialised(
        {"A": "1", "MESSAGE": "x\nB=2\nyz", "C": "3"}
    )


def jobs(**reasons: str) -> Standing:
    """The standing of jobs that are not well, each with one cause."""
    return Standing(
        bool(reasons),
        "; ".join(f"backups.{name}: {why}" for name, why in reasons.items()) or "all jobs are well",
        [f"backups.{name}" for name in reasons],
        {f"backups.{name} {why}": f"backups.{name}: {why}" for name, why in reasons.items()},
    )


def test_each_cause_of_a_job_is_told_once(listener: Listener, state: str) -> None:
    """A second job and a second cause are news, a cause that lasts is none, and each job that is well again
    is told when it is.
    """
    for standing in (
        jobs(a="late"),
        jobs(a="late"),
        jobs(a="late", b="bad"),
        jobs(a="bad", b="bad"),
        jobs(b="bad"),
        jobs(b="bad"),
        jobs(),
        jobs(),
    ):
        assert [] == tell(state, standing, listener.url, subject=report.JOBS)

    assert [
        ("job_failing", ["backups.a"], "backups.a: late"),
        ("job_failing", ["backups.b"], "backups.b: bad"),
        ("job_failing", ["backups.a"], "backups.a: bad"),
        ("job_recovered", ["backups.a"], "backups.a: well again"),
        ("job_recovered", ["backups.b"], "all jobs are well"),
    ] == [(event["event"], event["addresses"], event["text"].partition(": ")[2]) for event in listener.events]


def test_a_job_that_is_gone_is_not_well_again(listener: Listener, state: str) -> None:
    """A job that was not well and is no job any more is told so, once."""
    for standing, present in (
        (jobs(a="late", b="bad"), "ab"),
        (jobs(b="bad"), "b"),
        (jobs(), "c"),
        (jobs(), "c"),
    ):
        figures = {"jobs": [{"address": f"backups.{name}", "healthy": True} for name in present]}
        assert [] == tell(state, standing, listener.url, subject=report.JOBS, figures=figures)

    assert ["backups.a: no job any more", "backups.b: no job any more; all jobs are well"] == [
        event["text"].partition(": ")[2] for event in listener.events if event["event"] == "job_recovered"
    ]


def test_causes_that_could_not_be_told_are_told_later(listener: Listener, state: str) -> None:
    """A target that was out of reach gets what is still so, once."""
    listener.answer = 503
    assert 1 == len(tell(state, jobs(a="late"), listener.url, subject=report.JOBS))
    listener.answer = 200
    for _ in range(2):
        assert [] == tell(state, jobs(a="late", b="bad"), listener.url, subject=report.JOBS)

    assert [["backups.a", "backups.b"]] == [event["addresses"] for event in listener.events]


def test_the_record_of_an_earlier_version_is_not_told_again(listener: Listener, state: str) -> None:
    """A target that was told that a job is not well, as versions before causes did, hears of the next cause
    only.
    """
    tell(state, jobs(a="late"), listener.url, subject=report.JOBS)
    path = Path(state) / "report.json"
    data = json.loads(path.read_text())
    data["told"] = {target: {"jobs": True} for target in data["told"]}
    path.write_text(json.dumps(data))
    for _ in range(2):
        tell(state, jobs(a="late"), listener.url, subject=report.JOBS)
    tell(state, jobs(a="late", b="bad"), listener.url, subject=report.JOBS)

    assert [["backups.a"], ["backups.b"]] == [event["addresses"] for event in listener.events]
