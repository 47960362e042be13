"""The approval that was given: the digests that a plan must still have for a saved one to count as its
approval.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from reconciler.core.basics.digest import data_digest, digest
from reconciler.core.basics.frozen import frozen


@frozen
class ApprovedChange:
    """One intended change: what is done, how (`actions`), and to what (`found`: the object as it was seen,
    with every `expects`).
    """

    verb: str
    actions: str
    found: str


@frozen
class Approval:
    """The things that an approval covers, apart, so that it can be said what is different.

    `machine` stands for the machine, empty where that is not known; where both are known they must be the
    same. `inputs` has a digest for every declared resource, with the files of the spec's own tree that it
    names, and one for the settings. `changes` are the intended changes by address; repairs of drift are not
    among them. `uncovered` are intended changes of secret content that cannot be compared, since the host has
    no key for that yet: such a plan cannot be approved.
    """

    host: str
    machine: str
    tool: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, ApprovedChange] = field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """The public form, as a saved plan has it."""
        return {
            "host": self.host,
            "machine": self.machine,
            "tool": self.tool,
            "inputs": dict(self.inputs),
            "changes": {
                name: {"verb": one.verb, "actions": one.actions, "found": one.found}
                for name, one in self.changes.items()
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
