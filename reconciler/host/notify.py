"""Delivering an event: as a POST of JSON, a mail through the host's own sendmail, or the JSON on a program's
standard input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.host import HostError

_TIMEOUT = 15.0
_SUBJECT = 120
"""Characters of a subject."""


def deliver(target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Deliver an event to a target.

    Raises HostError. Its text never has the address of a webhook: that is often a secret.
    """
    match dict(target):
        case {"webhook": str(url)}:
            _post(url, event)
        case {"webhook_file": str(path)}:
            _post(_address_in(path), event)
        case {"mail": str(to)}:
            _run(["sendmail", "-t", "-i"], _letter(to, event))
        case {"command": [*words]} if words and all(isinstance(word, str) for word in words):
            _run(words, json.dumps(event).encode() + b"\n")
        case _:
            raise HostError(
                "nobody was told", "a target is not as `reconciler install` writes it; run that again"
            )


def _address_in(path: str) -> str:
    """The address of a webhook in a file that only root can change."""
    from reconciler.host.archives.private_directory import Directory

    with Directory(path.rpartition("/")[0] or "/") as directory:
        return directory.read(path.rpartition("/")[2]).decode("utf-8", "replace").strip()


def _post(url: str, event: Mapping[str, Any]) -> None:
    import http.client
    import urllib.error
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """A redirected POST would become a GET, and nobody would be told."""

        def redirect_request(self, *_: Any) -> None:
            return None

    if not url.startswith(("https://", "http://")):
        raise HostError("the webhook was not told", "its address does not begin with https://")
    try:
        request = urllib.request.Request(  # noqa: S310  # the scheme was looked at
            url,
            json.dumps(event).encode(),
            {"Content-Type": "application/json", "User-Agent": "reconciler"},
            method="POST",
        )
        # No proxy of the environment: a unit has none, and a run from a shell must do the same.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect())
        with opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1)
    except urllib.error.HTTPError as problem:
        raise HostError("the webhook was not told", f"it answered {problem.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", None)
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(problem).__name__
        raise HostError("the webhook was not told", words) from None


def _letter(to: str, event: Mapping[str, Any]) -> bytes:
    from email.message import EmailMessage

    letter = EmailMessage()
    letter["To"] = to
    letter["Subject"] = "".join(char for char in str(event["text"]).partition("\n")[0] if char.isprintable())[
        :_SUBJECT
    ]
    letter["Auto-Submitted"] = "auto-generated"
    lines = [
        str(event["text"]),
        "",
        *(f"  {address}" for address in event.get("addresses", ())),
        "",
        str(event.get("hint", "")),
    ]
    letter.set_content("\n".join(lines).rstrip() + "\n")
    return letter.as_bytes()


def _run(words: list[str], feed: bytes) -> None:
    from reconciler.host.process.run import run

    result = run(words, timeout=_TIMEOUT, input=feed)
    if result.rc:
        raise HostError("nobody was told", f"{words[0]}: {result.message}")
