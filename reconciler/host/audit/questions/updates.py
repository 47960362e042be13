"""Packages: what can be upgraded, and how old the lists are."""

from __future__ import annotations

import re

from reconciler.host.audit.package_files import broken_packages, wanted_packages
from reconciler.host.audit.question import File, Files, Program, Reader

_APT = "/etc/apt"
_TOLD = re.compile(r"deb(?:-src)?\s+\[[^\]]*\]|[A-Za-z-]+:\s*yes\b")
"""The part of a line that is told: the options of a source. Its address may hold a password."""
_KEYS = re.compile(r"(?:ID|VERSION_ID)=")


def package_sources(files: Files, _: str) -> str:
    """The options of all sources, with a line `## PATH` before each file."""
    directory = f"{_APT}/sources.list.d"
    names = [name for name in files.names(directory) if name.endswith((".list", ".sources"))]
    options_by_file: list[str] = []
    for path in (f"{_APT}/sources.list", *(f"{directory}/{name}" for name in names)):
        if files.entry(path) is None:
            continue
        lines = files.read(path).decode("utf-8", "replace").split("\n")
        options = (_TOLD.match(line.strip()) for line in lines)
        options_by_file += [f"## {path}", *(option[0] for option in options if option)]
    return "\n".join(options_by_file)


def release(text: str) -> str:
    """The id and the version of os-release(5), and nothing else of it."""
    return "\n".join(line for line in text.split("\n") if _KEYS.match(line))


def periodic(text: str) -> str:
    """The settings of APT::Periodic, and nothing else: that of a proxy may hold a password."""
    return "\n".join(line for line in text.split("\n") if line.startswith("APT::Periodic::"))


QUESTIONS = {
    # Simulated: it takes no lock, downloads nothing and writes nothing.
    "upgrades": Program(
        ("apt-get", "--simulate", "--quiet", "--option", "Debug::NoLocking=true", "upgrade"), timeout=30
    ),
    "broken-packages": Program(("dpkg", "--audit"), exits=(0, 1), in_tree=broken_packages),
    "held-packages": Program(
        ("dpkg-query", "--show", "--showformat=${db:Status-Want} ${binary:Package}\\n"),
        in_tree=wanted_packages,
    ),
    "apt-periodic": Program(("apt-config", "dump"), redact=periodic),
    "kernel-release": Program(("uname", "--kernel-release")),
    "package-sources": Reader(package_sources),
    "os-release": File("/usr/lib/os-release", release),
}
