"""A unit that systemd-analyze verify lets pass, and a plan does not: systemd would start it without what was
meant.
"""

from __future__ import annotations

import json

from tests.booted.booted import BootedHost
from tests.booted.test_spine import SPEC

SILENT = {
    # Where it stands, and what a plan says of it.
    "key": ("Service", "Restrat", "always", "Restart"),
    "key-of-another-section": ("Unit", "ExecReload", "/bin/true", "Service"),
    "section": ("Sevrice", "Nice", "5", "Service"),
    "enum": ("Service", "KillMode", "sometimes", "control-group"),
    "boolean": ("Service", "PrivateTmp", "perhaps", "PrivateTmp"),
    "time": ("Service", "TimeoutStopSec", "soon", "TimeoutStopSec"),
    "size": ("Service", "MemoryMax", "a lot", "MemoryMax"),
    "number": ("Service", "OOMScoreAdjust", "5000", "OOMScoreAdjust"),
    "signal": ("Service", "KillSignal", "SIGNONE", "KillSignal"),
    "specifier": ("Unit", "SourcePath", "/srv/%Z", "%Z"),
    "field-of-its-own": ("Service", "Environment", "A=%Z", "environment"),
    "condition": ("Unit", "ConditionPathExists", "not/absolute", "ConditionPathExists"),
    "system-call": ("Service", "SystemCallFilter", "no_such_call", "no_such_call"),
}
HEAD = {"Service": "ExecStart=/bin/true\n"}


def _unit(section: str, name: str, value: str) -> str:
    sections = {**HEAD, section: f"{HEAD.get(section, '')}{name}={value}\n"}
    return "".join(f"[{section}]\n{text}" for section, text in sections.items())


def test_what_verify_lets_pass_is_refused(booted: BootedHost) -> None:
    """For each of these verify returns 0; the plan names the resource, says what is wrong, and nothing can be
    applied.
    """
    for name, (section, key, value, _) in SILENT.items():
        booted.write(f"/root/units/{name}.service", _unit(section, key, value))
        verified = booted.run("systemd-analyze", "verify", f"/root/units/{name}.service", check=False)

        assert 0 == verified.returncode, (name, verified.stderr)
    for name, (section, key, value, words) in SILENT.items():
        service = {"exec_start": ["/bin/true"], "directives": {section: {key: value}}}
        spec = {"version": 1, "host": "testhost", "services": {name: service}}
        booted.write(SPEC, json.dumps(spec))
        done = booted.reconciler("plan", SPEC, "--json", check=False)
        rows = [row for row in json.loads(done.stdout)["diagnostics"] if row["severity"] == "error"]

        assert 1 == done.returncode, name
        assert [f"services.{name}"] == [row["address"] for row in rows], rows
        assert words in f"{rows[0]['summary']}: {rows[0]['detail']}", rows
