#!/usr/bin/env bash
# The story of demo.sh on a booted Debian, with real services. Run it with `make demo-host`: it changes the host it runs on.
# Every step is checked. If one does not do what the text says, the demo ends with an error: it is a test as well.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=demo/story.sh
source "$examples/demo/story.sh"
# shellcheck source=demo/stand-ins.sh
source "$examples/demo/stand-ins.sh"

systemd-detect-virt --container --quiet || fail "this is for a throw-away host: make demo-host"
umask 022
place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
cd "$place"
cp "$examples/ml-host.yaml" host.yaml
echo gpu-01 >/etc/hostname
hostname gpu-01
echo 127.0.1.1 gpu-01 >>/etc/hosts
stand_ins ''

services=(ml-api ml-training mlflow-server tensorboard jupyter)
others=(ml-api mlflow-server tensorboard jupyter)

pids() {
    systemctl show --property MainPID --value "$@"
}

reloads() {
    journalctl --quiet --output cat _PID=1 | grep -c '^Reloading' || true
}

status="systemctl --no-legend --plain list-units ${services[*]/%/.service}"

printf "This is a Debian that has just booted, with Reconciler and the programs of five services, and nothing else done to it.\n"

tell "What the host shall be is one file. These are its sections and what is in them:"
run "grep -E '^ {0,2}[a-z/]' host.yaml"

tell "The plan: all that would be done, services included. Nothing is done yet. First only the headings:"
run "reconciler plan host.yaml | grep -E '^  [+~-] [a-z_]+[.[]|^Plan:'"
expect "Plan: 27 to add, 0 to change, 0 to destroy."
run "reconciler plan host.yaml --target services.ml-training"
expect "> start ml-training.service"
[[ ! -e /etc/systemd/system/ml-api.service && ! -e /var/lib/reconciler ]] || fail "plan changed something."

tell "Apply does just that. (It prints the plan once more, left out here.)"
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "Apply complete! Resources: 27 added, 0 changed, 0 destroyed."
run "$status"
[[ $(grep -c ' active running ' <<<"$output") == 5 ]] || fail "five services should be running."
check "all of them start with the host" "systemctl is-enabled ${services[*]}"
run "ps -o user,args -p \$(systemctl show --property MainPID --value ml-training)"
expect "ml-user"
run "id alice; sudo -l -U alice | tail -n 1"
expect "(root) NOPASSWD: /usr/bin/systemctl restart ml-api"
run "su - alice -c 'ls; echo \$LD_LIBRARY_PATH'"
expect "experiments"
expect "/usr/local/cuda/lib64"

tell "Once more, and nothing is done: no file is written, no service is touched."
before="$(pids "${services[@]}") $(reloads)"
run "reconciler apply host.yaml --auto-approve"
expect "No changes. Your host matches the configuration."
[[ $before == "$(pids "${services[@]}") $(reloads)" ]] || fail "a second apply did something."

tell "One line that all five share. Four are restarted for it, the training run must not be: 'on_change: none'."
training=$(pids ml-training) before=$(pids "${others[@]}")
run "sed -i 's/limit_nproc: 4096/limit_nproc: 8192/' host.yaml"
run "reconciler plan host.yaml"
expect "> restart ml-api.service"
expect "owed: restart ml-training.service"
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "Resources: 0 added, 5 changed, 0 destroyed."
[[ $(pids ml-training) == "$training" ]] || fail "ml-training was restarted."
[[ -z $(comm -12 <(sort <<<"$before") <(pids "${others[@]}" | sort) | grep .) ]] || fail "not all of the others were restarted."

tell "What ml-training still lacks is not forgotten. When it suits, somebody restarts it, and that is seen."
run "reconciler plan host.yaml"
expect "runs with older configuration"
run "systemctl restart ml-training"
run "reconciler plan host.yaml"
expect "No changes."
[[ $output != *older* ]] || fail "the restart by hand was not seen."

tell "Somebody stops a service, and forgets."
run "systemctl stop tensorboard"
run "reconciler drift host.yaml"
expect "services.tensorboard"
expect "1 object has changed outside of the spec."
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "0 added, 1 changed, 0 destroyed."
run "systemctl is-active tensorboard"
expect "active"

tell "The data are backed up every night; here is one more run, by hand."
run "systemctl --no-legend list-timers backup-data.timer | grep -o '^.* 02:00:00 UTC'"
run "reconciler backup run data"
run "reconciler backup list data"
check "the archive is good" "cd /backup && sha256sum --check ./*.sha256"

tell "A block leaves the spec: the service is stopped, and nothing is left of it."
run "sed -i '/^  jupyter:/,/^\$/d' host.yaml"
run "reconciler plan host.yaml"
expect "> stop jupyter.service"
expect "Plan: 0 to add, 0 to change, 1 to destroy."
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "0 added, 0 changed, 1 destroyed."
run -4 "systemctl status jupyter"
expect "could not be found"
check "no file of it is left" "[[ -z \$(find /etc/systemd /run/systemd/system -name '*jupyter*') ]]"

tell "A person who leaves is shut out, and everything that is hers stays."
run "sed -i '/^  alice:/,/^\$/d' host.yaml"
run "reconciler apply host.yaml --auto-approve | tail -n 1"
expect "0 added, 1 changed, 3 destroyed, 6 forgotten."
run -1 "su - alice -c ls"
expect "Your account has expired"
run "ls /home/alice"
expect "experiments"
run "reconciler plan host.yaml"
expect "No changes."

printf '\n%s\n' "The host is gone now; it was booted for this."
