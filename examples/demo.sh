#!/usr/bin/env bash
# The story of one small host, on a throw-away tree: no root, no systemd, nothing outside a temporary directory.
# Every step is checked. If one does not do what the text says, the demo ends with an error: it is a test as well.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=demo/story.sh
source "$examples/demo/story.sh"

place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
cd "$place"
cp -R "$examples/demo/host.yaml" "$examples/demo/files" .

# The base that any Linux system has, as far as this spec meets it.
mkdir -p host/etc/systemd/system host/opt
printf 'root:x:0:0:root:/root:/bin/bash\n' >host/etc/passwd
printf 'root:x:0:\n' >host/etc/group
printf 'gpu-01\n' >host/etc/hostname

contents() {
    find host -printf '%P %y %m %T@ %l\n' -type f -exec sha256sum {} + | sort
}

printf "A directory stands in for a host: passwd, group, hostname, room for units, and nothing else.\n"

tell "What the host shall be, in one file."
run "tail -n +2 host.yaml"

tell "A slip of the pen is found before anything happens, with its place and the cure."
sed 's/watch:/wacth:/; /ml-training/d' host.yaml >slip.yaml
run -1 "reconciler validate slip.yaml"
expect "slip.yaml:16:5"
expect "Did you mean \`watch\`?"

tell "The file itself is right."
run "reconciler validate host.yaml"
expect "Success! host.yaml is valid"

tell "The plan: all that would be done, and nothing is done yet. This is what a reviewer reads."
before=$(contents)
run "reconciler plan host.yaml --root host"
expect "Plan: 6 to add, 0 to change, 0 to destroy."
[[ $before == "$(contents)" && ! -e host.reconciler ]] || fail "plan changed something."

tell "Apply does just that. (It prints the plan once more, left out here.)"
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "Apply complete! Resources: 6 added, 0 changed, 0 destroyed."
check "the configuration is there" "cmp files/api.conf host/opt/ml/api.conf"
check "the group is there" "grep -qx 'ml-users:x:2000:' host/etc/group"

tell "Once more, and there is nothing to do."
run "reconciler plan host.yaml --root host"
expect "No changes. Your host matches the configuration."

tell "Somebody changes the port by hand ..."
run "sed -i s/8000/9999/ host/opt/ml/api.conf"
tell "... which is seen for what it is, and put back."
run "reconciler drift host.yaml --root host"
expect "changed on the host; apply sets it back"
expect "1 object has changed outside of the spec."
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "0 added, 1 changed, 0 destroyed."
check "the port is back" "cmp files/api.conf host/opt/ml/api.conf"

tell "A line leaves the spec: what is ours and no longer declared goes. Nothing else ever does."
run "sed -i /ml-training/d host.yaml"
run "reconciler plan host.yaml --root host"
expect "- services.ml-training"
expect "Plan: 0 to add, 0 to change, 1 to destroy."
run "reconciler apply host.yaml --root host --auto-approve | tail -n 1"
expect "0 added, 0 changed, 1 destroyed."
check "nothing of ml-training is left" "! find host | grep ml-training"

tell "What is left are ordinary files in ordinary places, which any administrator can read."
run "find host/etc/systemd host/opt -not -type d | sort"
expect "host/etc/systemd/system/multi-user.target.wants/ml-api.service"
run "cat host/etc/systemd/system/ml-api.service"
expect "ExecStart=/opt/ml/serve ml-api"
run "reconciler plan host.yaml --root host"
expect "No changes."

printf '\n%s\n' "That was a tree; \`make demo-host\` (as root) tells the same story of real services on a booted Debian."
