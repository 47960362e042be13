"""Rules of sudo that are said to hand root over do, judged by sudo itself; those that are said to be no way
are none.
"""

from __future__ import annotations

import json

import pytest

from tests.booted.booted import BootedHost
from tests.policy.sudo_rules import DEPLOY, REPORT, ROWS, Row

SPEC = "/root/host.yaml"
_READY = (
    "umount /etc/cron.d 2>/dev/null; rm -rf /root/taken /etc/sudoers.d/zz /usr/local/bin/zz /home/ann"
    " /var/spool/cron/crontabs/root /var/backups/ann* /srv/x /etc/systemd/system/x.service; setfacl -b /root;"
    " chown root:root /root; chmod 0700 /root; cp -a /etc/skel /home/ann; chown -R ann:ann /home/ann; chmod"
    " 0755 /home/ann; usermod -p '*' ben"
)
_BEFORE = (
    "useradd -m -s /bin/bash ann; useradd -m -s /bin/bash ben; mkdir -p /srv/app; echo the secret >"
    " /root/secret; chmod 0600 /root/secret; ln -s /bin/bash /usr/local/bin/shell; groupadd docker"
)


def _prepare(host: BootedHost, row: Row) -> None:
    """A home of ann's with nothing in it, and the rules."""
    host.run("sh", "-c", _READY)
    host.write("/usr/local/bin/deploy", DEPLOY, "0755")
    host.write("/usr/local/bin/report", REPORT, "0755")
    digest = host.run("sha224sum", "/usr/local/bin/deploy").stdout.split()[0]
    host.write("/etc/sudoers.d/a", f"{row.rules.replace('%(digest)s', digest)}\n", "0440")
    host.run("visudo", "--check", "--quiet")


def _is_root(host: BootedHost, row: Row) -> bool:
    """Whether ann is root, or sees root's secret, by what she types."""
    done = host.run("runuser", "-u", "ann", "--", "sh", "-c", f"cd /home/ann; {row.types}", check=False)
    if "the secret" in done.stdout:
        return True
    return not row.shown and host.run("sh", "-c", row.proof, check=False).returncode == 0


def _said(host: BootedHost) -> list[tuple[str, bool]]:
    """The ways to root that Access tells of ann."""
    data = json.loads(host.reconciler("access", SPEC, "--who", "ann", "--to", "root", "--json").stdout)
    return [(item["by"], item.get("likely", False)) for item in data["access"] if item["now"]]


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_what_a_rule_hands_over_is_judged_by_sudo(suite: str) -> None:
    """Where a row says that ann becomes root, or may, she is root or sees its secret by what she types, and
    nowhere else.

    The words about each row are judged in tests/policy; here Access is asked of every eighth.
    """
    with BootedHost(suite=suite) as host:
        host.run("sh", "-c", _BEFORE)
        host.write(SPEC, json.dumps({"version": 1, "host": "testhost", "groups": {"x": {}}}))
        wrong: list[tuple[str, object]] = []
        for number, (name, row) in enumerate(ROWS.items()):
            _prepare(host, row)
            said = _said(host) if number % 8 == 0 else None
            if said is not None and [(True, row.may)] * bool(row.why) != [
                (row.why in by, likely) for by, likely in said
            ]:
                wrong.append((name, said))
            taken = _is_root(host, row)
            if taken != (bool(row.why) and row.not_on != suite):
                wrong.append((name, taken))

        assert [] == wrong
