"""Twenty canaries, looked for in everything that is printed, saved or remembered, also as base64, as hex and
quoted for URLs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pytest

from reconciler.host.state.store import Store
from tests.cli.command import Done, Tree, run

pytestmark = pytest.mark.slow


def canary(name: str) -> str:
    """A secret that no compressor can shorten and that changes when it is quoted."""
    return f"{name}&/{hashlib.sha256(name.encode()).hexdigest()[:24]}=?"


def forms(secret: str) -> Iterable[bytes]:
    """How it may appear: as it is, without its first and last characters, quoted, as hex, and as base64 at
    each alignment.
    """
    raw = secret.encode()
    yield raw
    yield raw[3:-3]
    yield quote(secret, safe="").encode()
    yield raw.hex().encode()
    for start in range(3):
        whole = raw[start:]
        yield base64.b64encode(whole[: len(whole) // 3 * 3])


def leaks(secrets: Iterable[str], *places: bytes | str | Path | Done) -> list[str]:
    """The canaries that were found, with where."""
    found = []
    for place in places:
        data = _bytes(place)
        found += [
            f"{secret} in {data[:60]!r}" for secret in secrets if any(form in data for form in forms(secret))
        ]
    return found


def _bytes(place: bytes | str | Path | Done) -> bytes:
    if isinstance(place, Done):
        return (place.out + place.err).encode()
    return (
        place.read_bytes() if isinstance(place, Path) else place.encode() if isinstance(place, str) else place
    )


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: base64.b64encode(b"x" + text.encode()),
        lambda text: quote(text, safe="").encode(),
    ],
)
def test_the_search_is_not_blind(encode: object) -> None:
    """Each form is found in the midst of other bytes."""
    secret = canary("probe")

    assert leaks([secret], b"before " + encode(secret) + b" after")  # type: ignore[operator]  # a function


def everything(tree: Tree, spec: Path, *options: str) -> list[Done | Path]:
    """All views of what is to be done: text, verbose, JSON, saved and shown, drift."""
    file = tree.base / "plan.json"
    found: list[Done | Path] = [
        tree.plan(spec, *options, *more) for more in ((), ("--verbose",), ("--json",), ("--out", file))
    ]
    found += [
        run("show", file),
        run("show", file, "--verbose"),
        file,
        tree.drift(spec),
        tree.drift(spec, "--json"),
        run("validate", spec, "--json"),
    ]
    return found


def state(tree: Tree) -> list[Path]:
    """All that we remember of the tree."""
    return [path for path in tree.state.iterdir() if path.is_file()]


def test_sensitive_files(tree: Tree) -> None:
    """The content of a sensitive file is nowhere: not when it is new, changed, edited by hand, no longer
    sensitive, nor removed.
    """
    names = ("inline", "source", "changed", "by hand", "declassified", "removed")
    secrets = {name: canary(name) for name in names}
    (tree.base / "key").write_text(secrets["source"])
    head = 'groups: {g: {}}\nfiles:\n  /etc/source: {source: key, mode: "0600", sensitive: true}\n'
    line = '  /etc/inline: {{content: "{}", mode: "0600", sensitive: true}}\n'
    seen: list[Done | Path] = []

    def step(text: str, *apply: str) -> None:
        spec = tree.spec(text)
        seen.extend(everything(tree, spec))
        seen.append(tree.apply(spec, *apply))

    step(head + line.format(secrets["inline"]))
    assert secrets["inline"] == tree.path("/etc/inline").read_text()
    step(head + line.format(secrets["changed"]), "--json")
    tree.path("/etc/inline").write_text(secrets["by hand"])
    step(head + line.format(secrets["changed"]))
    (tree.base / "key").write_text(secrets["removed"])
    step(head + line.format(secrets["changed"]), "--verbose")
    (tree.base / "key").write_text("no secret")
    step(head + line.format("no secret").replace(", sensitive: true", "").replace("0600", "0644"))
    step("groups: {g: {}}\n")
    assert not tree.path("/etc/inline").exists()
    seen += [
        run("show", str(n), "--root", tree.root, *more) for n in range(1, 7) for more in ((), ("--json",))
    ]

    assert [0] * 12 == [one.code for one in seen[-12:] if isinstance(one, Done)]
    assert [] == leaks(secrets.values(), *seen, *state(tree))


def _digests(secret: str) -> list[str]:
    return [hashlib.sha256(secret.encode()).hexdigest()]


def test_digests_of_sensitive_content_are_keyed(tree: Tree) -> None:
    """A short password can be guessed from a plain digest, so there is none of it."""
    spec = tree.spec('files:\n  /etc/p: {content: "hunter2", mode: "0600", sensitive: true}\n')
    seen = [
        *everything(tree, spec),
        tree.apply(spec, "--json"),
        run("show", "1", "--root", tree.root, "--json"),
        *everything(tree, spec),
    ]

    assert [] == leaks(_digests("hunter2"), *seen, *state(tree))


THEIRS = {"/root/.x": 0o600, "/etc/theirs.conf": 0o644, "/srv/deep/er/file": 0o600}


@pytest.mark.parametrize("options", [(), ("--adopt",)])
@pytest.mark.parametrize("path", THEIRS)
def test_what_is_not_ours_is_not_shown(tree: Tree, path: str, options: tuple[str, ...]) -> None:
    """Who can write a spec must not read the host with it: a declared path does not show what is there,
    adopted or not.
    """
    secret = canary(path)
    tree.put(path, f"first\npassword={secret}\nlast\n", THEIRS[path])
    spec = tree.spec(f'files:\n  {path}: {{content: "first\\n", mode: "0644"}}\n')
    seen = [
        *everything(tree, spec, *options),
        tree.apply(spec, *options),
        tree.apply(spec, *options, "--json"),
    ]
    seen += [run("show", "1", "--root", tree.root, "--json")] if options else []

    assert [] == leaks([secret], *seen, *(state(tree) if tree.state.exists() else []))


def test_an_adoption_that_was_killed_does_not_show_it_either(tree: Tree) -> None:
    """A row that only says what was about to be written does not make the old content ours."""
    secret = canary("killed")
    spec = tree.spec(
        'files:\n  /root/.x: {content: "ours\\n", mode: "0600"}\n  /etc/y: {content: "y", mode: "0644"}\n'
    )
    tree.put("/root/.x", secret, 0o600)
    tree.apply(spec, "--exclude", 'files["/root/.x"]')
    _pretend_killed_adoption(tree, "/root/.x")
    plan = json.loads(tree.plan(spec, "--json").out)

    assert ['files["/root/.x"]'] == [entry["address"] for entry in plan["resource_changes"]]
    assert [] == leaks([secret], *everything(tree, spec))


def _pretend_killed_adoption(tree: Tree, path: str) -> None:
    """Pretend that an apply wrote its intent to adopt the file, and died before the rename."""
    from reconciler.core.address import Address
    from reconciler.core.state import LedgerRow

    with Store.open(str(tree.state), "", now=lambda: 0) as store:
        run_number = store.begin("", "", "h1", "0", [{"action": "WriteFile"}])
        pending = {"type": "file", "content": "sha256:00", "mode": "0600", "owner": "root", "group": "root"}
        store.intend(
            run_number, [0], [LedgerRow(Address("files", path), None, pending, created=False)], [], []
        )


def test_units_that_are_not_ours_are_not_shown(tree: Tree) -> None:
    """A unit file that somebody else wrote may hold secrets, too."""
    secrets = [canary("environment"), canary("exec"), canary("comment")]
    text = (
        f'# {secrets[2]}\n[Service]\nEnvironment="TOKEN={secrets[0]}"\nExecStart=/usr/bin/true --password'
        f" {secrets[1]}\n"
    )
    tree.put("/etc/systemd/system/s.service", text, 0o600)
    spec = tree.spec("services:\n  s: {exec_start: [/usr/bin/true]}\n")
    for options in ((), ("--adopt",)):
        assert [] == leaks(
            secrets,
            *everything(tree, spec, *options),
            tree.apply(spec, *options),
            tree.apply(spec, *options, "--json"),
        )


@pytest.mark.parametrize(
    "text",
    [
        "mail {0}@x\n/var/log/a.log {{\n  daily\n}}\n",
        "/var/log/a.log {{\n  size {0}\n  postrotate\n    x {0}\n  endscript\n}}\n",
        "/var/log/a.log {{\n  daily\n}}\n/var/log/b.log {{\n  mail {0}\n}}\nolddir {0}\n",
    ],
)
def test_policies_that_are_not_ours_are_not_shown(tree: Tree, text: str) -> None:
    """Neither the values of another policy, nor what else is in its file."""
    secret = canary("policy")
    tree.put("/etc/logrotate.d/p", text.format(secret), 0o644)
    spec = tree.spec("logrotate:\n  p: {paths: [/var/log/a.log], frequency: weekly}\n")
    for options in ((), ("--adopt",)):
        assert [] == leaks(
            [secret],
            *everything(tree, spec, *options),
            tree.apply(spec, *options),
            tree.apply(spec, *options, "--json"),
        )


REFUSED = {
    "deny list": 'files:\n  /etc/shadow: {content: "{}", mode: "0600", sensitive: true}\n',
    "two on one path": (
        'directories:\n  /etc/f: {mode: "0755"}\nfiles:\n  /etc/f: {content: "{}", mode: "0600", sensitive:'
        " true}\n"
    ),
    "below a file": (
        'files:\n  /etc/f: {content: "x", mode: "0600"}\n  /etc/f/g: {content: "{}", mode: "0600", sensitive:'
        " true}\n"
    ),
    "environment": 'services:\n  s: {exec_start: [/usr/bin/true], environment: {API_TOKEN: "{}"}}\n',
}


@pytest.mark.parametrize("name", REFUSED)
def test_valid_specs_that_are_complained_about_are_not_quoted(tree: Tree, name: str) -> None:
    """A complaint about a valid spec does not quote a line with a secret either."""
    secret = canary(name)
    spec = tree.spec(REFUSED[name].replace("{}", secret))
    done = run("validate", spec)

    assert "host.yaml:" in done.err
    assert [] == leaks([secret], done, run("validate", spec, "--json"))


BROKEN = {
    "password": 'services:\n  s:\n    exec_start: [/usr/bin/true]\n    password: "{}"\n',
    "token in a map": (
        'services:\n  s:\n    exec_start: [/usr/bin/true]\n    environment: {{API_TOKEN: ["{}"]}}\n'
    ),
    "below a secret": (
        'services:\n  s:\n    exec_start: [/usr/bin/true]\n    db_password:\n      - a\n      - "{}"\n'
    ),
    "credential": 'services:\n  s:\n    exec_start: [/usr/bin/true]\n    load_credential: {{db: "{}"}}\n',
    "unclosed quote": 'files:\n  /etc/f:\n    mode: "0600"\n    secret: "{}\n',
    "wrong type in a sensitive file": (
        'files:\n  /etc/f: {{content: ["{}"], mode: "0600", sensitive: true}}\n'
    ),
    "mode of a sensitive file": 'files:\n  /etc/f: {{content: "{}", mode: 0600, sensitive: true}}\n',
    "private key": (
        "files:\n  /etc/f:\n    mode: 0600\n    content: |\n      -----BEGIN PRIVATE KEY-----\n      {}\n   "
        " owner: [x]\n"
    ),
    "control character": 'files:\n  /etc/f: {{mode: "0600", content: "{}\\e", sensitive: true}}\n',
    "duplicate": 'settings:\n  password: "{}"\n  password: "{}"\n',
    "mistyped": 'users:\n  u: {{pasword: "{}", shell: 5}}\n',
    "unknown list": 'users:\n  u:\n    plaintext: ["{}"]\n    shell: 5\n',
    "unknown short": "users:\n  u: {{shell: [x], pw: {}}}\n",
    "unknown hash": "users:\n  u:\n    hash: '{}'\n",
    "source": 'files:\n  /etc/f: {{source: secretfile, mode: "0600", moode: x}}\n',
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_specs_do_not_show_secrets(tree: Tree, name: str) -> None:
    """Messages about what stands at, below or beside a key that looks like a secret do not quote it."""
    secret = canary(name)
    (tree.base / "secretfile").write_text(secret)
    spec = tree.spec(BROKEN[name].replace("{}", secret).replace("{{", "{").replace("}}", "}"))
    seen = [
        run("validate", spec),
        run("validate", spec, "--json"),
        tree.plan(spec),
        tree.apply(spec),
        tree.apply(spec, "--json"),
    ]

    assert {1} == {done.code for done in seen}
    assert [] == leaks([secret], *seen)


def test_files_that_are_ours_are_shown(tree: Tree) -> None:
    """The opposite: without `sensitive`, what we wrote and what was changed in it by hand can be read in the
    plan.
    """
    spec = tree.spec('files:\n  /etc/f: {content: "ours\\n", mode: "0644"}\n')
    tree.apply(spec)
    tree.path("/etc/f").write_text("edited by hand\n")

    assert "-edited by hand" in tree.plan(spec).out
    assert "+ours" in tree.plan(spec).out
