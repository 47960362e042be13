"""Text that a unit file would not give back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.main import run

FIELDS = (
    "description: {}",
    "documentation: [{}]",
    "environment_file: [{}]",
    "load_credential: {{a: {}}}",
    "syslog_identifier: {}",
    "directives: {{Service: {{Slice: {}}}}}",
)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", ["/a\\", "/a "])
def test_text_that_would_not_come_back_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, text: str
) -> None:
    """A backslash or blank at the end would take the next line along, or vanish: told at validation, with the
    place.
    """
    spec = tmp_path / "host.yaml"
    declared = field.format(f"'{text}'")
    spec.write_text(f"version: 1\nhost: a\nservices:\n  s: {{exec_start: [/bin/x], {declared}}}\n")
    code = run(["validate", str(spec)])
    told = capsys.readouterr().err

    assert 1 == code
    assert f"{spec}:4:" in told
    assert "internal error" not in told
