"""The parser's complaints, in words that say what to do."""

from __future__ import annotations

# Fragments of libyaml's messages, then those of PyYAML's own parser where they differ; then our words.
_WORDS = (
    (
        ("mapping values are not allowed",),
        (
            "A `: ` stands where no key can be. Put the value in quotes if it holds `: `, or check the"
            " indentation."
        ),
    ),
    (
        ("did not find expected key", "expected <block end>"),
        "Here a key was expected. Check the indentation: keys of one map begin in the same column.",
    ),
    (
        ("could not find expected ':'",),
        "A key without a `:`. Write `key: value`, or check the quotes and the indentation above.",
    ),
    (
        ("did not find expected '-' indicator",),
        "Here a list item (`- `) was expected. Check the indentation.",
    ),
    (
        ("did not find expected ',' or ']'", "expected ',' or ']'"),
        "A list in brackets lacks a `,` or its `]`.",
    ),
    (("did not find expected ',' or '}'", "expected ',' or '}'"), "A map in braces lacks a `,` or its `}`."),
    (("found unexpected end of stream",), "The file ends inside a quoted text: a closing quote is missing."),
    (
        ("found unexpected document",),
        "A `---` or `...` stands inside a quoted text: a closing quote is missing.",
    ),
    (
        ("found unknown escape character",),
        "Unknown escape. In double quotes write `\\\\` for a backslash, or use single quotes.",
    ),
    (
        ("sequence entries are not allowed",),
        "A list item cannot stand here. Put the list on the lines below its key.",
    ),
    (("mapping keys are not allowed",), "A `? ` cannot stand here. Put the value in quotes if it is text."),
    (("did not find expected node content", "expected the node content"), "A value was expected here."),
    (
        ("found unexpected ':'",),
        (
            "A `:` cannot stand right before `,`, `?` or a bracket. Put the value in quotes, or a space"
            " behind the `:` if it ends a key."
        ),
    ),
    (("found a tab character",), "A tab cannot indent: use spaces."),
    (
        ("expected comment or line break", "expected a comment or a line break"),
        "Nothing but a comment may follow in this line. Put a value that begins with `|` or `>` in quotes.",
    ),
    (("found incompatible YAML document",), "Remove the %YAML line: a spec is YAML 1.2."),
    (
        ("directive name",),
        "A line that begins with `%` is a directive. Remove it; put the key in quotes if it is one.",
    ),
    (
        ("did not find expected <document start>", "expected '<document start>'"),
        "Nothing may follow the document here. Check the indentation and the quotes above.",
    ),
    (
        ("expected alphabetic or numeric character", "found unexpected non-alphabetical character"),
        (
            "`&` and `*` begin an anchor or an alias, `%` at the begin of a line a directive. Put the value"
            " in quotes if it is text."
        ),
    ),
    (
        (
            "expected whitespace or line break",
            "expected ' ', but",
            "expected '!', but",
            "expected URI",
            "tag URI",
            "URI escape",
        ),
        "`!` begins a tag, and tags are not allowed. Put the value in quotes if it is text.",
    ),
    (("found duplicate",), "Remove the second directive of this kind."),
)


def explain(problem: str, character: str, began: int, line: int) -> str:
    """Sentences for one parse error.

    `character` stands at its position; `began` is the line in which the broken construct began, or 0.
    """
    if "cannot start any token" in problem:
        return (
            "A tab cannot indent: use spaces."
            if character == "\t"
            else f"A value cannot begin with `{character}`. Put it in quotes."
        )
    if "node content" in problem and character in tuple(":-?"):
        return f"A value in brackets or braces cannot begin with `{character}`. Put it in quotes."
    otherwise = f"The YAML parser says: {problem or 'invalid'}."
    text = next(
        (words for fragments, words in _WORDS if any(fragment in problem for fragment in fragments)),
        otherwise,
    )
    about = f" It began in line {began}." if 0 < began < line else ""
    return text + about
