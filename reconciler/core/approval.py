"""The approval of a plan: the digests that a new plan must have as well for a saved plan to approve it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.digest import data_digest, digest
from reconciler.core.basics.frozen import frozen


@frozen
class ApprovedChange:
    """One intended change."""

    verb: str
    actions: str
    """The digest of the actions."""
    found: str
    """The digest of the object as it was seen, with every `expects`."""


@frozen
class Approval:
    """Everything that an approval covers, each thing apart: a message can then name what differs."""

    host: str
    machine: str
    """Stands for the machine, empty where it is not known; where both are known they must be the same."""
    tool: str
    """The version of this program."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """A digest for every declared resource, with the files of the spec's own tree that it names, and one for
    the settings.
    """
    changes: Mapping[str, ApprovedChange] = field(default_factory=dict)
    """The intended changes by address, without repairs of drift."""
    blocked: tuple[str, ...] = ()
    """The addresses with a difference that cannot be removed."""
    uncovered: tuple[str, ...] = ()
    """Intended changes of secret content that cannot be compared, since the host has no key for that yet: a
    plan with one cannot be approved.
    """

    def as_data(self) -> dict[str, Any]:
        """The public form, as a saved plan has it."""
        return {
            "host": self.host,
            "machine": self.machine,
            "tool": self.tool,
            "inputs": dict(self.inputs),
            "changes": {
                name: {"verb": change.verb, "actions": change.actions, "found": change.found}
                for name, change in self.changes.items()
            },
            "blocked": list(self.blocked),
            "uncovered": list(self.uncovered),
        }


SEAL = "document_digest"
"""The field of a saved plan that covers all its other fields: what people read of it is what was planned."""


def seal(document: Mapping[str, Any]) -> str:
    """The digest of a plan's public document, but for the digest itself.

    ASCII: a document may hold names that are not UTF-8.
    """
    text = json.dumps(
        {key: value for key, value in document.items() if key != SEAL}, sort_keys=True, separators=(",", ":")
    )
    return digest(text.encode("ascii"))


def fingerprint(data: Mapping[str, Any]) -> str:
    """The digest of an approval from its public form.

    Without the machine: not all that a plan is made from knows which one it is.
    """
    return data_digest({key: value for key, value in data.items() if key != "machine"})
