#!/usr/bin/env bash
# The story of a whole ML host, on a throw-away tree: no root, no systemd, nothing outside a temporary directory.
# Every step is checked. If one does not do what the text says, the demo ends with an error: it is a test as well.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=demo/story.sh
source "$examples/demo/story.sh"
# shellcheck source=demo/stand-ins.sh
source "$examples/demo/stand-ins.sh"

umask 022
place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
cd "$place"
cp "$examples/ml-host.yaml" host.yaml

# The base that any Linux system has, as far as this spec meets it.
mkdir -p host/etc/{systemd/system,logrotate.d,sudoers.d,profile.d} host/{home,var/log,bin} host/usr/{bin,sbin,local/bin}
printf 'root:x:0:0:root:/root:/bin/bash\n' >host/etc/passwd
printf 'root:x:0:\n' >host/etc/group
printf 'root:*:19000:0:99999:7:::\n' >host/etc/shadow
printf '/bin/bash\n' >host/etc/shells
printf 'gpu-01\n' >host/etc/hostname
install -m 755 /dev/null host/bin/bash
for program in bin/tar bin/gzip sbin/logrotate local/bin/reconciler; do install -m 755 /dev/null "host/usr/$program"; done
stand_ins host

contents() {
    find host -printf '%P %y %m %T@ %l\n' -type f -exec sha256sum {} + | sort
}

printf "A directory stands in for a host: a few files in /etc, the programs of five services, and nothing else.\n"

tell "What the host shall be is one file. These are its sections and what is in them:"
run "grep -E '^ {0,2}[a-z/]' host.yaml"

tell "A person, for one:"
run "sed -n '/^  alice:/,/^\$/p' host.yaml"

tell "Slips of the pen are found before anything happens, all at once, each with its place and the cure."
sed 's/restart_sec: 10s/restart_sec: soon/; s/aliases:/alaises:/' host.yaml >slip.yaml
run -1 "reconciler validate slip.yaml"
expect "slip.yaml:23:5"
expect "Did you mean \`aliases\`?"
expect "slip.yaml:43:16"

tell "The file itself is right."
run "reconciler validate host.yaml"
expect "Success! host.yaml is valid"

tell "The plan: all that would be done, and nothing is done yet. First only the headings:"
before=$(contents)
run "reconciler plan host.yaml --root host | grep -E '^  [+~-] [a-z_]+[.[]|^Plan:'"
expect "+ users.alice/sudo"
expect "+ backups.data/timer"
expect "Plan: 27 to add, 0 to change, 0 to destroy."

tell "Then two of them in full. This is what a reviewer reads:"
run "reconciler plan host.yaml --root host --target users.alice/sudo --target services.ml-training"
expect "+ Service.LimitNOFILE:      65536"
expect "+alice ALL=(root) NOPASSWD: /usr/bin/systemctl restart ml-api"
[[ $before == "$(contents)" && ! -e host.reconciler ]] || fail "plan changed something."

tell "Apply does just that. (It prints the plan once more, left out here.)"
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "Apply complete! Resources: 27 added, 0 changed, 0 destroyed."

tell "Once more, and there is nothing to do."
run "reconciler plan host.yaml --root host"
expect "No changes. Your host matches the configuration."

tell "What was made are ordinary lines and files in ordinary places, which any administrator can read."
run "grep ml- host/etc/passwd host/etc/group"
expect "host/etc/group:ml-users:x:2000:ml-user,alice"
run "ls host/home/alice host/opt/ml"
run "cat host/etc/systemd/system/backup-data.timer"
expect "OnCalendar=*-*-* 02:00:00"
check "five services start with the host" "[[ \$(ls host/etc/systemd/system/multi-user.target.wants | wc -l) == 5 ]]"
check "the key is there" "grep -q alice@laptop host/home/alice/.ssh/authorized_keys"

tell "Somebody gives herself some more rights, by hand ..."
run "sed -i '\$a alice ALL=(ALL) NOPASSWD: ALL' host/etc/sudoers.d/alice"
tell "... which is seen for what it is, and put back."
run "reconciler drift host.yaml --root host"
expect "changed on the host; apply sets it back"
expect "-alice ALL=(ALL) NOPASSWD: ALL"
expect "1 object has changed outside of the spec."
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "0 added, 1 changed, 0 destroyed."
check "the right is gone" "! grep -q 'NOPASSWD: ALL' host/etc/sudoers.d/alice"

tell "Lines leave the spec: what is ours and no longer declared goes. Nothing else ever does."
run "sed -i '/^  jupyter:/,/^\$/d; /sudo:/,/run:/d' host.yaml"
run "reconciler plan host.yaml --root host"
expect "- services.jupyter"
expect "- users.alice/sudo"
expect "Plan: 0 to add, 0 to change, 2 to destroy."
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "0 added, 0 changed, 2 destroyed."
check "nothing of the service is left" "! find host/etc | grep jupyter"
check "the rule is gone" "[[ ! -e host/etc/sudoers.d/alice ]]"

tell "A person who leaves is shut out, and everything that is hers stays."
run "sed -i '/^  alice:/,/^\$/d' host.yaml"
run "reconciler plan host.yaml --root host"
expect "no longer in the spec: disabled, data kept"
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "0 added, 1 changed, 2 destroyed, 6 forgotten."
check "no key of hers is left" "! grep -q alice host/home/alice/.ssh/authorized_keys"
check "her data are there" "[[ -d host/home/alice/experiments ]]"
run "reconciler plan host.yaml --root host"
expect "No changes."

printf '\n%s\n' "That was a tree; \`make demo-host\` (as root) tells the same story of real services on a booted Debian."
