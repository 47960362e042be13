"""The rules for values of directives that systemd only logs and ignores when they are wrong, or ignores
silently.

Each rule is a test and the words for the values that pass. A rule may pass a value that systemd refuses (it
cannot know this kernel's system calls); it never objects to one that systemd 252 or 257 accepts, except for
words that are accepted with a warning. Tests hold the rules to both releases: they ask `systemd-analyze
verify` about every directive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.systemd import syscalls
from reconciler.formats.systemd.exec_lint import SPECIFIERS, lint
from reconciler.formats.systemd.rule_words import (
    UNSIGNED_32,
    UNSIGNED_64,
    Rule,
    either,
    integer,
    is_boolean,
    named,
    number,
    one_of,
    pattern,
    words,
)

_UNITS = (
    "seconds?|sec|s|minutes?|min|months?|msec|ms|m|M|hours?|hr|h|days?|d|weeks?|w|years?|y|usec|us"
    "|\u00b5s|\u03bcs"
)
# Possessive: nothing tries every way to cut a number into numbers.
_SPAN = rf"(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?!\.)[ \t]*+(?:{_UNITS})?+[ \t]*+)++"
_NANO = rf"(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?!\.)[ \t]*+(?:{_UNITS}|nsec|ns)?+[ \t]*+)++"
_PERMYRIAD = r"[0-9]+(?:\.[0-9]{1,2})?%|[0-9]+(?:\.[0-9])?‰|[0-9]+‱"
_PART = (
    r"0*[0-9]{1,2}(?:\.[0-9]{1,2})?%|0*100(?:\.00?)?%|0*[0-9]{1,3}(?:\.[0-9])?‰|0*1000(?:\.0)?‰"
    r"|0*[0-9]{1,4}‱|0*10000‱"
)
_BYTES = r"(?:[0-9]++(?:\.[0-9]*+)?+(?!\.)[ \t]*+[BKMGTPE]?+[ \t]*+)++"
_PATH = r"(?!.*/\.\.(?:/|\Z))[/%][^\x00-\x1f\x7f]*"
_UNIT = r"[A-Za-z0-9:_.\\@%-]+"
_SUFFIX = "service|socket|device|mount|automount|swap|target|path|timer|slice|scope"
_SPECIFIER = Late(r"%([A-Za-z0-9])")

BOOLEAN = Rule(is_boolean, "yes or no")
SECONDS = pattern(f"{_SPAN}|infinity", "a time span as in systemd.time(7): 10s, 5min, 1h 30min")
_FINITE = pattern(_SPAN, "a time span as in systemd.time(7), not infinity: 30s")
_MODE = pattern("0*[0-7]{1,4}", "a file mode in octal: 0644")
_WHOLE = number(0, UNSIGNED_64, "a whole number, not negative")
_ANY_INTEGER = number(-(2**63), 2**63 - 1, "a whole number")
_FREE = Rule(lambda _value: True, "text")

SIGNALS = named("""
    HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU
    URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
    """)


def _is_signal(value: str) -> bool:
    number = integer(value)
    if number is not None:
        return 1 <= number <= 64
    name = value.removeprefix("SIG")
    real_time = re.fullmatch(r"RT(MIN|MAX)(?:([+-])([0-9]{1,2}))?", name)
    if real_time:
        return real_time[2] is None or (
            real_time[2] == ("+" if real_time[1] == "MIN" else "-") and int(real_time[3]) <= 30
        )
    return name in SIGNALS


_SIGNAL = Rule(_is_signal, "the name or number of a signal: SIGTERM, 15, RTMIN+3")

EXIT_STATUS = named("""
    SUCCESS FAILURE INVALIDARGUMENT NOTIMPLEMENTED NOPERMISSION NOTINSTALLED NOTCONFIGURED NOTRUNNING USAGE
    DATAERR NOINPUT NOUSER NOHOST UNAVAILABLE SOFTWARE OSERR OSFILE CANTCREAT IOERR TEMPFAIL PROTOCOL NOPERM
    CONFIG CHDIR NICE FDS EXEC MEMORY LIMITS OOM_ADJUST SIGNAL_MASK STDIN STDOUT CHROOT IOPRIO TIMERSLACK
    SECUREBITS SETSCHEDULER CPUAFFINITY GROUP USER CAPABILITIES CGROUP SETSID CONFIRM STDERR PAM NETWORK
    NAMESPACE NO_NEW_PRIVILEGES SECCOMP SELINUX_CONTEXT PERSONALITY APPARMOR ADDRESS_FAMILIES
    RUNTIME_DIRECTORY CHOWN SMACK_PROCESS_LABEL KEYRING STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY
    CONFIGURATION_DIRECTORY NUMA_POLICY CREDENTIALS BPF KSM EXCEPTION
    """)
"""The names of `systemd-analyze exit-status`."""
CAPABILITIES = named("""
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
    net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
    sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
    audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
    perfmon bpf checkpoint_restore
    """)
"""The names of `systemd-analyze capability`. systemd itself silently ignores any other name."""
_FILESYSTEM_SETS = named("""
    @basic-api @anonymous @application @auxiliary-api @common-block @historical-block @network @privileged-api
    @security @temporary @known
    """)


def _is_errno(word: str) -> bool:
    from errno import errorcode

    number = integer(word)
    return (
        word == "kill"
        or word in errorcode.values()
        or word in ("EWOULDBLOCK", "EDEADLOCK", "ENOTSUP")
        or (number is not None and 0 < number < 4096)
    )


def _is_syscall(word: str) -> bool:
    name, colon, errno = word.partition(":")
    return (not colon or _is_errno(errno)) and syscalls.exists(name)


_CAPABILITY = Rule(
    lambda word: word.lower().removeprefix("cap_") in CAPABILITIES and word.lower().startswith("cap_"),
    "the name of a capability: CAP_NET_ADMIN",
)
_SYSCALLS = words(
    Rule(_is_syscall, ""),
    "names of system calls and sets of them, ~ in front to forbid them: @system-service",
    invert=True,
)
_ARCHITECTURES = """
    x86 x86-64 x32 arm arm64 loongarch64 m68k mips mips64 mips64-n32 mips-le mips64-le mips64-le-n32 parisc
    parisc64 ppc ppc64 ppc64-le riscv64 s390 s390x
    """
_ARCHS = words(one_of("native", quietly=_ARCHITECTURES), "names of architectures: native, x86-64, arm64")
_NAMESPACES = either(
    "yes, no, or types of namespaces, ~ in front to forbid them: cgroup ipc net mnt pid user uts",
    BOOLEAN,
    words(one_of("cgroup ipc net mnt pid user uts time"), "", invert=True),
)
_FAMILY_NAMES = named("""
    UNIX LOCAL INET INET6 AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 ROSE DECnet NETBEUI SECURITY KEY NETLINK
    ROUTE PACKET ASH ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS CAN TIPC BLUETOOTH IUCV RXRPC ISDN
    PHONET IEEE802154 CAIF ALG NFC VSOCK KCM QIPCRTR SMC XDP MCTP
    """)
_FAMILIES = either(
    "none, or address families, ~ in front to forbid them: AF_UNIX AF_INET AF_INET6",
    words(Rule(lambda word: word.startswith("AF_") and word[3:] in _FAMILY_NAMES, ""), "", invert=True),
    Rule(lambda value: value == "none", ""),
)
_CAPABILITY_SET = words(
    _CAPABILITY, "names of capabilities, ~ in front to drop them: CAP_NET_BIND_SERVICE", invert=True
)


def _is_cpus(value: str) -> bool:
    for part in re.split(r"[, \t]+", value):
        low, dash, high = part.partition("-")
        first = integer(low)
        last = integer(high) if dash else first
        if first is None or last is None or not 0 <= first <= last < 10_000:
            return False
    return True


_CPUS = Rule(_is_cpus, "numbers and ranges of them: 0-3,8")
_NODES = either(_CPUS.text, _CPUS, Rule(lambda value: value == "all", ""))
_BOUNDED = pattern(f"{_BYTES}|{_PART}|infinity", "a size: 32G, 80%, infinity")
_PATHS = words(pattern(rf"[-+]{{0,2}}{_PATH}", ""), "absolute paths, - in front of what may be missing")
_ON_DEVICE = r"[/%][^\x00-\x20\x7f]*"


def _is_rlimit(value: str, part_form: str) -> bool:
    soft, colon, hard = value.partition(":")
    if not all(re.fullmatch(f"{part_form}|infinity", part) for part in ([soft, hard] if colon else [soft])):
        return False
    if not colon or hard == "infinity":
        return True
    low, high = integer(soft), integer(hard)
    return soft != "infinity" and (low is None or high is None or low <= high)


def _rlimit(part_form: str, text: str) -> Rule:
    return Rule(lambda value: _is_rlimit(value, part_form), f"{text}, soft:hard or infinity")


_RLIMIT_BYTES = _rlimit(_BYTES, "a size (512M)")
_RLIMIT_NUMBER = _rlimit(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)", "a whole number")
_RLIMITS: Mapping[str, Rule] = {
    "LimitCPU": _rlimit(_SPAN, "a time span"),
    "LimitRTTIME": _rlimit(_SPAN, "a time span"),
    "LimitNICE": pattern(
        r"[+-]?(?:1?[0-9]|20|0x[0-9a-f]+)|(?:[0-9]|[123][0-9]|40)(?::(?:[0-9]|[123][0-9]|40))?",
        "a number from -20 to 19",
    ),
    **dict.fromkeys(
        (
            "LimitFSIZE",
            "LimitDATA",
            "LimitSTACK",
            "LimitCORE",
            "LimitRSS",
            "LimitAS",
            "LimitMEMLOCK",
            "LimitMSGQUEUE",
        ),
        _RLIMIT_BYTES,
    ),
    **dict.fromkeys(
        ("LimitNOFILE", "LimitNPROC", "LimitLOCKS", "LimitSIGPENDING", "LimitRTPRIO"), _RLIMIT_NUMBER
    ),
}
_OUTPUTS = "inherit null tty journal journal+console kmsg kmsg+console socket"


def _units(text: str, suffix: str = _SUFFIX) -> Rule:
    return words(pattern(rf"{_UNIT}\.(?:{suffix})|%[A-Za-z]|{_UNIT}%[A-Za-z]", ""), text)


_DAY = (
    "(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?"
    "|sun(?:day)?)"
)
_FIELD = "[0-9*/.,]+"
_CALENDAR = Late(
    rf"""(?:minutely|hourly|daily|monthly|weekly|yearly|annually|quarterly|semi-?annually|bi-?annually|@[0-9]+
    |(?=[0-9*]|{_DAY}(?:\W|\Z))(?:{_DAY}(?:(?:\.\.|-|,){_DAY})*,?(?:\s+|\Z))?(?:(?:{_FIELD}-)?{_FIELD}[-~]{_FIELD}(?:\s+|\Z))?(?:{_FIELD}:{_FIELD}(?::{_FIELD})?)?)
    (?:\s*[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*)?""",
    re.VERBOSE | re.IGNORECASE,
)
_BAD_CALENDAR = Late(r"(?:^|[ \t])(?:2[4-9]|[3-9][0-9]):|:[6-9][0-9]|-(?:3[2-9]|[4-9][0-9])(?:$|[ \t])")
"""An hour after 23, a minute or second after 59, a day after 31."""


def _is_calendar(value: str) -> bool:
    """Whether a value has roughly the form of a calendar; the exact reading is systemd's."""
    return _CALENDAR.fullmatch(value) is not None and _BAD_CALENDAR.search(value) is None


_COMMAND = Rule(lambda value: not lint(value, several=True), "a command with an absolute path")


# ------------------------------------------------------------------------------------------------- conditions


def _condition(rule: Rule) -> Rule:
    """A condition may begin with | (one of several is enough), then !

    (not). systemd says nothing of what it cannot read: it is false.
    """

    def test(value: str) -> object:
        rest = value.lstrip()
        rest = rest[1:].lstrip() if rest.startswith("|") else rest
        return rule.test(rest[1:].lstrip() if rest.startswith("!") else rest)

    return Rule(test, f"{rule.text} (! in front: not)")


_COMPARED = r"(?:<=|>=|<>|==|!=|=|<|>)?[ \t]*"
_CONDITIONS: Mapping[str, Rule] = {
    **dict.fromkeys(("FirstBoot", "ACPower"), BOOLEAN),
    "Capability": _CAPABILITY,
    "Memory": pattern(rf"{_COMPARED}{_BYTES}", "a size, < > = in front: >=16G"),
    "CPUs": pattern(rf"{_COMPARED}[0-9]+", "a number, < > = in front: >=4"),
    "Security": one_of(
        "selinux apparmor tomoyo ima smack audit uefi-secureboot tpm2 cvm", newer="measured-uki"
    ),
    "ControlGroupController": words(
        one_of(
            "cpu cpuset io memory pids v1 v2",
            quietly=(
                "cpuacct blkio devices bpf-firewall bpf-devices bpf-foreign bpf-socket-bind"
                " bpf-restrict-network-interfaces"
            ),
        ),
        "cpu, cpuset, io, memory, pids, v1 or v2",
    ),
    "NeedsUpdate": pattern(r"[/%].*", "/etc or /var"),
    **dict.fromkeys(
        (
            "PathExists",
            "PathExistsGlob",
            "PathIsDirectory",
            "PathIsSymbolicLink",
            "PathIsMountPoint",
            "PathIsReadWrite",
            "PathIsEncrypted",
            "DirectoryNotEmpty",
            "FileNotEmpty",
            "FileIsExecutable",
        ),
        pattern(r"[/%].*", "an absolute path"),
    ),
    **dict.fromkeys(
        ("MemoryPressure", "CPUPressure", "IOPressure"),
        pattern(r"(?:[^:\s]+:)?[0-9.]+%?(?:/(?:10sec|1min|5min|10s))?", "a share and a window: 20%/1min"),
    ),
}


# ------------------------------------------------------------------------------------------- by type, by name

_BY_TYPE: Mapping[str, Rule] = {
    "BOOLEAN": BOOLEAN,
    "SECONDS": SECONDS,
    "NANOSECONDS": pattern(f"{_NANO}|infinity", "a time span: 50us, 100ns"),
    "MODE": _MODE,
    "UNSIGNED": number(0, UNSIGNED_32, "a whole number, not negative"),
    "INTEGER": _ANY_INTEGER,
    "LONG": _ANY_INTEGER,
    "SIZE": pattern(_BYTES, "a size: 64K, 8M"),
    "NICE": number(-20, 19, "a number from -20 to 19"),
    "OOMSCOREADJUST": number(-1000, 1000, "a number from -1000 to 1000"),
    "WEIGHT": number(1, 10_000, "a number from 1 to 10000"),
    "CPUWEIGHT": either(
        "a number from 1 to 10000, or idle", number(1, 10_000), Rule(lambda value: value == "idle", "")
    ),
    "SHARES": number(2, 262_144),
    "IOCLASS": one_of("none realtime best-effort idle", quietly="0 1 2 3 4 5 6 7 8 0x3"),
    "IOPRIORITY": number(0, 7),
    "CPUSCHEDPOLICY": either("other, batch, idle, fifo or rr", one_of("other batch idle fifo rr"), _WHOLE),
    "CPUSCHEDPRIO": number(0, 99, "a number from 1 to 99"),
    "CPUAFFINITY": either(
        "numbers and ranges of CPUs, or numa: 0-3,8", _CPUS, Rule(lambda value: value == "numa", "")
    ),
    "KILLMODE": one_of("control-group process mixed", quietly="none"),
    "SIGNAL": _SIGNAL,
    "LEVEL": either(
        "emerg, alert, crit, err, warning, notice, info or debug",
        one_of("emerg alert crit err warning notice info debug"),
        number(0, 7),
    ),
    "FACILITY": either(
        "the name of a syslog facility: daemon, user, local0",
        pattern("kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]", ""),
        number(0, 127),
    ),
    "INPUT": pattern(
        r"null|tty|tty-force|tty-fail|socket|data|fd(?::.*)?|file:[/%].*",
        "null, tty, tty-force, tty-fail, socket, data, fd:NAME or file:/PATH",
    ),
    "OUTPUT": pattern(
        rf"{'|'.join(map(re.escape, _OUTPUTS.split()))}|syslog|syslog\+console|fd(?::.*)?"
        r"|(?:file|append|truncate):[/%].*",
        f"{', '.join(_OUTPUTS.split())}, fd:NAME, file:/PATH, append:/PATH or truncate:/PATH",
    ),
    "SECUREBITS": words(
        one_of("keep-caps keep-caps-locked no-setuid-fixup no-setuid-fixup-locked noroot noroot-locked"),
        "keep-caps, no-setuid-fixup, noroot, and each with -locked",
    ),
    "BOUNDINGSET": _CAPABILITY_SET,
    "SYSCALLS": _SYSCALLS,
    "ARCHS": _ARCHS,
    "ERRNO": Rule(_is_errno, "the name of an error, or kill: EPERM"),
    "NAMESPACES": _NAMESPACES,
    "FAMILIES": _FAMILIES,
    "FILESYSTEMS": words(
        Rule(lambda word: word in _FILESYSTEM_SETS if word.startswith("@") else True, ""),
        "names of file systems and sets of them",
        invert=True,
    ),
    "MOUNTFLAG": one_of("shared slave private"),
    "PERSONALITY": words(one_of("x86", quietly=_ARCHITECTURES), "the name of an architecture: x86-64"),
    "POLICY": one_of("auto closed strict"),
    "DEVICE": pattern(
        r"(?:(?:/dev/|/run/systemd/inaccessible/|%)\S*|(?:char|block)-\S+)(?:[ \t]+[rwm]+)?",
        "a device and what is allowed: /dev/nvidia0 rw, char-pts r",
    ),
    "DEVICEWEIGHT": pattern(
        rf"{_ON_DEVICE}[ \t]+0*(?:[1-9][0-9]{{0,3}}|10000)",
        "a device and a weight from 1 to 10000: /dev/sda 200",
    ),
    "DEVICELATENCY": pattern(rf"\S+[ \t]+{_SPAN}", "a device and a time span: /dev/sda 25ms"),
    "BANDWIDTH": pattern(rf"{_ON_DEVICE}[ \t]+{_BYTES}", "a device and a size: /dev/sda 5M"),
    "ENVIRON": pattern(r".*=.*", "NAME=value"),
    "SERVICETYPE": one_of("simple exec forking oneshot notify dbus idle", "notify-reload"),
    "SERVICEEXITTYPE": one_of("main cgroup"),
    "SERVICERESTART": one_of("no always on-success on-failure on-abnormal on-abort on-watchdog"),
    "SERVICERESTARTMODE": one_of("normal direct debug"),
    "TIMEOUTMODE": one_of("terminate abort kill"),
    "STATUS": words(
        Rule(lambda word: word in EXIT_STATUS or _is_signal(word) or number(0, 255).test(word), ""),
        "exit statuses and signals: 1, TEMPFAIL, SIGKILL",
    ),
    "ACCESS": one_of("none main exec all"),
    "SOCKETBIND": one_of("default both ipv6-only", boolean=True),
    "TOS": either(
        "low-delay, throughput, reliability or low-cost",
        one_of("low-delay throughput reliability low-cost"),
        number(0, 255),
    ),
    "ACTION": one_of(
        "none reboot reboot-force reboot-immediate poweroff poweroff-force poweroff-immediate exit"
        " exit-force",
        "soft-reboot soft-reboot-force kexec kexec-force halt halt-force halt-immediate",
    ),
    "UNIT": _units("the name of a unit: backup.service"),
    "UNIT [...]": _units("names of units: network-online.target"),
    "SERVICE": _units("the name of a service: backup.service", "service"),
    "SOCKETS": _units("names of sockets: api.socket", "socket"),
    "SLICE": _units("the name of a slice: ml.slice", "slice"),
    "URL": words(
        pattern(r"(?:https?:/|file:/|info:|man:).*", ""), "http://, https://, file:, info: and man: addresses"
    ),
    "PATH": pattern(_PATH, "an absolute path"),
    "PATH [...]": _PATHS,
    "PATH[:PATH[:OPTIONS]] [...]": _PATHS,
    "PATH [ARGUMENT [...]]": _COMMAND,
    "FILE": pattern(r"-?[/%].*", "an absolute path, - in front if it may be missing"),
    "NODE": _FREE,
}

_TRISTATE = {
    "SetLoginEnvironment": BOOLEAN,
    "MemoryZSwapWriteback": BOOLEAN,
    "MemoryKSM": BOOLEAN,
    "MountAPIVFS": BOOLEAN,
    "BindLogSockets": BOOLEAN,
}
_CONTROLLERS = "cpu cpuset io memory pids"
_ALSO_CONTROLLERS = (
    "cpuacct blkio devices bpf-firewall bpf-devices bpf-foreign bpf-socket-bind"
    " bpf-restrict-network-interfaces"
)
_BELOW = words(
    pattern(r"(?!/)(?!.*\.\./)(?!.*:/)(?!private(?:/|:|$)).*", ""),
    "paths below the directory, not absolute: myapp or myapp/cache",
)
_BIND = words(
    either(
        "",
        Rule(lambda word: word in ("any", "tcp", "udp", "ipv4", "ipv6"), ""),
        pattern(
            r"(?:(?:ipv4|ipv6):)?(?:(?:tcp|udp):)?(?:[0-9]{1,6}|0x[0-9a-fA-F]+)(?:-[0-9]{1,6})?|(?:ipv4|ipv6):(?:tcp|udp)",
            "",
        ),
    ),
    "any, or [ipv4:|ipv6:][tcp:|udp:]PORTS: ipv4:tcp:8000-8010",
)
_ACCOUNT = pattern(
    r"(?!-[0-9]+\Z|0[0-9]+\Z|65535\Z|4294967295\Z|[0-9]{11,}\Z)[^/:\x00-\x1f]+",
    "the name or number of an account",
)
_ENVIRONMENT = words(pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:=.*)?", ""), "names of environment variables")


def _is_address(word: str) -> bool:
    from ipaddress import ip_network

    try:
        return word in ("any", "localhost", "link-local", "multicast") or (
            not word.isdigit() and bool(ip_network(word, strict=False))
        )
    except ValueError:
        return False


_ADDRESSES = words(Rule(_is_address, ""), "addresses with a prefix length, any, localhost: 10.0.0.0/8")
_INTERFACE = r"(?![0-9]+\Z)[^/:%\s\"']{1,127}"
_LISTEN = r"[/@%].+|[0-9]{1,6}|0x[0-9a-fA-F]+|[^/\s]+:[0-9]{1,5}.*|\[[^\]]+\]:[0-9]{1,5}.*|vsock:.*"

_BY_NAME: Mapping[str, Rule] = {
    **_RLIMITS,
    **_TRISTATE,
    **dict.fromkeys(
        (
            "MemoryMin",
            "MemoryLow",
            "MemorySwapMax",
            "DefaultMemoryMin",
            "DefaultMemoryLow",
            "StartupMemoryLow",
            "StartupMemorySwapMax",
            "MemoryZSwapMax",
            "StartupMemoryZSwapMax",
        ),
        _BOUNDED,
    ),
    **dict.fromkeys(
        ("MemoryHigh", "MemoryMax", "StartupMemoryHigh", "StartupMemoryMax", "DefaultStartupMemoryLow"),
        Rule(
            lambda value: _BOUNDED.test(value) and not re.fullmatch("0+", value),
            "a size, not 0: 32G, 80%, infinity",
        ),
    ),
    "MemoryLimit": _BOUNDED,
    **dict.fromkeys(
        ("IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax"),
        pattern(rf"{_ON_DEVICE}[ \t]+(?:{_BYTES}|infinity)", "a device and a limit: /dev/sda 100M"),
    ),
    **dict.fromkeys(("BlockIOWeight", "StartupBlockIOWeight"), number(10, 1000)),
    "BlockIODeviceWeight": _FREE,
    "CPUQuota": Rule(
        lambda value: re.fullmatch(_PERMYRIAD, value) and not re.fullmatch(r"[0.]+[%‰‱]", value),
        "a share of one CPU: 150%",
    ),
    "TasksMax": either(
        "a whole number from 1, a share (10%) or infinity",
        number(1, UNSIGNED_64),
        pattern(f"{_PART}|infinity", ""),
    ),
    "AllowedCPUs": _CPUS,
    "StartupAllowedCPUs": _CPUS,
    "AllowedMemoryNodes": _CPUS,
    "StartupAllowedMemoryNodes": _CPUS,
    "NUMAPolicy": one_of("default preferred bind interleave local"),
    "NUMAMask": _NODES,
    "Delegate": either(
        "yes, no, or controllers: cpu memory",
        BOOLEAN,
        words(one_of(_CONTROLLERS, quietly=_ALSO_CONTROLLERS), ""),
    ),
    "DisableControllers": words(
        one_of(_CONTROLLERS, quietly=_ALSO_CONTROLLERS), "controllers: cpu, cpuset, io, memory, pids"
    ),
    "DelegateSubgroup": pattern(r"[^/\x00-\x1f]+", "the name of a control group"),
    **dict.fromkeys(("ManagedOOMSwap", "ManagedOOMMemoryPressure"), one_of("auto kill")),
    "ManagedOOMMemoryPressureLimit": pattern(_PART, "a share: 60%"),
    "ManagedOOMMemoryPressureDurationSec": _FINITE,
    "ManagedOOMPreference": one_of("none avoid omit"),
    "MemoryPressureWatch": one_of("auto on off skip", boolean=True),
    "OOMPolicy": one_of("continue stop kill"),
    "IPAddressAllow": _ADDRESSES,
    "IPAddressDeny": _ADDRESSES,
    "IPIngressFilterPath": pattern(_PATH, "an absolute path"),
    "IPEgressFilterPath": pattern(_PATH, "an absolute path"),
    "SocketBindAllow": _BIND,
    "SocketBindDeny": _BIND,
    "RestrictNetworkInterfaces": words(
        pattern(_INTERFACE, ""), "names of network interfaces: lo eth0", invert=True
    ),
    "WorkingDirectory": pattern(r"-?(?:[/%].*|~)", "an absolute path or ~, - in front if it may be missing"),
    "User": _ACCOUNT,
    "Group": _ACCOUNT,
    "SocketUser": _ACCOUNT,
    "SocketGroup": _ACCOUNT,
    "SupplementaryGroups": words(_ACCOUNT, "names of groups"),
    "PIDFile": pattern(r"(?!.*/\.\.(?:/|\Z)).+", "a path"),
    "BusName": pattern(
        r"[A-Za-z_-][A-Za-z0-9_-]*(?:\.[A-Za-z_-][A-Za-z0-9_-]*)+|.*%.*", "a name on the bus: org.example.Api"
    ),
    "OpenFile": pattern(r"[/%].*", "an absolute path"),
    "Slice": _units("the name of a slice: ml.slice", "slice"),
    "KeyringMode": one_of("inherit private shared"),
    "ProtectProc": one_of("noaccess invisible ptraceable default"),
    "ProcSubset": one_of("all pid"),
    "ProtectSystem": one_of("full strict", boolean=True),
    "ProtectHome": one_of("read-only tmpfs", boolean=True),
    "PrivateTmp": one_of("", "disconnected", boolean=True),
    "ProtectControlGroups": one_of("", "private strict", boolean=True),
    "PrivateUsers": one_of("", "self identity", boolean=True),
    "PrivateMounts": BOOLEAN,
    "PrivatePIDs": BOOLEAN,
    "RuntimeDirectoryPreserve": one_of("restart", boolean=True),
    "FileDescriptorStorePreserve": one_of("restart", boolean=True),
    **dict.fromkeys(("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory"), _BELOW),
    "ConfigurationDirectory": words(
        pattern(r"(?!/)(?!.*\.\./)(?!private(?:/|$))(?![^:]+:[^:]).*", ""), _BELOW.text
    ),
    "UtmpMode": one_of("init login user"),
    "CollectMode": one_of("inactive inactive-or-failed"),
    "OnSuccessJobMode": one_of(
        "fail replace replace-irreversibly isolate flush ignore-dependencies ignore-requirements",
        "restart-dependencies",
    ),
    "OnFailureJobMode": one_of(
        "fail replace replace-irreversibly isolate flush ignore-dependencies ignore-requirements",
        "restart-dependencies",
    ),
    **dict.fromkeys(("FailureActionExitStatus", "SuccessActionExitStatus"), number(0, 255)),
    "TTYRows": number(0, UNSIGNED_32),
    "TTYColumns": number(0, UNSIGNED_32),
    "PassEnvironment": words(pattern("[A-Za-z_][A-Za-z0-9_]*", ""), "names of environment variables"),
    "UnsetEnvironment": _ENVIRONMENT,
    "LogExtraFields": pattern(r"\"?[A-Z][A-Z0-9_]*=.*", "fields as NAME=value, in capitals: TEAM=ml"),
    "CoredumpFilter": words(
        either(
            "",
            one_of(
                "private-anonymous shared-anonymous private-file-backed shared-file-backed elf-headers"
                " private-huge shared-huge private-dax shared-dax all default"
            ),
            pattern("(?:0x)?[0-9a-fA-F]+B?", ""),
        ),
        "kinds of memory: private-anonymous, elf-headers, all, default",
    ),
    "ImportCredential": pattern(
        r"(?:[^/:\x00-\x1f]+)(?::[^/:]*)?", "the name of a credential, * at the end for all that begin so"
    ),
    "SetCredential": pattern(r"[^/:]+:.*", "NAME:value"),
    "SetCredentialEncrypted": pattern(r"[^/:]+:.*", "NAME:value"),
    "LoadCredential": pattern(r"[ -.0-9;-~]+(?::.*)?", "NAME:/path"),
    "LoadCredentialEncrypted": pattern(r"[ -.0-9;-~]+(?::.*)?", "NAME:/path"),
    "TemporaryFileSystem": words(pattern(r"[/%].*", ""), "absolute paths"),
    "BindPaths": _PATHS,
    "BindReadOnlyPaths": _PATHS,
    "ExtensionImages": _PATHS,
    "MountImages": _PATHS,
    "TimeoutStopSec": SECONDS,
    "Priority": _ANY_INTEGER,
    "SocketProtocol": one_of("udplite sctp", quietly="mptcp"),
    "Timestamping": one_of("off us usec \u00b5s ns nsec", boolean=True),
    "FileDescriptorName": pattern(r"[ -9;-~]+", "a name without :"),
    **dict.fromkeys(
        ("ListenStream", "ListenDatagram"),
        pattern(_LISTEN, "a port, an address with a port, or an absolute path: 127.0.0.1:8000"),
    ),
    "ListenSequentialPacket": pattern(r"[/@%].+|vsock:.*|\[.+\]:.*", "an absolute path"),
    **dict.fromkeys(
        ("ListenFIFO", "ListenSpecial", "ListenMessageQueue", "ListenUSBFunction"),
        pattern(r"[/%].*", "an absolute path"),
    ),
    "ListenNetlink": pattern(
        r"[a-z0-9-]+(?:[ \t]+[0-9]+)?", "a netlink family and a group: kobject-uevent 1"
    ),
    "BindToDevice": pattern(r"(?![0-9]+\Z)[^/:%\s]{1,127}", "the name of a network interface"),
    "RequiresMountsFor": words(pattern(_PATH, ""), "absolute paths"),
    "WantsMountsFor": words(pattern(_PATH, ""), "absolute paths"),
    "Symlinks": words(pattern(r"[/%].*", ""), "absolute paths"),
    "OnCalendar": Rule(_is_calendar, "a calendar as in systemd.time(7): daily, Mon *-*-* 02:00"),
    "Alias": _units("names of units"),
    "Also": _units("names of units"),
    "WantedBy": _units("names of units: multi-user.target"),
    "RequiredBy": _units("names of units"),
    "UpheldBy": _units("names of units"),
    "DefaultInstance": pattern(r"[A-Za-z0-9:_.\\%-]+", "the name of an instance"),
    "StandardInputData": pattern(r"[A-Za-z0-9+/=_ \t-]+", "base64"),
    "RootHash": pattern(r"[/%].*|(?:[0-9a-fA-F]{2}){16,}", "a digest in hexadecimal, or an absolute path"),
    "RootHashSignature": pattern(r"[/%].*|base64:.+", "base64:..., or an absolute path"),
    "LogNamespace": pattern(r"[A-Za-z0-9:_.\\@%-]+", "a name of letters and digits"),
    "BPFProgram": pattern(r"[a-z0-9_]+:/.*", "TYPE:/path"),
    "NFTSet": _FREE,
    "ExecSearchPath": pattern(r"[/%][^:]*(?::[/%][^:]*)*", "absolute directories with : between"),
    "IODeviceLatencyTargetSec": pattern(rf"\S+[ \t]+{_SPAN}", "a device and a time span: /dev/sda 25ms"),
}

_NO_SPECIFIERS = named("LogFilterPatterns TCPCongestion DelegateSubgroup RestrictFileSystems")
"""Directives whose values systemd takes as they stand."""

DEPRECATED: Mapping[str, str] = {
    "RequiresOverridable": "Requires",
    "RequisiteOverridable": "Requisite",
    "CPUShares": "CPUWeight",
    "StartupCPUShares": "StartupCPUWeight",
    "MemoryLimit": "MemoryMax",
    "BlockIOAccounting": "IOAccounting",
    "BlockIOWeight": "IOWeight",
    "StartupBlockIOWeight": "StartupIOWeight",
    "BlockIODeviceWeight": "IODeviceWeight",
    "BlockIOReadBandwidth": "IOReadBandwidthMax",
    "BlockIOWriteBandwidth": "IOWriteBandwidthMax",
    "BindTo": "BindsTo",
    "PropagateReloadTo": "PropagatesReloadTo",
    "PropagateReloadFrom": "ReloadPropagatedFrom",
    "ReadWriteDirectories": "ReadWritePaths",
    "ReadOnlyDirectories": "ReadOnlyPaths",
    "InaccessibleDirectories": "InaccessiblePaths",
    "StartLimitInterval": "StartLimitIntervalSec",
    "PermissionsStartOnly": "the prefix + of a command",
    "OnFailureIsolate": "OnFailureJobMode",
}
"""The directives that still work, and what is to be written instead of each."""
_DEPRECATED_VALUES: Mapping[tuple[str, str], str] = {
    (
        "KillMode",
        "none",
    ): "leaves processes behind that systemd knows nothing of: write mixed or control-group",
    ("StandardOutput", "syslog"): "is journal today: leave it out",
    ("StandardError", "syslog"): "is journal today: leave it out",
    ("StandardOutput", "syslog+console"): "is journal+console today",
    ("StandardError", "syslog+console"): "is journal+console today",
}


def rule_for(name: str, kind: str) -> Rule | None:
    """The rule of a directive whose type in systemd's own list is `kind`; None where anything goes."""
    if name.startswith(("Condition", "Assert")):
        rule = _CONDITIONS.get(name.removeprefix("Condition").removeprefix("Assert"))
        return None if rule is None else _condition(rule)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if kind == "OTHER" and name.endswith("Sec"):
        return SECONDS
    if kind == "TIMER":
        return SECONDS
    return _BY_TYPE.get(kind)


def wrong_specifier(name: str, value: str, *, oldest: bool) -> str:
    """The first specifier that systemd does not know, and for which it would drop the assignment; `%D` came
    after 252.
    """
    if name in _NO_SPECIFIERS or "%" not in value:
        return ""
    letters = SPECIFIERS if oldest else SPECIFIERS | {"D"}
    return next(
        (match[0] for match in _SPECIFIER.finditer(value.replace("%%", "")) if match[1] not in letters), ""
    )


def deprecated(name: str, value: str) -> str:
    """Why an assignment that still works should not be written any more, and what to write; empty for all
    others.
    """
    if name in DEPRECATED:
        return f"{name} is deprecated: write {DEPRECATED[name]}"
    about = _DEPRECATED_VALUES.get((name, value))
    return f"{name}={value} {about}" if about else ""
