"""Whether the clock is synchronised."""

from __future__ import annotations

from reconciler.host.audit.question import Program

QUESTIONS = {"clock": Program(("timedatectl", "show", "--property=NTPSynchronized"))}
