"""The last words of a service before it failed are told without its secrets."""

from __future__ import annotations

from reconciler.host.systemd.unit_results import last_words, load_error


def test_the_last_words_of_a_service_have_no_secret() -> None:
    """Programs quote their command line and systemd the line that it cannot read: it goes to the journal of
    an apply and to its report.
    """
    said = b"curl -u a:hunter2 http://h failed\nGITHUB_PAT=hunter2 is wrong\nport 80 is taken\n"
    refused = (
        b"/etc/systemd/system/s.service:3: Invalid environment assignment, ignoring: API_TOKEN=hunter2\n"
    )

    assert "hunter2" not in last_words(said)
    assert "curl -u a:(sensitive value) http://h failed" in last_words(said)
    assert "port 80 is taken" in last_words(said)
    assert load_error("s.service", refused).endswith("API_TOKEN=(sensitive value)")
