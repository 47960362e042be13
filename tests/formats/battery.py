"""Values of all sorts, right for one directive and wrong for others. No test by itself."""

from __future__ import annotations

_WORDS = """
    x 0 1 -1 2 7 8 9 10 16 64 65 99 100 101 1000 1001 4095 4096 10000 10001 65535 65536 99999999999999999999 0x10 1.5 10K 10k 10M
    10Q 10B 10G1M 10% 101% 10.5% 10.55% 10.555% 200% 10\u2030 10\u2031 infinity inf max yes no true off on maybe Yes 5s 5 5min
    5parsecs 5ns 1.5h -5s 0644 0999 rwx 07777 017777 u=rw 644 none auto closed strict full read-only tmpfs disconnected private
    shared slave inherit identity self managed stop continue kill inactive inactive-or-failed restart init login user all main exec
    realtime best-effort idle other batch fifo rr default preferred bind interleave local control-group process mixed cgroup SIGTERM
    TERM SIGFOO sigterm SIGRTMIN+3 RTMAX-2 SIGRTMIN+99 emerg alert crit err warning notice info debug warn error daemon local7 auth
    local8 kern authpriv null tty tty-force tty-fail socket data fd fd:name file:/x file:x append:/x truncate:/x journal
    journal+console kmsg kmsg+console syslog syslog+console stdout keep-caps noroot noroot-locked keep-caps,noroot CAP_SYS_ADMIN
    ~CAP_SYS_ADMIN CAP_FOO cap_chown chown SYS_ADMIN @system-service ~@clock @foo open ~open openx open:EPERM open:EFOO @clock:errno
    native x86-64 x86 arm arm64 amd64 EPERM EFOO KILL net ipc ~net net,ipc AF_INET AF_FOO ~AF_INET inet AF_UNIX @basic-api ext4
    ~ext4 x86_64 simple notify notify-reload forking oneshot dbus idle exec always on-failure on-success on-abnormal on-abort
    on-watchdog never onfailure normal direct debug-mode terminate abort both ipv6-only reboot reboot-force reboot-immediate
    poweroff exit exit-force soft-reboot kexec halt halt-force reset restart-force low-delay throughput reliability low-cost /x x/y
    ./x /x/../y ~ -/x +/x -~ ~/x /x:y /x:/y /x:/y:ro a:/x a.service a.timer a.target a.mount foo@bar.service foo@.service a.slice
    a/b.slice user.slice system.slice -.slice a.socket a,b.target \u00e9.service a:b:c daily *-*-* Mon..Fri *-*-32 25:00 minutely
    mon,tue @daily 2026-02-30 weekly root nobody 1000 -1000 a.b a:b 12ab root:root \u00e9 $USER A=1 A 1A=2 A=b=c "A=1 A="1 =x %Y %Q
    %n %% 100% a% 0-3 0,2 0-3,8 3-0 0-3-4 numa 0x3 cpu,memory memory foo ~memory /dev/null null char-pts 1.2.3.4 1.2.3.4/33 ::1 any
    localhost 10.0.0.0/8 1.2.3.4:80 80 [::1]:80 ipv4:tcp:80 tcp:80-90 ipv4:foo eth0 ~eth0 a/b http://a https://a man:a(1) file:/x
    info:a foo:bar a@b fd: 0:0 1:2 2:1 10M:20M infinity:10 soft:hard 10K:x 1s:2s private-anonymous elf-headers 0x33
    private-anonymous,shared us ns sctp udp udplite tcp off,on eth!0 a=b ingress:/sys/fs/bpf/x cgroup:inet:filter:set journald
    level~x ~regex ( [ restart:x foo-bar a_b
"""
_WITH_BLANKS = (
    *(
        "1h 30min",
        "/dev/nvidia0 rw",
        "char-pts rw",
        "block-* r",
        "/dev/null rwx",
        "/dev/sda 10M",
        "/dev/sda 100",
        "/dev/sda 20000",
    ),
    *(
        "/dev/sda 10ms",
        "AF_UNIX AF_INET",
        "CAP_KILL CAP_CHOWN",
        "TEMPFAIL 250 SIGKILL",
        "x86-64 x86",
        "cpu memory",
        "@system-service ~@clock",
    ),
    *(
        "Mon *-*-* 02:00:00",
        "*-*-* 02:00:00 Europe/Berlin",
        "Mon..Fri 08:00",
        "*:0/15",
        "2026-11-28 12:00 UTC",
        "network.target a.service",
    ),
)
VALUES = tuple(dict.fromkeys((*_WORDS.split(), *_WITH_BLANKS)))
