"""References between resources as DOT (graphviz) and as Mermaid, which GitHub and
GitLab draw in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.address import Address

Edges = Mapping[Address, Sequence[Address]]


def dot(edges: Edges) -> str:
    """The graph in the language of graphviz. An arrow points to the resource that has to be there first."""
    return (
        "\n".join(
            [
                "digraph spec {",
                "  rankdir=LR;",
                "  node [shape=box];",
                *(f"  {line};" for line in _dot_lines(edges)),
                "}",
            ]
        )
        + "\n"
    )


def _dot_lines(edges: Edges) -> Iterator[str]:
    for address, needed in edges.items():
        yield _quoted(str(address))
        for other in needed:
            yield f"{_quoted(str(address))} -> {_quoted(str(other))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mermaid(edges: Edges) -> str:
    """The graph as a Mermaid flowchart."""
    numbers = {address: f"n{number}" for number, address in enumerate(edges)}
    lines = ["flowchart LR"]
    lines += [f'  {numbers[address]}["{_entity(str(address))}"]' for address in edges]
    lines += [
        f"  {numbers[address]} --> {numbers[other]}" for address, needed in edges.items() for other in needed
    ]
    return "\n".join(lines) + "\n"


def _entity(text: str) -> str:
    return (
        text.replace("#", "#35;")
        .replace("&", "#amp;")
        .replace('"', "#quot;")
        .replace("<", "#lt;")
        .replace(">", "#gt;")
    )
