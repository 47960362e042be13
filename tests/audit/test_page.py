"""The page of an audit for people: seen as a browser shows it, on a phone, a screen and paper, light and dark.

`RECONCILER_FAULTS=1` opens it in Chromium where that is installed (`apt-get install chromium`); the ordinary
run looks at what stands in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.model import Check, Fail, Finding, NotKnown, Report, Severity
from reconciler.audit.report import report_data
from reconciler.audit.run import run
from reconciler.render.audit.html import audit_html
from tests.audit.facts import facts

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FULL = bool(os.environ.get("RECONCILER_FAULTS"))
NAMES = (
    "/srv/<script>document.title='taken'</script>",
    "/srv/<img src=x onerror=alert(1)>\"'&amp;",
    "/srv/\u202egnp.exe\u202c\u200b",
    "/" + "x" * 300,
    "/srv/" + "a b/" * 75,
    "/srv/" + "文件" * 100,
    "/عربى" * 40,
    "\x1b[31mred\x00\n\n",
    "/srv/\udcff\udc00",
)
MEASURES = """
const box = document.querySelector('iframe'), page = box.contentDocument, view = box.contentWindow;
const shades = text => text.match(/[\\d.]+/g).map(Number);
const light = shade => shades(shade).slice(0, 3).map(value => value / 255)
  .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
const behind = element => {
  for (; element; element = element.parentElement) {
    const shade = view.getComputedStyle(element).backgroundColor;
    if (shades(shade).length < 4 || shades(shade)[3] > 0) return shade;
  }
  return 'rgb(0, 0, 0)';
};
const contrast = element => {
  const both = [light(view.getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
  return (both[0] + 0.05) / (both[1] + 0.05);
};
const all = [...page.body.querySelectorAll('*')];
const body = view.getComputedStyle(page.body).backgroundColor;
document.body.textContent = JSON.stringify({
  width: page.documentElement.scrollWidth,
  outside: all.filter(each => each.getBoundingClientRect().right > view.innerWidth + 1).map(each => each.outerHTML),
  pale: all.filter(each => contrast(each) < 4.5).map(each => each.outerHTML),
  loaded: view.performance.getEntriesByType('resource').map(each => each.name),
  title: page.title,
  active: page.querySelectorAll('script, img, a, button, input, iframe, [onerror]').length,
  dark: light(body) < 0.2,
});
"""


def _look(_: Facts) -> Iterator[Finding]:
    for name in NAMES:
        yield Fail(name, name, name, name, remediation=f"`chmod 0600 {name}`")
        yield NotKnown(name, name)
    yield from (Fail(f"/srv/{number}{'/long' * 50}", "0600", "0666") for number in range(40))


def _passes(_: Facts) -> Iterator[Finding]:
    yield from ()


def page(look: Any = _look, host: str = NAMES[1] + "h" * 80) -> str:
    """The page of a host with hostile names, with a check of each severity."""
    checks = [
        Check(f"toy-{severity}", severity, "A title", "Why.", "Do it.", ("1.2.3",), (), look, "files")
        for severity in Severity
    ]
    results = run(checks, facts({}))
    data = report_data(Report(host, {"kind": "live"}, "2026-11-30T00:00:00Z", Severity.HIGH, results, NAMES))
    changes = [{"id": "toy-high", "object": name} for name in NAMES]
    data["since"] = {"time": "2026-11-29T00:00:00Z", "new": changes, "fixed": changes, "still": 1}
    return audit_html(data)


class _Nesting(HTMLParser):
    """The elements that are open: each must be closed by its own end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.names.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize("look", [_look, _passes], ids=["hostile", "clean"])
def test_every_element_is_ours_and_closed(look: Any) -> None:
    """No name opens or closes an element, and each control character is spelled out."""
    text = page(look)
    nesting = _Nesting()
    nesting.feed(text)

    known = "html head meta title style body main h1 h2 h3 p ul li section span code bdi strong"
    assert nesting.names <= set(known.split())
    assert (nesting.open, nesting.wrong) == ([], [])
    assert not re.search("[\x00-\x09\x0b-\x1f\u200b\u202a-\u202e]", text)
    text.encode()


def _luminance(shade: str) -> float:
    digits = "".join(digit * 2 for digit in shade) if len(shade) == 3 else shade
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["text", "faint", "critical", "high", "medium", "low"])
def test_every_colour_can_be_read(name: str) -> None:
    """On its page, light and dark, each colour of a text has the contrast of WCAG's AA: 4.5 to 1."""
    shades: dict[str, list[str]] = {}
    for key, shade in re.findall(r"--(\w+):#([0-9a-f]{3,6})", page()):
        shades.setdefault(key, []).append(shade)

    assert len(shades[name]) == 2
    for shade, under in zip(shades[name], shades["page"], strict=True):
        light, dark = sorted((_luminance(shade), _luminance(under)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, shade, under)


def test_a_long_name_does_not_widen_the_page() -> None:
    """A path of 300 characters is broken where the phone ends; its card is as wide as the others."""
    assert ";overflow-wrap:anywhere}" in page()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page()


def test_paper_is_white() -> None:
    """The dark colours are those of a screen; nothing has another colour than those that are named."""
    style = page().partition("<style>")[2].partition("</style>")[0]

    assert "@media screen and (prefers-color-scheme:dark){" in style
    assert not re.search(r"[^-\w](?:color|background)\S*:(?!var)[^;}]*#", style)


if CHROMIUM and FULL:

    def _browser(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
        fixed = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
        words = [str(CHROMIUM), *fixed, f"--user-data-dir={directory}/profile", *options]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)

    @pytest.mark.slow
    @pytest.mark.parametrize("look", [_look, _passes], ids=["hostile", "clean"])
    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    @pytest.mark.parametrize("width", [320, 400, 1200])
    def test_a_browser_shows_it(tmp_path: Path, width: int, dark: bool, look: Any) -> None:
        """Nothing sticks out, every text can be read, nothing is loaded or run, and the console is silent."""
        scheme = '<meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        box = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{escape(page(look))}"></iframe>'
        script = f"<script>addEventListener('load', () => {{{MEASURES}}})</script>"
        file = tmp_path / "around.html"
        file.write_text(f"<!doctype html>{scheme}<body>{box}{script}")

        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        done = _browser(tmp_path, scheme, "--dump-dom", f"file://{file}")

        body = re.search(r"<body>(\{.*\})</body>", done.stdout, re.DOTALL)
        assert body, done.stdout[-500:]
        measured = json.loads(body[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert (measured["outside"], measured["pale"]) == ([], [])
        assert measured["width"] <= width
        assert (measured["loaded"], measured["active"], measured["dark"]) == ([], 0, dark)
        assert measured["title"].startswith("Audit of ")
        assert "CONSOLE" not in done.stderr
