"""Programs that run other programs: shells, interpreters, wrappers, and the options by which they do."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.basics.lazy_regex import Late

SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "rbash"))
MODULES = Late(r"python[\d.]*|pypy[\d.]*")
"""Interpreters that import modules from the working directory with `-m`."""
INTERPRETERS = Late(
    r"python[\d.]*|pypy[\d.]*|perl|ruby|node|nodejs|php[\d.]*|lua[\d.]*|tclsh|wish|Rscript|expect|guile|deno|bun"
)
ARGUMENTS_RUN = frozenset(
    "ansible-playbook apt apt-get at batch composer crontab depmod dpkg dpkg-deb gdb insmod "  # noqa: SIM905
    "java kexec ld.so logrotate make "
    "modprobe pip pip3 rpm run-parts source supervisord systemd-nspawn systemd-sysusers systemd-tmpfiles"
    " update-alternatives "
    "visudo .".split()
)
"""Programs that run a file that an argument names: a script, a package, a module, a configuration that
runs.
"""


OPTIONS_RUN: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "sed"), ("-f", "--file")),
    **dict.fromkeys(("docker", "docker-compose", "podman"), ("-f", "--file", "--env-file")),
    "git": ("-C", "--git-dir", "--exec-path", "-c"),
    "npm": ("--prefix", "-C"),
    **dict.fromkeys(
        ("gunicorn", "uvicorn", "uv"),
        ("--chdir", "--pythonpath", "-c", "--config", "--app-dir", "--project", "--directory"),
    ),
    **dict.fromkeys(("vim", "vi", "nvim", "ex"), ("-S", "-u", "-s")),
    **dict.fromkeys(
        ("nginx", "apache2", "httpd", "sshd", "dnsmasq", "rsyslogd", "exim4", "haproxy"),
        ("-c", "-C", "-f", "-conf-file"),
    ),
    "rsync": ("-e", "--rsh"),
    "start-stop-daemon": ("-x", "--exec", "-a", "--startas"),
    "tar": (
        "-I",
        "--use-compress-program",
        "--to-command",
        "--checkpoint-action",
        "--rsh-command",
        "-F",
        "--info-script",
    ),
}
"""Programs that run only the value of such an option."""
WRAPPERS: Mapping[str, tuple[str, int]] = {
    "busybox": ("", 0),
    "chronic": ("", 0),
    "chroot": ("", 1),
    "chrt": ("TDP", 1),
    "command": ("", 0),
    "dumb-init": ("", 0),
    "env": ("uCS", 0),
    "exec": ("a", 0),
    "flock": ("wE", 1),
    "ionice": ("cnpPu", 0),
    "nice": ("n", 0),
    "nohup": ("", 0),
    "nsenter": ("tSG", 0),
    "screen": ("cehprsStT", 0),
    "setpriv": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("ioe", 0),
    "strace": ("eopsuE", 0),
    "systemd-cat": ("tp", 0),
    "systemd-inhibit": ("", 0),
    "systemd-run": ("pMutG", 0),
    "taskset": ("", 1),
    "time": ("fo", 0),
    "timeout": ("ks", 1),
    "tini": ("", 0),
    "unshare": ("SGR", 0),
    "watch": ("n", 0),
    "xargs": ("adEILnPs", 0),
}
"""Programs that run the program that follows: their short options that take a value, and the number of words
before the program.
"""


AS_SOMEBODY = frozenset(
    ("sudo", "doas", "su", "runuser", "gosu", "setuidgid", "chpst", "s6-setuidgid", "start-as")
)
LOADED = (
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "PATH",
    "PYTHONPATH",
    "PERL5LIB",
    "PERLLIB",
    "RUBYLIB",
    "NODE_PATH",
    "GCONV_PATH",
)
RUN = (
    "BASH_ENV",
    "ENV",
    "SHELL",
    "PYTHONSTARTUP",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "SUDO_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "NODE_OPTIONS",
    "PERL5OPT",
)
