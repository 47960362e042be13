"""Packages: what can be upgraded, and how old the lists are."""

from __future__ import annotations

from reconciler.host.audit.question import Program

QUESTIONS = {
    # Simulated: it takes no lock, downloads nothing and writes nothing.
    "upgrades": Program(
        ("apt-get", "--simulate", "--quiet", "--option", "Debug::NoLocking=true", "upgrade"), timeout=30
    ),
}
