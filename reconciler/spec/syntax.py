"""libyaml's complaints, in words that say what to do."""

from __future__ import annotations

_WORDS = (
    ("mapping values are not allowed", "A `: ` stands where no key can be. Quote the value if it holds `: `, or check the indentation."),
    ("did not find expected key", "Here a key was expected. Check the indentation: keys of one map begin in the same column."),
    ("could not find expected ':'", "A key without a `:`. Write `key: value`, or check the quotes and the indentation above."),
    ("did not find expected '-' indicator", "Here a list item (`- `) was expected. Check the indentation."),
    ("did not find expected ',' or ']'", "A list in brackets lacks a `,` or its `]`."),
    ("did not find expected ',' or '}'", "A map in braces lacks a `,` or its `}`."),
    ("found unexpected end of stream", "The file ends inside a quoted text: a closing quote is missing."),
    ("found unexpected document indicator", "A `---` or `...` stands inside a quoted text: a closing quote is missing."),
    ("found unknown escape character", "Unknown escape. In double quotes write `\\\\` for a backslash, or use single quotes."),
    ("block sequence entries are not allowed", "A list item cannot stand here. Put the list on the lines below its key."),
    ("did not find expected node content", "A value was expected here."),
    ("found incompatible YAML document", "Remove the %YAML line: a spec is YAML 1.2."),
    ("did not find expected <document start>", "Nothing may follow the document here. Check the indentation and the quotes above."),
    ("did not find expected alphabetic or numeric character", "`&` and `*` begin an anchor or an alias. Quote the value if it is text."),
    ("found duplicate", "Remove the second directive of this kind."),
)


def explain(problem: str, character: str, began: int, line: int) -> str:
    """Sentences for one parse error. `character` is what stands at its place, `began` the line of the construct it is about, or 0."""
    if "cannot start any token" in problem:
        return "A tab cannot indent: use spaces." if character == "\t" else f"A value cannot begin with `{character}`. Quote it."
    text = next((words for fragment, words in _WORDS if fragment in problem), f"The YAML parser says: {problem or 'invalid'}.")
    about = f" It began in line {began}." if 0 < began < line else ""
    return text + about
