"""Masking: secrets are taken out of a line of text, by the names before them and by their own forms.

Apart from `secrecy`: only a plan with changes needs it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.secrets.plain import TOKEN, is_plain
from reconciler.core.secrets.secrecy import HIDDEN
from reconciler.core.secrets.shapes import (
    KEY,
    LAST_WORDS,
    METHODS,
    NOT_NAMES,
    OPEN_KEYS,
    PROGRAMS,
    SECRET_KEYS,
    SEPARATORS,
    SHAPES,
)

_WORD = Late(
    r"passwd|password|passphrase|secret|token(?!s|iz)|api[_-]?key|access[_-]?key|private[_-]?key",
    re.IGNORECASE,
)
_NAMES_A_PLACE = Late(r"(?:file|path|dir|directory|name|type|ttl)s?", re.IGNORECASE)
_NAMES_A_MEASURE = Late(
    r"age|bits|count|days|expir(?:es|y|ation)|fd|interval|len|length|lifetime|limit|max|min|period|retries|seconds|size|timeout|tries",
    re.IGNORECASE,
)
_NAMES_A_VARIABLE = Late(r"env|envvar|var|variable", re.IGNORECASE)
_SWITCH = Late(r"--?(?:(?:no|ask|prompt|skip|without|disable)[_.-].*|.*[_.-](?:stdin|prompt))", re.IGNORECASE)
"""An option that switches something off, or says how a secret is asked for: the word behind it is no value
(`--no-ask-password reload`).
"""
_LAST_WORD = Late(
    r"""(?:pass(?:in|out|code)?|requirepass|masterauth|auth|pw|pwd|pat|psk|cred(?:s|entials?)?|key)(?![A-Za-z0-9])""",
    re.IGNORECASE,
)
"""A name that is one by its last word may end here."""
_BARE = Late(r"""[^\s"'\\]++(?:\\.[^\s"'\\]*+)*+""")
"""A word of a command line: quotes part words too, as commands stand in commands."""
_BLANK = Late(r"\s")
_LETTERS = Late(r"-[A-Za-z]{2,6}")
_WORDS = Late(r"[_.-]|(?<=[a-z])(?=[A-Z])")
_KEY_BLOCK = Late(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1")

# Possessive, and the value apart from the name: a long line takes time in proportion to its length.
_ASSIGNED = Late(r"""(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z_][A-Za-z0-9_.-]*+)["']?[ \t]*+\\?[=:][ \t]*+""")
_OPTION = Late(r"""(?:^|(?<=[\s"']))(?P<name>--?[A-Za-z0-9_.-]++)(?P<end>["']?)(?:\\?=|[ \t]++)""")
"""sudoers writes a `=` and a `:` of an argument with a backslash."""
_LOGIN = Late(r"\\?:\\?/\\?/(?P<name>[^/\s:@\\]*+)\\?:")
_HEADER = Late(
    r"""(?P<name>(?:Proxy-)?Authorization|(?:Set-)?Cookie)["']?[ \t]*+\\?[:=][ \t]*+"""
    r"(?:[A-Za-z][A-Za-z0-9-]*+[ \t]++)?",
    re.IGNORECASE,
)
_BEARER = Late(r"(?P<name>(?<![A-Za-z])Bearer)[ \t]++", re.IGNORECASE)
_UNTIL_QUOTE = Late(r"""[^"'\n]++""")
_CREDENTIAL = Late(r"""(?<![A-Za-z])SetCredential(?:Encrypted)?=["']?(?P<name>[^:\s"']++):""")
"""systemd's own way to give a secret to a service, under any name."""
# Text between apostrophes in a shell's command has its own apostrophes written as '\''.
_REST = Late(r"""'\\''[^'\n]*+(?:'\\'')?|"(?:[^"\\]|\\.)*+"?|'[^']*+'?|[^\s(][^\n]*+""")
_ONE_WORD = Late(r"""'\\''[^'\n]*+(?:'\\'')?|"(?:[^"\\]|\\.)*+"?|'[^']*+'?|[^\s(-]\S*+""")
_IN_QUOTES = {'"': Late(r'(?:[^"\\]|\\.)++'), "'": Late(r"[^']++")}
_BEFORE_AT = Late(r"[^/\s@]++(?=@)")
_NO_VALUE = Late(
    r"""["']?(?:yes|no|true|false|on|off|none|null|enabled|disabled)["']?[,;]?[ \t]*(?:(?<=[ \t])\#.*)?"""
    r"""|(?:(?:files|compat|systemd|sss|db|\[!?[A-Z]+=[a-z]+\])(?:[ \t]+|$|(?=`)))+(?:`.*)?""",
    re.IGNORECASE,
)
"""The values that are no secret whatever the name: a switch, or the sources in nsswitch.conf (`passwd:
files`), in a sentence up to the end of the quotation.
"""
_PLACE = r"/(?:dev|etc|home|media|mnt|opt|proc|root|run|srv|sys|tmp|usr|var)(?:/[\w.@%+:-]+)+/?"
_BELOW = r"(?:/[\w.@+-]+)+"
_VARIABLE = r"\$(?:[A-Z_][A-Z0-9_]+|\{[A-Za-z_]\w*\})"
_ELSEWHERE = Late(
    rf"""(?:file:(?://)?|@)?{_PLACE}|{_VARIABLE}(?:{_BELOW})?|%[dhtSLECT]{_BELOW}"""
    rf"""|\$\((?:(?:/usr)?(?:/bin/)?cat[ ]|<[ ]?)["']?(?:{_PLACE}|{_VARIABLE}{_BELOW})["']?\)"""
)
"""The place of a secret instead of the secret: a path below one of a Linux host's own directories, a
variable, a command that reads a file.
"""
_MEASURE = Late(r"[0-9]{1,10}(?:\.[0-9]{1,3})?[ ]?(?:[a-z]{1,7})?", re.IGNORECASE)
_NAME_OF_VARIABLE = Late(r"[A-Z_][A-Z0-9_]*")
_TAG = Late(r"(?:NO)?PASSWD:[ ]*")
"""Tags of sudoers(5), which look like the name of a password."""


@lru_cache(maxsize=1024)
def names_secret(name: str) -> bool:
    """Whether a variable, key or option of this name holds a secret (`API_TOKEN`), and not only the path of
    one (`TOKEN_FILE`).
    """
    if _WORD.search(name):
        return not _NAMES_A_PLACE.fullmatch(_last_word(name))
    return _by_last_word(name)


def _by_last_word(name: str) -> bool:
    """Whether the last word of a name stands for a secret: `GITHUB_PAT`, `auth`, `SIGNING_KEY`, and not
    `PATH` or `monkey`.
    """
    words = _WORDS.split(name.lstrip("-"))
    last = words[-1].lower()
    if last == "key":
        return len(words) > 1 and words[-2].lower() not in OPEN_KEYS
    return last in LAST_WORDS and name not in NOT_NAMES


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a variable, key or option of this name is a secret, and not a switch, a measure or
    the path of a secret.
    """
    return bool(value) and names_secret(name) and not _is_harmless(name, value)


def holds_private_key(text: str) -> bool:
    """Whether a text has a private key in it."""
    return _KEY_BLOCK.search(text) is not None


def holds_secret(text: str) -> bool:
    """Whether a text of any number of lines has a secret in it, told by the name before it or by its form."""
    return holds_private_key(text) or any(masked(line) != line for line in text.splitlines())


def masked(text: str, instead: str = HIDDEN) -> str:
    """One line with `instead` in the place of each secret: `TOKEN=x`, `--password x`, `://user:x@`,
    `SetCredential=n:x`.
    """
    return text if is_plain(text) else _masked(text, instead)


def hidden_arguments(words: Sequence[str], glued: Collection[int] = ()) -> Iterator[tuple[int, int]]:
    """The numbers of the words of a command line that hold a secret because of the words before them, each
    with the position in the word where it begins.

    `glued` are the numbers of words that no blank parts from the one before, as in `-p'x'`.
    """
    options: Mapping[str, str] = {}
    parts: str | None = None
    for number, word in enumerate(words):
        if parts is not None:
            before, parts = parts, None
            if not word.startswith("-"):
                yield from _begins(number, word, 0, before)
                options = {} if before == "|" or word.endswith(";") else options
                continue
        if word in SEPARATORS:
            options = {}
        elif (program := word.rpartition("/")[2].strip("(`$[],")) in PROGRAMS:
            options = PROGRAMS[program]
        elif options and (option := _option(word, options)):
            if word.startswith(option) and len(word) > len(option):
                yield from _begins(number, word, len(option), options[option].removesuffix("+"))
                options = {} if options[option] == "|" or word.endswith(";") else options
            elif options[option] != "+" or number + 1 in glued:
                parts = options[option].removesuffix("+")
        elif word.endswith(";"):
            options = {}


def secret_arguments(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """As `hidden_arguments`, for a command line that is kept word by word: options with the name of a secret
    count too.
    """
    yield from hidden_arguments(words)
    for number, (option, word) in enumerate(pairwise(words), 1):
        if not option.startswith("-") or "=" in option or word.startswith(("-", "(")):
            continue
        if names_secret(option) and not _SWITCH.fullmatch(option) and not _is_harmless(option, word):
            yield number, 0


def _option(word: str, options: Mapping[str, str]) -> str | None:
    """The one of these options that a word is (`-p`, `-su`, `--user`) or has with its value (`-px`,
    `--user=x`); None if there is none.
    """
    if word.startswith("--"):
        name = word.partition("=")[0]
        return name if name in options else None
    for length in (2, 3):
        if word[:length] in options:
            return word[:length]
    last = f"-{word[-1:]}"
    return last if _LETTERS.fullmatch(word) and options.get(last, "+") != "+" else None


def _begins(number: int, word: str, at: int, parts: str) -> Iterator[tuple[int, int]]:
    start = at + (word[at : at + 1] == "=")
    if parts not in ("", "|"):
        start = word.find(parts, start) + 1 or len(word)
    if word[start:] and not word.startswith("(", start) and not _is_harmless("", word[start:], login=True):
        yield number, start


def _without_arguments(text: str, instead: str) -> str:
    words = list(_BARE.finditer(text))
    glued = {
        number
        for number in range(1, len(words))
        if not _BLANK.search(text[words[number - 1].end() : words[number].start()])
    }
    pieces: list[str] = []
    at = 0
    for number, start in hidden_arguments([word[0] for word in words], glued):
        word = words[number]
        if word.start() >= at:
            pieces += [text[at : word.start() + start], instead]
            closing = (
                text.find(text[word.start() - 1], word.end())
                if text[max(0, word.start() - 1)] in "\"'"
                else -1
            )
            at = max(word.end(), closing)
    return "".join((*pieces, text[at:])) if pieces else text


def _without_shapes(text: str, instead: str) -> str:
    low = text.lower()
    for words, shape in SHAPES:
        if any(word in low for word in words):
            text = shape.sub(lambda match: _without_group(match, instead), text)
    return text


def _without_group(match: re.Match[str], instead: str) -> str:
    secret = match["secret"]
    if secret.startswith("(sensitive") or _is_harmless("", secret, login=True) or METHODS.fullmatch(secret):
        return match[0]
    start = match.start("secret") - match.start()
    return f"{match[0][:start]}{instead}{match[0][start + len(secret) :]}"


def _masked(text: str, instead: str) -> str:
    if "-" in text or "/p:" in text:
        text = _without_arguments(text, instead)
    text = _without_shapes(text, instead)
    if _WORD.search(text) or _LAST_WORD.search(text):
        text = _without(text, _OPTION, instead)
        text = _without(text, _ASSIGNED, instead)
    if "uthorization" in text or "AUTHORIZATION" in text or "ookie" in text:
        text = _without(text, _HEADER, instead)
    if _BEARER.search(text):
        text = _without(text, _BEARER, instead)
    if "SetCredential" in text:
        text = _without(text, _CREDENTIAL, instead)
    text = _without(text, _LOGIN, instead) if "//" in text or "/\\/" in text else text
    return TOKEN.sub(instead, text) if TOKEN.search(text) else text


def _without(text: str, lead: Late, instead: str) -> str:
    """The text with `instead` in the place of each value that a name of a secret leads to."""
    pieces: list[str] = []
    at = 0
    for match in lead.finditer(text):
        if match.start() < at or not _leads_to_secret(lead, match):
            continue
        value = _value(text, lead, match).match(text, match.end())
        if value is not None and not (
            lead is not _CREDENTIAL
            and _is_harmless(match["name"], value[0], login=lead in (_LOGIN, _HEADER, _BEARER))
        ):
            pieces += [text[at : match.end()], instead]
            at = value.end()
    return "".join((*pieces, text[at:])) if pieces else text


def _leads_to_secret(lead: Late, match: re.Match[str]) -> bool:
    if lead in (_LOGIN, _CREDENTIAL, _HEADER, _BEARER):
        return True
    if lead is _OPTION and not match[0].endswith("=") and _SWITCH.fullmatch(match["name"]):
        return False
    if _is_no_key(match["name"], match.string, match.end()):
        return False  # looked at before the value: that may be all the rest of a long line
    return (
        names_secret(match["name"])
        and not _TAG.fullmatch(match[0])
        and (lead is _OPTION or _is_assigned(match))
    )


def _is_assigned(match: re.Match[str]) -> bool:
    """Whether a colon behind a name assigns, unlike one in a sentence or an address: `second pass: sort`,
    `http://auth:8000`.
    """
    if _WORD.search(match["name"]) or not match[0].rstrip(" \t").endswith(":"):
        return True
    before = match.string[max(0, match.start() - 2) : match.start()]
    quoted = match.string[match.end("name")] in "\"'"
    return quoted or (match[0][-1] in " \t" and not (before[-1:] in " \t" and before[:1].isalnum()))


def _is_harmless(name: str, value: str, *, login: bool = False) -> bool:
    """Whether a value that stands where a secret may is none: a switch, a measure, the place of a secret."""
    bare = value.partition(" #")[0].rstrip(" \t,;\\")
    if len(bare) > 1 and bare[0] in "'\"" and bare[-1] == bare[0]:
        bare = bare[1:-1]
    elif len(bare) > 1:
        bare = bare.rstrip("'\"")  # they close quotes around the whole assignment
    if _ELSEWHERE.fullmatch(bare):
        return True
    if login:
        return False
    word = _last_word(name)
    if not _WORD.search(name) and _is_open_value(name, value):
        return True
    is_empty = not bare and value[:2] in ("''", '""')
    is_measure = _NAMES_A_MEASURE.fullmatch(word) is not None and _MEASURE.fullmatch(bare) is not None
    is_variable = (
        _NAMES_A_VARIABLE.fullmatch(word) is not None and _NAME_OF_VARIABLE.fullmatch(bare) is not None
    )
    return is_empty or is_measure or is_variable or _NO_VALUE.fullmatch(value) is not None


def _is_open_value(name: str, value: str) -> bool:
    """Whether the value of a name that is a secret's by its last word is none: a way to log in, or no key."""
    return METHODS.fullmatch(value) is not None or _is_no_key(name, value)


def _is_no_key(name: str, text: str, at: int = 0) -> bool:
    """Whether a name that ends with `key` has a value that is too plain for one."""
    words = [word.lower() for word in _WORDS.split(name.lstrip("-"))]
    if words[-1] != "key" or _WORD.search(name):
        return False
    return not (len(words) > 1 and words[-2] in SECRET_KEYS) and KEY.match(text, at) is None


def _last_word(name: str) -> str:
    return _WORDS.split(name)[-1]


def _value(text: str, lead: Late, match: re.Match[str]) -> Late:
    """The pattern of a value after this lead."""
    if lead in (_HEADER, _BEARER):
        return _UNTIL_QUOTE if lead is _HEADER else _ONE_WORD
    if lead is not _OPTION:
        return _BEFORE_AT if lead is _LOGIN else _REST
    quote = text[match.start() - 1 : match.start()]
    return _IN_QUOTES[quote] if quote in _IN_QUOTES and not match["end"] else _ONE_WORD
