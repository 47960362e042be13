"""Whether a text may hold a secret at all.

Apart from `masking`: validation and a plan with nothing to do ask only this, and hardly any text leads on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.secrets.shapes import LAST_WORDS, LEADS, PROGRAMS

TOKEN = Late(
    r"(?<![A-Za-z0-9_-])(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}|nvapi-[\w-]{40,}"
    r"|sk-(?=[\w-]*[0-9])[\w-]{24,}(?!@)|xox[abeoprs]-[\w-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}"
    r"|pypi-[\w-]{40,}|do[por]_v1_[0-9a-f]{60,}|glsa_\w{30,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|hv[sbr]\.[\w-]{20,}|AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{30,}|dckr_[po]at_[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{30,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{20,}|ATATT3[\w=-]{30,}|shp(?:at|ss|ca|pa)_[0-9a-f]{32}"
    r"|tskey-[\w-]{20,}|xapp-[\w-]{20,}|gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,})"
)
"""Tokens that are known by their own form: of GitHub, GitLab, Hugging Face, NVIDIA, OpenAI, AWS, Google,
Vault, Docker, age and others, and JSON web tokens.
"""
_SHORTEST = 20
"""The shortest of these, AKIA and sixteen characters."""
_ENDS = (*LAST_WORDS, "key")
_LEAD = Late("|".join(map(re.escape, LEADS)))


def is_plain(text: str) -> bool:
    """Whether a text has nothing that leads to a secret: no word, no sign, no known form.

    Nearly all texts have nothing. The expressions of `masking` take a digest letter by letter, which costs as
    much as all else that a plan does with it.
    """
    return _is_plain_again(text) if len(text) < _OFTEN else _is_plain(text)


def _is_plain(text: str) -> bool:
    if not text.isascii():
        return False  # without case some letters of other scripts match ours
    low = text.lower()
    if _has_word(low) or _LEAD.search(low) is not None or _has_sign(low):
        return False
    return len(text) < _SHORTEST or TOKEN.search(text) is None


_OFTEN = 128
"""Texts up to this length are asked about several times in a plan, and cost no memory worth mentioning."""
_is_plain_again = lru_cache(maxsize=1 << 14)(_is_plain)


def _has_word(low: str) -> bool:
    """Whether a word before secrets is in a text of small letters."""
    return (
        "passw" in low
        or "passphrase" in low
        or "secret" in low
        or "token" in low
        or "bearer" in low
        or "setcredential" in low
        or "uthorization" in low
        or "ookie" in low
        or ("key" in low and ("api" in low or "access" in low or "private" in low))
    )


def _has_sign(low: str) -> bool:
    """Whether an address, an assignment to a key, a query or the fields of a pgpass line may be in a text."""
    return (
        "//" in low
        or "/\\/" in low
        or ("key" in low and ("=" in low or ":" in low))
        or low.count(":") > 3
        or ("=" in low and ("?" in low or "&" in low))
        or ("user" in low and ">" in low)
    )


def may_hide_arguments(words: Sequence[str]) -> bool:
    """Whether a command line has a program whose options may take a secret, or an option that ends like the
    name of one.
    """
    return any(
        word.rpartition("/")[2].strip("(`$[],") in PROGRAMS
        or (word.startswith("-") and word.lower().endswith(_ENDS))
        for word in words
    )
