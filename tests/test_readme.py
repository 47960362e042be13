"""The README and the pages say what is so: transcripts are run again, tables compared, links followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.booted.booted import BootedHost
from tests.ordinary import REPOSITORY
from tests.test_examples import FIVE_LINES
from tools.reference import exit_code_rows

README = (REPOSITORY / "README.md").read_text()
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md")),
]
WALK = "docs/architecture.md"
PROMISED_LATER = ("incremental", "restic", "sftp")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _steps(block: str) -> list[tuple[str, str]]:
    """Command and expected output, in order."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", WALK, "docs/snapshots.md"])
def test_transcripts_are_real(page: str, booted: BootedHost) -> None:
    """The output that the page shows after each `$` is the one that the tool prints on a host where the
    demo's spec was applied.
    """
    booted.copy_in(REPOSITORY / "examples/demo", "/root/demo")
    booted.run("/bin/sh", "-c", "echo gpu-01 > /etc/hostname; hostname gpu-01")
    booted.reconciler("apply", "host.yaml", "--auto-approve", cwd="/root/demo")
    text = (REPOSITORY / page).read_text()
    shown = [step for block in _blocks(text, "console") for step in _steps(block)]
    real = [
        (command, booted.run("/bin/bash", "-c", f"{command} 2>&1", check=False, cwd="/root/demo").stdout)
        for command, _ in shown
    ]

    assert len(shown) >= 2
    assert shown == [
        (command, output.strip("\n") + "\n" if output.strip() else "") for command, output in real
    ]


def test_the_test_command_is_there() -> None:
    """Whoever reads only the README can run the tests."""
    assert "make test" in [line for block in _blocks(README, "sh") for line in block.splitlines()]


def test_the_short_spec_is_the_example() -> None:
    """The spec that the README shows is the one that is tested."""
    assert FIVE_LINES in README


def test_the_exit_codes_are_those_of_the_program() -> None:
    """The page that the README sends to is the program's own table."""
    assert "docs/reference/exit-codes.md" in README
    assert "\n".join(exit_code_rows()) in (REPOSITORY / "docs/reference/exit-codes.md").read_text()


def test_every_command_is_there() -> None:
    """Everything that the README calls a command is one."""
    from reconciler.cli.main import COMMANDS

    named = set(re.findall(r"`reconciler ([a-z-]+)", README))

    assert len(named) > 8
    assert named <= set(COMMANDS)


def test_nothing_is_promised_that_is_not_there() -> None:
    """A feature that is still to come is named in one place, as such."""
    rest = re.sub(r"^## Status\n.*?(?=^## )", "", README, flags=re.MULTILINE | re.DOTALL).lower()

    assert [] == [word for word in PROMISED_LATER if word in rest]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every link within the repository leads to a file, and to a heading in it."""
    text = (REPOSITORY / page).read_text()
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        headings = (
            [_anchor(line.lstrip("#")) for line in file.read_text().splitlines() if line.startswith("#")]
            if anchor and file.is_file()
            else []
        )
        if not file.exists() or (anchor and anchor not in headings):
            broken.append(target)

    assert [] == broken


@pytest.mark.parametrize("page", PAGES)
def test_pages_end_with_one_line_end(page: str) -> None:
    """Text files end as text files do."""
    assert re.search(r"[^\n]\n\Z", Path(REPOSITORY, page).read_text())


def test_every_decision_is_in_the_index() -> None:
    """docs/README.md has a line for each decision, by its title and date, in order."""
    pages = sorted((REPOSITORY / "docs/decisions").glob("*.md"))
    titles = [page.read_text().partition("\n")[0].removeprefix("# ") for page in pages]
    wanted = [
        f"| [{title}](decisions/{page.name}) | {page.name[:10]} |"
        for title, page in zip(titles, pages, strict=True)
    ]

    assert wanted == [
        line for line in (REPOSITORY / "docs/README.md").read_text().splitlines() if "](decisions/" in line
    ]
