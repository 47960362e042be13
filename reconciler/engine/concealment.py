"""The form of secrets in documents: their digests are keyed, in what is declared, observed and remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.core.basics.digest import keyed_digest

if TYPE_CHECKING:  # the plan of a settled host compares documents only
    from reconciler.core.changes import Document, Observed, Part
    from reconciler.core.state import LedgerRow

_KEYED = "hmac:"


def concealed(observed: Observed, row: LedgerRow, key: bytes) -> Document | None:
    """The observed document, in the form in which the ledger has it."""
    return (concealed_observed(observed, key) if row.sensitive else observed).document


def concealed_observed(observed: Observed, key: bytes) -> Observed:
    """The observed state of a secret."""
    return (
        observed
        if observed.document is None
        else replace(observed, document=concealed_document(observed.document, key))
    )


def concealed_document(document: Document, key: bytes) -> Document:
    """The document with its digests keyed; one that is keyed stays."""

    def conceal(value: Any) -> Any:
        return (
            keyed_digest(value.encode(), key)
            if isinstance(value, str) and value.startswith("sha256:")
            else value
        )

    return {name: conceal(value) for name, value in document.items()}


def concealed_part(part: Part, key: bytes) -> Part:
    """The declared part, as a secret."""
    return replace(part, document=concealed_document(part.document, key), sensitive=True)


def concealed_row(row: LedgerRow, key: bytes) -> LedgerRow:
    """Both documents; a row of when it was no secret has plain digests."""
    document, pending = (
        None if data is None else concealed_document(data, key) for data in (row.document, row.pending)
    )
    return replace(row, document=document, pending=pending)


def is_keyed(document: Document | None) -> bool:
    """Whether a digest in the document was keyed by a snapshot, with a key that only the host has."""
    return any(isinstance(value, str) and value.startswith(_KEYED) for value in (document or {}).values())


def as_wanted(observed: Observed, part: Part | None, key: bytes) -> Observed:
    """The observed state of a secret. Where only the host can compare the content, it is taken to be as
    declared; all else is as observed.
    """
    if part is None or observed.document is None or not is_keyed(observed.document):
        return concealed_observed(observed, key)
    return replace(observed, document=_with_wanted(observed.document, concealed_document(part.document, key)))


def row_as_wanted(row: LedgerRow, observed: Observed, part: Part | None, key: bytes) -> LedgerRow:
    """The ledger's row in the same form as the other two documents."""
    if part is None or not is_keyed(observed.document):
        return concealed_row(row, key)
    desired = concealed_document(part.document, key)
    document, pending = (
        None if before is None else _with_wanted(concealed_document(before, key), desired)
        for before in (row.document, row.pending)
    )
    return replace(row, document=document, pending=pending)


def _with_wanted(document: Document, desired: Document) -> Document:
    return {
        name: desired.get(name, value) if is_keyed({name: value}) else value
        for name, value in document.items()
    }
