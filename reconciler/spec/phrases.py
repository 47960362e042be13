"""Phrases about values for messages: what stands there, what is expected, and how to write it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic.fields import FieldInfo

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.basics.scalars import CONTROL, Plain
from reconciler.spec.characters import FORBIDDEN, name

VERSION = 1
HOSTNAME = (
    r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z"
)
_SHORT = 48
_CHOICES = Late(r"\(\?:((?:[A-Za-z0-9_ -]+\|)+[A-Za-z0-9_ -]+)\)")
_YES = frozenset(["yes", "on", "y", "true"])
_NO = frozenset(["no", "off", "n", "false"])


def unsupported(value: Any) -> str:
    """The advice about another `version`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"Version {value} is not supported: this release reads `version: {VERSION}`."
    return f"Write the version as a plain number: `version: {VERSION}`."


def sentence(text: str) -> str:
    """The text with a full stop, and a capital if it begins with a word (and not with a path)."""
    return ended(text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ,]", text) else text)


def ended(text: str) -> str:
    """The text with a full stop. A text that begins with a file's name keeps the name as it is written."""
    return text + ("" if text.endswith((".", "!", "?")) else ".")


def lead(text: str) -> str:
    """A description as the second half of a sentence, after a colon."""
    joined = " ".join(text.split())
    small = joined[:1].lower() + joined[1:] if joined[1:2].islower() or joined[1:2] == " " else joined
    return small if small.endswith(".") else f"{small}."


