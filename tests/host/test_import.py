"""import on a real Debian: what was set up by hand becomes a spec that changes nothing."""

from __future__ import annotations

import json

from tests.host.booted import BootedHost

SPEC = "/root/imported.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/IKyauy0fShoxO++NYFzKj58vMbC77MgYsCBcKBe64 alice@laptop"
BY_HAND = f"""set -e
groupadd --gid 2000 ml-users
useradd --create-home --shell /bin/bash --comment 'Alice, research' --groups ml-users alice
useradd --create-home --shell /bin/sh --expiredate 2030-01-15 bob
useradd --system --shell /usr/sbin/nologin daemonette
install -d -m 700 -o alice -g alice /home/alice/.ssh
printf '%s\\n' '# mine' '{KEY}' > /home/alice/.ssh/authorized_keys
chown alice: /home/alice/.ssh/authorized_keys
chmod 600 /home/alice/.ssh/authorized_keys
mkdir -p /var/log/web
cat > /etc/systemd/system/web.service <<'END'
# made by hand
[Unit]
Description=Web
After=network.target
[Service]
ExecStart=/usr/bin/sleep infinity
User=alice
LimitNOFILE=4096
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/off.service <<'END'
[Service]
Type=exec
Restart=always
ExecStart=/usr/bin/sleep infinity
END
cat > /etc/logrotate.d/web <<'END'
/var/log/web/*.log {{
    weekly
    rotate 4
    missingok
    compress
}}
END
systemctl daemon-reload
systemctl enable --now web.service
"""
FACTS = "find /etc /home /usr/lib/systemd -xdev -printf '%p %i %T@ %C@ %m %u %g\\n' | sort"


def test_what_was_set_up_by_hand_becomes_a_spec(booted: BootedHost) -> None:
    """The plan of the import is empty, apply records it without touching an inode or a process, and the next plan is empty too."""
    booted.run("sh", "-c", BY_HAND)
    before, life = booted.run("sh", "-c", FACTS).stdout, booted.life("web.service")
    done = booted.reconciler("import", "--out", SPEC)
    text = booted.read(SPEC)

    assert "left out" not in done.stderr, text
    for wanted in ("  alice:\n", "  bob:", "groups: [ml-users]", "expires: '2030-01-15'", f"alice: [{KEY}]", "  web:\n", "  'off':\n"):
        assert wanted in text, text
    assert "daemonette" not in text

    for _ in range(2):
        plan = json.loads(booted.reconciler("plan", SPEC, "--json", "--detailed-exitcode").stdout)

        assert plan["complete"]
        assert [] == [row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]]
        assert [] == plan["steps"]

        booted.reconciler("apply", SPEC, "--auto-approve")

    assert before == booted.run("sh", "-c", FACTS).stdout
    assert life == booted.life("web.service")

    booted.write(SPEC, text.replace("limit_nofile: '4096'", "limit_nofile: '8192'"))
    booted.reconciler("apply", SPEC, "--auto-approve")

    assert "LimitNOFILE=8192" == booted.run("systemctl", "show", "--property=LimitNOFILE", "web.service").stdout.strip()
