"""Texts with commands that root runs: cron, shells, logrotate, hooks of apt, dpkg, backups, rules of udev,
modprobe and the kernel.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.shell_commands import specification_places
from reconciler.policy.root_reach.texts.commands import of_text, of_variables, of_words
from reconciler.policy.root_reach.texts.lines import lines_of
from reconciler.policy.root_reach.texts.rules import devices
from reconciler.policy.root_reach.texts.values import Grant, Reading, Use, as_account

_ASSIGNMENT = Late(r"[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)")
_JOB = Late(r"[ \t]*(?:@[a-z]+|\S+(?:[ \t]+\S+){4})[ \t]+(\S.*)")
_QUOTED = Late(r'"((?:[^"\\]|\\.)*)"')
_HOOKS = Late(r"Invoke|Install-Pkgs|Proxy-Auto-Detect|Dir::Bin|Post-|Pre-|Solver|Planner", re.IGNORECASE)
_UDEV = Late(r'\b(?:RUN|PROGRAM|IMPORT)(?:\{\w+\})?\s*[+:]?==?\s*e?"((?:[^"\\]|\\.)*)"')
_INTERFACE = Late(r"\s*(?:pre-|post-)?(?:up|down)\s+(\S.*)")
_LOGROTATE_COMMANDS = frozenset(("compresscmd", "uncompresscmd", "compressoptions"))
_WIREGUARD = Late(r"\s*(?:Pre|Post)(?:Up|Down)\s*=\s*(\S.*)", re.IGNORECASE)
_OPENVPN = Late(
    r"\s*(?:up|down|route-up|route-pre-down|ipchange|tls-verify|auth-user-pass-verify|client-(?:dis)?connect|learn-address|plugin|iproute)"
    r"\s+[\"']?(/[^\"']*).*"
)
_OPENSSL = Late(r"\s*(?:module|dynamic_path|SO_PATH|MODULE_PATH|\.include|engines?dir)\s*=?\s*(/\S+)")
_KERNEL = Late(r"\s*-?(?:kernel[./](?:core_pattern|modprobe|hotplug|poweroff_cmd))\s*=\s*\|?\s*(/.*)")


def cron(text: str) -> Iterator[Reading]:
    """The jobs in /etc/crontab and /etc/cron.d, each as its account, with the variables that they get
    (crontab(5)).
    """
    yield from _jobs(text, with_user=True)


def crontab(text: str) -> Iterator[Reading]:
    """A crontab of an account's own."""
    yield from _jobs(text, with_user=False)


def _jobs(text: str, *, with_user: bool) -> Iterator[Reading]:
    variables: dict[str, str] = {}
    for line in lines_of(text):
        assignment, job = _ASSIGNMENT.fullmatch(line), _JOB.fullmatch(line)
        if assignment is not None:
            variables[assignment[1]] = assignment[2].strip("\"' \t")
        elif job is not None:
            user, _, command = job[1].partition(" ") if with_user else ("root", "", job[1])
            plain = re.split(r"(?<!\\)%", command.strip())[0].replace("\\%", "%")
            directory = "/root" if user in ("root", "0") else ""
            yield from as_account((*of_variables(variables), *of_text(plain, directory, variables)), user)


def anacron(text: str) -> Iterator[Reading]:
    """Period, delay, name, command (anacrontab(5))."""
    for line in lines_of(text):
        words = line.split(None, 3)
        if len(words) == 4:
            yield from of_text(words[3])


def shell(text: str) -> Iterator[Reading]:
    """A script of the shell, or a file that a shell reads; only the interpreter of a script in another
    language.
    """
    first = text.split("\n", 1)[0]
    if first.startswith("#!"):
        words = first[2:].split()
        yield from of_words(words)
        if words and not re.search(r"sh\d*$", words[-1].split("/")[-1]):
            return
    yield from of_text(text)


def logrotate(text: str) -> Iterator[Reading]:
    """Scripts, which run as root whoever rotates; commands for compressing, as who rotates; further files."""
    from reconciler.formats.logrotate import parse

    config = parse(text)
    yield from (
        Use(value, "reads")
        for name, value, _ in config.directives
        if name == "include" and value.startswith("/")
    )
    for stanza in config.stanzas:
        user = (dict(stanza.directives).get("su", "").split() or ["root"])[0]
        commands = [
            Use(value)
            for name, value in stanza.directives
            if name in _LOGROTATE_COMMANDS and value.startswith("/")
        ]
        yield from as_account(commands, user)
        for _, lines in stanza.scripts:
            yield from of_text("\n".join(lines))


