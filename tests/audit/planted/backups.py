"""Faults of backups: a job for each, on a host whose data is on a disk of its own."""

from tests.audit.planted import Fault

_JOBS = """\
test -e /root/backups.yaml || {
  mkdir -p /data
  mount -t tmpfs -o nosuid,nodev,noexec data /data
  for name in stale failing unproved open near; do mkdir /data/$name; echo x > /data/$name/x; done
  install -d -m 700 /backup /near
  install -m 600 /dev/null /etc/backup.key
  cat > /root/backups.yaml <<END
version: 1
host: $(hostname)
backups:
  stale: {sources: [/data/stale], destinations: [/backup/stale], schedule: daily, max_age: 26h}
  failing: {sources: [/data/failing], destinations: [/backup/failing], schedule: daily}
  unproved: {sources: [/data/unproved], destinations: [/backup/unproved], schedule: daily, verify_max_age: 30d}
  open: {sources: [/data/open], destinations: [/backup/open], schedule: daily}
  near: {sources: [/data/near], destinations: [/backup/near], schedule: daily}
  far:
    sources: [/data/near]
    destinations:
      - url: sftp://backup@vault.example.com/srv/backups
        host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVYq0M2hA1qUeqSvLRrWm7mSxv1k4l4jzW0JwG1tJQf"
        identity_file: /etc/backup.key
    schedule: daily
END
  reconciler apply /root/backups.yaml --auto-approve
  for name in stale failing unproved open near; do reconciler backup run $name; done
}
"""

PLANTED = {
    "backup-stale": Fault(
        "rm /backup/stale/*\ntouch -d '3 days ago' /etc/reconciler/backups/stale.json",
        "stale /backup/stale",
        before=_JOBS,
    ),
    "backup-failed": Fault("rm -r /data/failing\n! reconciler backup run failing", "failing", before=_JOBS),
    "backup-unproved": Fault(
        "touch -d '60 days ago' /etc/reconciler/backups/unproved.json\n"
        'sed -i \'s/"verified_at": .*/"verified_at": "2020-01-01T00:00:00Z",/\' /backup/unproved/*.json',
        "unproved",
        before=_JOBS,
    ),
    "backup-destination-open": Fault("chmod 0755 /backup /backup/open", "/backup/open", before=_JOBS),
    "backup-same-disk": Fault(
        'sed -i \'s#"/data/near"#"/near/data"#\' /etc/reconciler/backups/near.json', "near", before=_JOBS
    ),
    "backup-secret-readable": Fault("chmod 0644 /etc/backup.key", "/etc/backup.key", before=_JOBS),
    "backup-missing": Fault("mkdir -p /srv/shop", "/srv", before=_JOBS),
}
