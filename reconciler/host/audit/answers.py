"""Who answers the questions of the audit: the live host, a file tree, or a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.answers import NotInstalled
from reconciler.core.basis import LiveBasis
from reconciler.core.host import HostError, NotInSnapshot, Unreadable
from reconciler.host.audit.question import File, Files, Program, Reader
from reconciler.host.audit.questions import questions
from reconciler.host.process.environment import is_root
from reconciler.host.process.run import ProgramMissing, run

_UNKNOWN, _ABSENT, _MISSING, _TEXT = "unknown", "absent", "missing", "text"


class HostAnswers:
    """The answers of a host that is there: its files, and its programs if it is the machine we run on.

    Each question is asked once.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._records: dict[str, Mapping[str, Any]] = {}

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer."""
        key = _key(question, argument)
        if key not in self._records:
            self._records[key] = self._record(question, argument)
        return _told(self._records[key])

    def records(self) -> dict[str, Mapping[str, Any]]:
        """All answers so far, as a snapshot has them."""
        return dict(sorted(self._records.items()))

    def _record(self, question: str, argument: str) -> Mapping[str, Any]:
        try:
            return {_TEXT: self._ask(question, argument)}
        except FileNotFoundError as absent:
            return {_ABSENT: _absent_path(question, argument) or str(absent.filename)}
        except NotInstalled as missing:
            return {_MISSING: missing.program}
        except HostError as problem:
            return {_UNKNOWN: problem.detail or problem.summary}

    def _ask(self, question: str, argument: str) -> str:
        asked = questions()[question]
        match asked:
            case File():
                content = self._files.read(asked.path.replace("{}", argument))
                return asked.redact(content.decode("utf-8", "replace"))
            case Reader():
                if asked.live:
                    self._must_run(question)
                return asked.read(self._files, argument)
            case Program():
                if asked.in_tree is not None and not isinstance(self._files.basis, LiveBasis):
                    return asked.in_tree(self._files, argument)
                self._must_run(question)
                return _output(asked, argument)

    def _must_run(self, question: str) -> None:
        if not isinstance(self._files.basis, LiveBasis):
            raise Unreadable("cannot be asked", f"nothing runs in a file tree that could tell {question}")


class SnapshotAnswers:
    """The answers that a snapshot has."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._records: Mapping[str, Mapping[str, Any]] | None = data.get("audit")

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer. Raises NotInSnapshot."""
        if self._records is None:
            raise NotInSnapshot("unknown", "the snapshot is of a version that recorded nothing for the audit")
        record = self._records.get(_key(question, argument))
        if record is None:
            raise NotInSnapshot("unknown", f"the snapshot does not have {_key(question, argument)}")
        return _told(record)


def _key(question: str, argument: str) -> str:
    return f"{question} {argument}" if argument else question


def _absent_path(question: str, argument: str) -> str:
    """The path that a question is about, whole: an error names the last part alone."""
    asked = questions()[question]
    return asked.path.replace("{}", argument) if isinstance(asked, File) else ""


def _told(record: Mapping[str, Any]) -> str:
    """The answer of a record. Raises what the record stands for."""
    if _TEXT in record:
        return str(record[_TEXT])
    if _ABSENT in record:
        raise FileNotFoundError(2, "No such file or directory", str(record[_ABSENT]))
    if _MISSING in record:
        raise NotInstalled(str(record[_MISSING]))
    raise Unreadable("cannot be read", str(record.get(_UNKNOWN, "")))


def _output(program: Program, argument: str) -> str:
    """The output of a program. Raises NotInstalled, HostError."""
    try:
        result = run(
            [word.replace("{}", argument) for word in program.argv],
            timeout=program.timeout,
            cap=program.cap,
        )
    except ProgramMissing:
        raise NotInstalled(program.argv[0]) from None
    if result.rc not in program.exits:
        hint = "" if is_root() else " (run as root)"
        raise Unreadable("a program failed", f"{' '.join(program.argv[:2])}: {result.message}{hint}")
    if len(result.out) >= program.cap:
        raise Unreadable("a program printed too much", f"{program.argv[0]}: over {program.cap} bytes")
    output = result.out + (result.err if program.errors else b"")
    return program.redact(output.decode("utf-8", "replace"))