def backup(text: str) -> Iterator[Reading]:
    """The commands of a backup job of ours, each as its account."""
    try:
        data = json.loads(text)
        lists = [data.get("before", []), *data.get("hooks", {}).values()]
    except (ValueError, RecursionError, AttributeError):
        return
    for hook in (hook for hooks in lists if isinstance(hooks, list) for hook in hooks):
        argv, user = (hook.get("run"), hook.get("user", "")) if isinstance(hook, dict) else (hook, "")
        if isinstance(argv, list) and all(isinstance(word, str) for word in argv):
            yield from as_account(of_words(argv), str(user))


def exports(text: str) -> Iterator[Reading]:
    """Directories that others mount by NFS as their root (exports(5)): a program with the setuid bit that is
    put there is root's here too.
    """
    for line in lines_of(text.replace("\\\n", " ")):
        path, *clients = line.split()
        for client in clients:
            host, _, bracketed = client.partition("(")
            options = bracketed.rstrip(")").split(",")
            if "no_root_squash" in options and host not in ("localhost", "127.0.0.1", "::1"):
                verb = "write" if "rw" in options else "read"
                by = f"NFS lets the root of its clients {verb} what is root's in {path}: no_root_squash"
                yield Grant(f"whoever is root on {host or 'any host'}", by, likely=True)


def applied(text: str) -> Iterator[Reading]:
    """The specification that our own timer applies, or the repository that has it."""
    from reconciler.formats import reconcile

    try:
        settings = reconcile.parse(text)
    except reconcile.NotSettings:
        return
    if settings.spec:
        yield from (
            Use(path, "applies") for path in specification_places(settings.spec, commit=bool(settings.commit))
        )


def specification(text: str, path: str) -> Iterator[Reading]:
    """Files beside a specification of ours that it takes in.

    A word that is no such file is one of a directory that counts already.
    """
    for match in _BESIDE.finditer(text):
        yield Use(f"{path.rpartition('/')[0]}/{match[1] or match[2]}", "applies")


_BESIDE = Late(
    r"\b(?:source|include)[\"']?\s*:\s*[\"']?([\w@.][\w./@-]*)|[-,\[]\s*[\"']?([\w@.][\w./@-]*\.ya?ml)\b"
)


def apt(text: str) -> Iterator[Reading]:
    """Hooks and programs that apt runs."""
    plain = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(("//", "#")))
    if _HOOKS.search(plain):
        for match in _QUOTED.finditer(plain):
            yield from of_text(match[1].replace('\\"', '"'))


def dpkg(text: str) -> Iterator[Reading]:
    """Commands around each run of dpkg."""
    for line in lines_of(text):
        match = re.fullmatch(r"(?:--)?(?:pre-invoke|post-invoke|status-logger)[ =]+(.*)", line)
        if match is not None:
            yield from of_text(match[1].strip().strip("\"'"))


def udev(text: str) -> Iterator[Reading]:
    """Programs that udev runs, and who gets a device from which every file can be read."""
    for line in lines_of(text.replace("\\\n", " ")):
        for match in _UDEV.finditer(line):
            if match[1].startswith("/"):
                yield from of_text(match[1])
        yield from devices(line)


def modprobe(text: str) -> Iterator[Reading]:
    """Commands of modprobe.d(5)."""
    for line in lines_of(text.replace("\\\n", " ")):
        words = line.split(None, 2)
        if words[0] in ("install", "remove") and len(words) > 2:
            yield from of_text(words[2])


def sysctl(text: str) -> Iterator[Reading]:
    """Programs that the kernel runs (core(5))."""
    for line in lines_of(text):
        match = _KERNEL.fullmatch(line)
        if match is not None:
            yield from of_words(match[1].split())


def wireguard(text: str) -> Iterator[Reading]:
    """Commands of wg-quick(8)."""
    for match in filter(None, map(_WIREGUARD.fullmatch, lines_of(text))):
        yield from of_text(match[1])


def openvpn(text: str) -> Iterator[Reading]:
    """Scripts and plug-ins of a tunnel."""
    for match in filter(None, map(_OPENVPN.fullmatch, lines_of(text))):
        yield from of_words(match[1].split())


def rsyslog(text: str) -> Iterator[Reading]:
    """Programs to which rsyslogd gives messages, and modules (rsyslog.conf(5))."""
    for line in lines_of(text):
        yield from (Use(path) for path in re.findall(r"(?:binary\s*=\s*\"|\s\^)(/[^\s\";]+)", line))
        yield from (
            Use(path, "loads") for path in re.findall(r"(?:\bload\s*=\s*\"|^\$ModLoad\s+)(/[^\s\"]+)", line)
        )