def _normal(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of these words that was most likely meant: exec_start for ExecStart, services for serivces."""
    forms = {_normal(item): item for item in words}
    close = difflib.get_close_matches(_normal(word), list(forms), n=1, cutoff=0.6)
    return forms[close[0]] if close else None


def listed(words: Iterable[str], limit: int = 12) -> str:
    """`a`, `b`, `c` and so on, cut off at `limit`."""
    every = [f"`{word}`" for word in words]
    return ", ".join(every[:limit]) + (f" and {len(every) - limit} more" if len(every) > limit else "")


def suggestion(word: str, words: Iterable[str]) -> str:
    """`Did you mean ...?` or nothing."""
    close = nearest(word, words)
    return f" Did you mean `{close}`?" if close else ""


def value_in_words(value: Any, hide: bool) -> str:
    """A value named by its type, with the value itself when it is short and not to be hidden."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    kind = "" if isinstance(value, bool) else "the number " if isinstance(value, int | float) else "the text "
    if hide or len(text := FORBIDDEN.sub("\ufffd", spelling(value))) > _SHORT:
        return "true or false" if isinstance(value, bool) else kind.replace("the", "a").strip()
    return kind + (f"`{text}`" if not kind or isinstance(value, int | float | Plain) else f'"{text}"')


def spelling(value: Any) -> str:
    """A scalar as it is written in YAML, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a map",
    "mapping": "a map",
    "model": "a map",
    "model_attributes": "a map",
    "none_required": "nothing",
}


def type_in_words(kind: str, context: dict[str, Any]) -> str:
    """The type that a pydantic error type asks for, in words."""
    if kind in ("literal_error", "enum"):
        expected = str(context.get("expected", "another value"))
        return f"one of {expected}" if " or " in expected else expected
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    return _WANTED.get(stem, "another type")


def advice(value: Any, types: list[str], hide: bool) -> str:
    """The advice on how to write a value right, where that can be guessed; empty otherwise."""
    if hide:
        return ""
    if value is None:
        return (
            " Write `{}` to take every default, or remove the key."
            if "a map" in types
            else " Write a value, or remove the key."
        )
    if isinstance(value, dict | list):
        return _ADVICE.get((value_in_words(value, hide), *types), "")
    text = spelling(value)
    short = 0 < len(text) <= _SHORT and not FORBIDDEN.search(text) and "\n" not in text
    return _scalar_advice(value, text, types) if short else ""


_ADVICE: dict[tuple[str, ...], str] = {
    ("a list", "a map"): " Write `key: value` lines, without dashes.",
    ("a map", "a list"): " Begin each item with a dash: `- `.",
}


def _scalar_advice(value: Any, text: str, types: list[str]) -> str:
    if "true or false" in types and text.lower() in _YES | _NO:
        return f" Write `{'true' if text.lower() in _YES else 'false'}`, without quotes."
    if "text" in types and not isinstance(value, str):
        return f' Write it in quotes: "{text}".'
    if (
        {"a whole number", "a number"} & set(types)
        and isinstance(value, str)
        and (number := _plain_number(text))
    ):
        return f" Write it as {number}, without quotes."
    if "a list" in types:
        return (
            f" Write `[{text}]`."
            if not isinstance(value, str) or re.fullmatch(r"[A-Za-z0-9_./-]+", text)
            else f' Write `["{text}"]`.'
        )
    return ""


def _plain_number(text: str) -> str:
    digits = text.replace("_", "")
    return str(int(digits)) if re.fullmatch(r"[-+]?[0-9]{1,18}", digits) else ""


_PATTERNS = {
    r"^0[0-7]{3}\z|^[1-7][0-7]{3}\z": 'Write the mode as four octal digits in quotes: "0644".',
    HOSTNAME: "Write a host name: letters, digits and `-`, in parts separated by dots.",
}
_NAME = Late(r"\[([^]]+)\](?:\[([^]]+)\])?(?:[*+]|\{[01],(\d+)\})")
_RANGES = (
    ("A-Za-z", "letters"),
    ("a-zA-Z", "letters"),
    ("a-z", "small letters"),
    ("A-Z", "capital letters"),
    ("0-9", "digits"),
    (r"\w", "letters"),
)


def pattern(expected: str, value: Any, infos: Iterable[FieldInfo] = ()) -> str:
    """The advice on text that does not match.

    It names the bad character, the choices, or the form in words; the model's own description follows.
    """
    if CONTROL in expected and (bad := re.search(f"[{CONTROL}]", str(value))) is not None:
        return f"Write text without control characters: this has a {_character(bad[0])}."
    explanation = "".join(
        f" {sentence(' '.join(info.description.split()))}" for info in infos if info.description
    ) + _examples(infos)
    return _shape(expected, str(value), bool(explanation)) + explanation


def _shape(expected: str, value: str, more: bool) -> str:
    """The form in words. `more`: an explanation follows, so a form that only programmers can read is left
    out.
    """
    if expected in _PATTERNS:
        return _PATTERNS[expected]
    shape = expected.removeprefix("^").removesuffix("$").removesuffix(r"\z")
    if (choices := _CHOICES.fullmatch(shape)) is not None:
        words = choices[1].split("|")
        return f"Write one of {listed(words, 20)}.{suggestion(value, words)}"
    if (parts := _NAME.fullmatch(shape)) is not None and "^" not in (parts[1][0], (parts[2] or " ")[0]):
        first, rest, most = parts[1], parts[2] or parts[1], parts[3]
        begin = f", beginning with {_class(first, 'or')}" if first != rest else ""
        return f"Write {_class(rest, 'and')}{begin}" + (
            f", at most {int(most) + (parts[2] is not None)} characters." if most else "."
        )
    if len(shape) <= _SHORT and not (more and "(?" in shape):
        return f"Write text of the form `{shape}`."
    return "The value has another form than this key takes."


def _class(characters: str, last: str) -> str:
    """A regex character class in words: `small letters, digits, `_` and `-``."""
    words = []
    for text, word in _RANGES:
        if text in characters:
            words.append(word)
            characters = characters.replace(text, "")
    words += [
        f"`{character}`" for character in characters.replace("\\", "", characters.count("\\") // 2 or 1)
    ]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _examples(infos: Iterable[FieldInfo]) -> str:
    examples = [str(example) for info in infos for example in info.examples or ()]
    return f" For example: {listed(examples, 3)}." if examples else ""


def _character(character: str) -> str:
    return {"\n": "line break", "\t": "tab"}.get(character) or name(character)


_BOUNDS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
    "string_too_short": ("min_length", "must have {} or more characters"),
    "string_too_long": ("max_length", "may have at most {} characters"),
    "too_short": ("min_length", "must have {} or more items"),
    "too_long": ("max_length", "may have at most {} items"),
}


def bound(kind: str, context: dict[str, Any]) -> str | None:
    """The bound that a value breaks, in words; None when the error is about something else."""
    if kind not in _BOUNDS:
        return None
    key, words = _BOUNDS[kind]
    return words.format(context.get(key))
