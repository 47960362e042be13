#!/usr/bin/env bash
# The story of demo.sh on a booted Debian, with real services. Run it with `make demo-host`: it changes the host it runs on.
# Every step is checked. If one does not do what the text says, the demo ends with an error: it is a test as well.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=demo/story.sh
source "$examples/demo/story.sh"

systemd-detect-virt --container --quiet || fail "this is for a throw-away host: make demo-host"
place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
cd "$place"
cp -R "$examples/demo/host.yaml" "$examples/demo/files" .
echo gpu-01 >/etc/hostname
hostname gpu-01

pid() {
    systemctl show --property MainPID --value "$1"
}

reloads() {
    journalctl --quiet --output cat _PID=1 | grep -c '^Reloading' || true
}

status="systemctl status --no-pager --lines 0 ml-api ml-training | grep -E '●|Active|Main PID'"

printf "This is a Debian that has just booted, with Reconciler installed and nothing else done to it.\n"

tell "What the host shall be, in one file."
run "tail -n +2 host.yaml"

tell "The plan: all that would be done, services included. Nothing is done yet."
run "reconciler plan host.yaml"
expect "> start ml-api.service"
expect "> start ml-training.service"
expect "Plan: 6 to add, 0 to change, 0 to destroy."
[[ ! -e /opt/ml && ! -e /var/lib/reconciler ]] || fail "plan changed something."

tell "Apply does just that. (It prints the plan once more, left out here.)"
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "Apply complete! Resources: 6 added, 0 changed, 0 destroyed."
run "$status"
[[ $(grep -c 'Active: active (running)' <<<"$output") == 2 ]] || fail "both services should be running."
check "both start with the host" "systemctl is-enabled ml-api ml-training"
run "stat --format '%A %U:%G %n' /opt/ml /opt/ml/*; getent group ml-users"
expect "-rw-r----- root:ml-users /opt/ml/api.conf"
expect "ml-users:x:2000:"

tell "Once more, and nothing is done: no file is written, no service is touched."
api=$(pid ml-api) training=$(pid ml-training) reloads=$(reloads)
run "reconciler apply host.yaml --auto-approve"
expect "No changes. Your host matches the configuration."
[[ "$api $training $reloads" == "$(pid ml-api) $(pid ml-training) $(reloads)" ]] || fail "a second apply did something."

tell "A new port. ml-api has to be restarted for it; ml-training must not be: 'on_change: none'."
run "sed -i s/8000/9000/ files/api.conf"
run "reconciler plan host.yaml"
expect "> restart ml-api.service"
expect "owed: restart ml-training.service"
run "reconciler apply host.yaml --auto-approve | tail -n 5"
expect "Resources: 0 added, 1 changed, 0 destroyed."
run "$status"
[[ $(pid ml-api) != "$api" ]] || fail "ml-api was not restarted."
[[ $(pid ml-training) == "$training" ]] || fail "ml-training was restarted."
run "journalctl --unit ml-api --unit ml-training --output cat --grep serves"
expect "ml-api serves with port = 9000"

tell "What ml-training still lacks is not forgotten. When it suits, somebody restarts it, and that is seen."
run "reconciler plan host.yaml"
expect "runs with older configuration"
run "systemctl restart ml-training"
run "reconciler plan host.yaml"
expect "No changes."
[[ $output != *older* ]] || fail "the restart by hand was not seen."

tell "Somebody stops a service, and forgets."
run "systemctl stop ml-api"
run "reconciler drift host.yaml"
expect "services.ml-api"
expect "1 object has changed outside of the spec."
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "0 added, 1 changed, 0 destroyed."
run "systemctl is-active ml-api"
expect "active"

tell "A line leaves the spec: the service is stopped, and nothing is left of it."
run "sed -i /ml-training/d host.yaml"
run "reconciler plan host.yaml"
expect "> stop ml-training.service"
expect "Plan: 0 to add, 0 to change, 1 to destroy."
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "0 added, 0 changed, 1 destroyed."
run -4 "systemctl status ml-training"
expect "could not be found"
check "no file of ml-training is left" "[[ -z \$(find /etc/systemd /run/systemd/system -name '*ml-training*') ]]"
check "no process of ml-training is left" "[[ \$(pgrep -c -x sleep) == 1 ]]"
run "reconciler plan host.yaml"
expect "No changes."

printf '\n%s\n' "The host is gone now; it was booted for this."