def openssl(text: str) -> Iterator[Reading]:
    """Providers and engines that every program of OpenSSL's loads (config(5))."""
    for match in filter(None, map(_OPENSSL.fullmatch, lines_of(text))):
        yield Use(match[1], "loads")


def hosts_access(text: str) -> Iterator[Reading]:
    """Commands that sshd runs for a client (hosts_options(5))."""
    for line in lines_of(text.replace("\\\n", " ")):
        for command in re.findall(r":\s*(?:spawn|twist)\s+([^:]+)", line):
            yield from of_text(command.strip().strip("()"))


def crypttab(text: str) -> Iterator[Reading]:
    """Scripts that give keys of disks (crypttab(5))."""
    yield from (Use(path) for line in lines_of(text) for path in re.findall(r"\bkeyscript=(/[^\s,]+)", line))


def binfmt(text: str) -> Iterator[Reading]:
    """Interpreters of binfmt.d(5): they run whenever root starts such a file."""
    for line in lines_of(text):
        fields = line[1:].split(line[0])
        if len(fields) > 5 and fields[5].startswith("/"):
            yield Use(fields[5])


def interfaces(text: str) -> Iterator[Reading]:
    """Commands that ifup and ifdown run."""
    for line in lines_of(text):
        match = _INTERFACE.fullmatch(line)
        if match is not None:
            yield from of_text(match[1])


def environment(text: str) -> Iterator[Reading]:
    """Lines NAME=VALUE: /etc/environment, and the files that services of packages read."""
    variables: dict[str, str] = {}
    for line in lines_of(text):
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals:
            variables[name.strip()] = _unquoted(value.strip())
    yield from of_variables(variables)
    for name, value in variables.items():
        if re.search(r"(?:DAEMON|BIN|CMD|COMMAND|SCRIPT|PROG|EXEC)$", name) and value.startswith("/"):
            yield from of_words(value.split())


def _unquoted(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value.strip("\"'")
    return " ".join(words)


def login_defs(text: str) -> Iterator[Reading]:
    """PATH of root and programs of login.defs(5)."""
    for line in lines_of(text):
        name, _, value = line.partition(" ") if "\t" not in line else line.partition("\t")
        if name in ("ENV_SUPATH", "ENV_ROOTPATH"):
            yield from of_variables({"PATH": value.strip().removeprefix("PATH=")})
        elif name in ("FAKE_SHELL", "USERDEL_CMD", "CONSOLE") and value.strip().startswith("/"):
            yield Use(value.strip())


def sudo_conf(text: str) -> Iterator[Reading]:
    """Plug-ins and programs of sudo.conf(5); the one that asks for a password runs as its caller."""
    for line in lines_of(text):
        words = line.split()
        if words[0] == "Plugin" or (words[0] == "Path" and words[1:2] != ["askpass"]):
            yield from (Use(word, "loads") for word in words[2:3] if word.startswith("/"))


def passwd(text: str) -> Iterator[Reading]:
    """The shells of all accounts (passwd(5))."""
    for line in text.split("\n"):
        fields = line.split(":")
        if len(fields) > 6 and fields[6].startswith("/"):
            yield from as_account(
                (Use(fields[6], "logs in with"),), "root" if fields[2] == "0" else fields[0]
            )


_RUN_BY_GIT = Late(
    r"(?:fsmonitor|hookspath|sshcommand|pager|editor|askpass|helper|program|command|external|textconv|clean|smudge|process|driver|cmd|path"
    r"|templatedir|gitproxy|attributesfile)|alias\..*",
    re.IGNORECASE,
)


def gitconfig(text: str) -> Iterator[Reading]:
    """Programs, hooks and further files of git's (git-config(1))."""
    section = ""
    for line in lines_of(text):
        head, _, assignment = line[1:].partition("]") if line.startswith("[") else ("", "", line)
        section = head.split(maxsplit=1)[0].lower() if head.strip() else section
        name, _, value = (word.strip() for word in assignment.partition("="))
        if value and (_RUN_BY_GIT.fullmatch(name) or section == "alias"):
            yield from of_text(value.strip('"').removeprefix("!"))


def ld_so(text: str) -> Iterator[Reading]:
    """Directories and libraries that every program of root's loads from (ld.so(8))."""
    for line in lines_of(text):
        words = re.split(r"[\s:,]+", line.removeprefix("include "))
        yield from (
            Use(word.partition("*")[0].rstrip("/"), "loads libraries from")
            for word in words
            if word.startswith("/")
        )
