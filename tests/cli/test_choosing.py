"""Which part of a spec, which commit of it, and what is refused however it is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.command import Done, Tree, run
from tests.cli.repository import Repository, git

D = "--detailed-exitcode"
SPEC = """\
groups:
  ml: {}
files:
  /etc/a: {content: "a\\n", mode: "0644"}
  /etc/b: {content: "b\\n", mode: "0644"}
services:
  s: {exec_start: [/usr/bin/true]}
"""
EVERYTHING = {"groups.ml", 'files["/etc/a"]', 'files["/etc/b"]', "services.s"}
FILES = {'files["/etc/a"]', 'files["/etc/b"]'}


def planned(done: Done) -> set[str]:
    """The addresses in a plan document."""
    return {entry["address"] for entry in json.loads(done.out)["resource_changes"]}


CHOICES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "everything": ((), EVERYTHING),
    "an address": (("--target", 'files["/etc/a"]'), {'files["/etc/a"]'}),
    "two addresses": (("--target", "groups.ml", "--target", "services.s"), {"groups.ml", "services.s"}),
    "a kind": (("--target", "files"), FILES),
    "all but a kind": (("--exclude", "files"), EVERYTHING - FILES),
    "all but an address": (("--exclude", 'files["/etc/a"]'), EVERYTHING - {'files["/etc/a"]'}),
    "a kind but an address": (("--target", "files", "--exclude", 'files["/etc/a"]'), {'files["/etc/b"]'}),
    "nothing": (("--target", "services.s", "--exclude", "services"), set()),
}


@pytest.mark.parametrize("name", CHOICES)
def test_target_and_exclude(tree: Tree, name: str) -> None:
    """Exactly what is chosen is planned, and exactly that is applied."""
    options, expected = CHOICES[name]
    spec = tree.spec(SPEC)

    assert expected == planned(tree.plan(spec, "--json", *options))
    assert 0 == tree.apply(spec, *options).code
    assert EVERYTHING - expected == planned(tree.plan(spec, "--json"))
    assert ('files["/etc/a"]' in expected) == tree.path("/etc/a").exists()


USER = """\
users:
  alice:
    sudo: [{run: ALL}]
    aliases: {gpu: nvidia-smi}
    ssh_keys: {exactly: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUlLtbuLRFvmyGZHMBxKBHfVdxuh/GpFGThbwMBhL57 alice@laptop]}
"""


def test_a_part_can_be_chosen(tree: Tree) -> None:
    """One part of a resource is planned alone, and left out alone; the keys beside the file that is chosen
    are not taken for foreign.
    """
    for name in ("home", "bin", "etc/sudoers.d", "etc/profile.d"):
        (tree.root / name).mkdir()
    tree.put("/bin/bash", "", 0o755)
    spec = tree.spec(USER)
    everything = planned(tree.plan(spec, "--json"))

    assert {"users.alice/sudo"} == planned(tree.plan(spec, "--json", "--target", "users.alice/sudo"))
    assert everything - {"users.alice/sudo"} == planned(
        tree.plan(spec, "--json", "--exclude", "users.alice/sudo")
    )
    assert 0 == tree.apply(spec, "--exclude", "users.alice/sudo").code
    assert not tree.path("/etc/sudoers.d/alice").exists()
    assert 0 == tree.apply(spec, "--target", "users.alice/sudo").code
    assert tree.path("/etc/sudoers.d/alice").exists()
    assert set() == planned(tree.plan(spec, "--json", "--target", "users.alice/ssh_keys"))
    tree.path("/etc/sudoers.d/alice").unlink()
    tree.path("/home/alice/.ssh/authorized_keys").chmod(0o644)
    assert 0 == tree.apply(spec, "--target", "users.alice/ssh_keys").code
    assert {"users.alice/sudo"} == planned(tree.plan(spec, "--json"))
    assert "alice@laptop" in tree.path("/home/alice/.ssh/authorized_keys").read_text()


def test_what_left_the_spec_can_be_chosen(tree: Tree) -> None:
    """An address that only the ledger knows can be a target, and be excluded."""
    tree.apply(tree.spec(SPEC))
    spec = tree.spec(SPEC.replace("  /etc/a", "  /etc/c"))

    assert {'files["/etc/a"]'} == planned(tree.plan(spec, "--json", "--target", 'files["/etc/a"]'))
    assert 0 == tree.apply(spec, "--exclude", 'files["/etc/a"]').code
    assert tree.path("/etc/a").exists()
    assert 0 == tree.apply(spec, "--target", 'files["/etc/a"]').code
    assert not tree.path("/etc/a").exists()


def test_drift_of_what_is_chosen(tree: Tree) -> None:
    """drift knows the same options."""
    tree.apply(tree.spec(SPEC))
    for name in ("a", "b"):
        tree.path(f"/etc/{name}").write_text("by hand\n")

    assert 2 == tree.drift(tree.spec(SPEC), D, "--target", 'files["/etc/a"]').code
    assert 0 == tree.drift(tree.spec(SPEC), D, "--exclude", "files").code


# ------------------------------------------------------------------------------------------------ commits


@pytest.fixture
def repository(tree: Tree) -> Repository:
    """A repository beside the tree."""
    return Repository(tree)


@pytest.mark.parametrize("revision", ["first", "HEAD~1", "second", "HEAD"])
def test_a_commit_is_read_not_the_work_tree(tree: Tree, repository: Repository, revision: str) -> None:
    """--commit applies what was committed, the files that the spec names included, whatever lies in the work
    tree.
    """
    name = {"first": repository.first, "second": repository.second}.get(revision, revision)
    text = "first" if revision in ("first", "HEAD~1") else "second"
    data = json.loads(tree.plan(repository.spec, "--commit", name, "--json").out)

    assert {"first": repository.first, "second": repository.second}[text] == data["spec"]["commit"]
    assert 0 == tree.apply(repository.spec, "--commit", name).code
    assert f"{text}\n" == tree.path("/etc/a").read_text()
    assert f"source {text}\n" == tree.path("/etc/b").read_text()
    assert 0 == run("validate", repository.spec, "--commit", name).code


def test_a_file_that_only_the_commit_has(tree: Tree, repository: Repository) -> None:
    """The work tree need not have the file any more, nor its folder."""
    repository.spec.unlink()
    repository.spec.parent.rmdir()

    assert 0 == tree.apply(repository.spec, "--commit", "HEAD").code
    assert "second\n" == tree.path("/etc/a").read_text()


@pytest.mark.parametrize("revision", ["nope", "--all", "-h", "HEAD:hosts/h1.yaml", "0" * 40, "a b", "HEAD\n"])
def test_revisions_that_are_none(tree: Tree, repository: Repository, revision: str) -> None:
    """A revision that is no commit is an error that says so; nothing is done."""
    before = tree.manifest()
    for command in ("validate", "plan", "apply", "drift"):
        root = () if command == "validate" else ("--root", tree.root)
        done = run(command, repository.spec, f"--commit={revision}", *root)

        assert 1 == done.code
        assert "is not a commit of" in done.said
    assert before == tree.manifest()


def test_commits_need_a_repository(tree: Tree) -> None:
    """--commit without a repository, or with standard input, is told."""
    assert "is not in a Git repository" in run("validate", tree.spec(SPEC), "--commit", "HEAD").said
    assert "standard input has no commits" in run("validate", "-", "--commit", "HEAD").said


def test_mistakes_in_a_commit_name_its_file(tree: Tree, repository: Repository) -> None:
    """The place is the path in the repository."""
    tree.spec("groups: {g: {gid: 0}}\n", "repo/hosts/h1.yaml")
    git(repository.folder, "commit", "--quiet", "-am", "bad")
    repository.write(tree, "good again")
    done = run("validate", repository.spec, "--commit", "HEAD")

    assert 1 == done.code
    assert "hosts/h1.yaml:3:19" in done.err


def test_an_older_commit_is_refused(tree: Tree, repository: Repository) -> None:
    """Going back is refused with both commits named, unless it is allowed by name; going forward is not."""
    assert 0 == tree.apply(repository.spec, "--commit", "HEAD").code
    before = tree.manifest()
    back = ("--commit", "HEAD~1")
    for done in (tree.plan(repository.spec, *back), tree.apply(repository.spec, *back)):
        assert 3 == done.code
        assert repository.first[:12] in done.said
        assert repository.second[:12] in done.said
        assert "--allow older-commit" in done.said
    assert _but_lock(before) == _but_lock(tree.manifest())
    assert 3 == tree.apply(repository.spec, *back, "--allow", "other-host").code
    assert 0 == tree.apply(repository.spec, *back, "--allow", "older-commit").code
    assert "first\n" == tree.path("/etc/a").read_text()
    assert 0 == tree.apply(repository.spec, "--commit", "HEAD").code


# ------------------------------------------------------------------------------------------------ guards


def _but_lock(manifest: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Without the lock, which says who held it last."""
    return {path: facts for path, facts in manifest.items() if not path.endswith("/lock")}


def _refused(tree: Tree, spec: Path, rule: str, *said: str) -> None:
    """plan and apply end with 3, say this, name the flag that overrides it, and change nothing; with the flag
    the plan is not refused.
    """
    before = tree.manifest()
    for done in (tree.plan(spec), tree.apply(spec), tree.apply(spec, "--json")):
        assert 3 == done.code, done.said
        for text in said:
            assert text in done.said
    assert _but_lock(before) == _but_lock(tree.manifest())
    assert f"--allow {rule}" in tree.plan(spec).said
    assert 0 == tree.plan(spec, "--allow", rule).code
    others = [
        f"--allow={name}"
        for name in ("other-host", "empty-spec", "many-destroyed", "older-commit")
        if name != rule
    ]
    assert 3 == tree.plan(spec, *others).code


def test_the_spec_of_another_host(tree: Tree) -> None:
    """The name in /etc/hostname decides; a tree without one belongs to nobody yet."""
    tree.put("/etc/hostname", "# ours\nh2\n")
    spec = tree.spec(SPEC)
    _refused(tree, spec, "other-host", "for host h1", "this is h2")

    assert not tree.state.exists()
    assert 0 == tree.apply(spec, "--allow", "other-host").code


def test_an_empty_spec(tree: Tree) -> None:
    """A spec that declares nothing would remove everything; before the first apply there is nothing to
    remove.
    """
    empty = tree.spec("", "empty.yaml")

    assert 0 == tree.apply(empty).code
    tree.apply(tree.spec(SPEC))
    _refused(tree, empty, "empty-spec", "4 objects")
    assert 0 == tree.apply(empty, "--allow", "empty-spec").code
    assert not tree.path("/etc/a").exists()


def _files(*numbers: int) -> str:
    return "groups: {g: {}}\nfiles:\n" + "".join(
        f'  /etc/f{n}: {{content: "{n}", mode: "0644"}}\n' for n in numbers
    )


@pytest.mark.parametrize(
    ("had", "left", "refused"),
    [
        (10, 6, True),
        (10, 7, False),
        (4, 1, False),
        (5, 1, True),
        (20, 14, False),
        (20, 13, True),
        (4, 0, True),
    ],
)
def test_many_destroyed(tree: Tree, had: int, left: int, refused: bool) -> None:
    """More than three and more than 30 % of a kind at once is refused, with the numbers."""
    tree.apply(tree.spec(_files(*range(had))))
    spec = tree.spec(_files(*range(left)) if left else "groups: {g: {}}\n")
    gone = had - left
    if refused:
        _refused(tree, spec, "many-destroyed", f"{gone} of {had} files ({gone / had:.0%})")
        assert 0 == tree.apply(spec, "--allow", "many-destroyed").code
    else:
        assert 0 == tree.apply(spec).code
    assert left == len(list(tree.path("/etc").glob("f*")))


@pytest.mark.parametrize(
    ("options", "words", "partial"),
    [
        (("--target", "services.s"), "only --target services.s", {"targets": ["services.s"], "excludes": []}),
        (("--exclude", "groups", "--target", "files"), "only --target files, without --exclude groups",
         {"targets": ["files"], "excludes": ["groups"]}),
    ],
)  # fmt: skip
def test_a_plan_of_a_part_says_so(
    tree: Tree, options: tuple[str, ...], words: str, partial: dict[str, list[str]]
) -> None:
    """In text, JSON, Markdown and when it is saved, with changes and without; it has nothing that anybody
    could approve.
    """
    spec, file = tree.spec(SPEC), tree.base / "plan.json"
    schema = Draft202012Validator(json.loads(run("schema", "plan").out))
    for _ in ("new", "applied"):
        shown = tree.plan(spec, *options, "--out", file)
        data = json.loads(tree.plan(spec, *options, "--json").out)

        assert f"Partial: {words}. The rest of the spec was not looked at; this is no approval." in shown.said
        assert "Your host matches the configuration" not in shown.out
        assert f"{file} is of a part of the spec: no approval" in shown.err
        assert (partial, "", None) == (data["partial"], data["approval_digest"], data.get("approval"))
        assert [] == list(schema.iter_errors(data))
        assert f":warning: Partial plan: `{words}`" in tree.plan(spec, *options, "--format", "markdown").out
        assert f"Partial: {words}." in run("show", file).out
        assert f"Partial: {words}." in tree.drift(spec, *options).out
        assert "Partial" not in tree.plan(spec).out
        assert json.loads(tree.plan(spec, "--json").out)["partial"] is None
        tree.apply(spec)


def test_a_part_of_a_removal_does_not_slip_through(tree: Tree) -> None:
    """The share is that of all that is ours, also when only some is chosen."""
    tree.apply(tree.spec(_files(*range(10))))
    spec = tree.spec("groups: {g: {}}\n")

    assert 3 == tree.apply(spec, "--target", "files").code
    assert 10 == len(list(tree.path("/etc").glob("f*")))


def test_what_was_disabled_is_not_protected_any_more(tree: Tree) -> None:
    """An account that left the spec with --unprotect and comes back without `protect` may leave it again."""
    tree.path("/home").mkdir()
    protected = tree.spec("users: {anna: {protect: true, shell: /usr/bin/true}}\n")
    plain = tree.base / "plain.yaml"
    plain.write_text("version: 1\nhost: h1\nusers: {anna: {comment: Anna, shell: /usr/bin/true}}\n")
    empty = tree.base / "empty.yaml"
    empty.write_text("version: 1\nhost: h1\n")

    assert 0 == tree.apply(protected).code
    assert 3 == tree.apply(empty, "--allow", "empty-spec").code
    assert 0 == tree.apply(empty, "--allow", "empty-spec", "--unprotect", "users.anna").code
    assert 0 == tree.apply(plain).code
    assert 0 == tree.apply(empty, "--allow", "empty-spec").code


def test_protection_outlives_its_block(tree: Tree) -> None:
    """A protected resource is not removed until `protect: false` was applied, or
    this once with --unprotect.
    """
    protected = SPEC.replace('content: "a\\n",', 'content: "a\\n", protect: true,')
    without = SPEC.replace('  /etc/a: {content: "a\\n", mode: "0644"}\n', "")
    tree.apply(tree.spec(protected))
    for spec in (tree.spec(without), tree.spec(SPEC.replace('"a\\n"', '"A\\n"'))):
        done = tree.apply(spec)
        refused = spec.read_text().count("/etc/a") == 0

        assert (3 if refused else 0) == done.code
    spec = tree.spec(without)
    before = tree.manifest()
    done = tree.apply(spec)
    assert 3 == done.code
    assert """--unprotect 'files["/etc/a"]'""" in done.said
    for options in (
        ("--unprotect", 'files["/etc/b"]'),
        ("--unprotect", "files"),
        ("--allow", "many-destroyed"),
        ("--adopt",),
    ):
        assert 3 == tree.apply(spec, *options).code
    assert _but_lock(before) == _but_lock(tree.manifest())
    assert 0 == tree.apply(spec, "--unprotect", 'files["/etc/a"]').code
    assert not tree.path("/etc/a").exists()


def test_protection_is_lifted_by_applying_it(tree: Tree) -> None:
    """`protect: false` that was applied lifts it."""
    tree.apply(tree.spec(SPEC.replace('content: "a\\n",', 'content: "a\\n", protect: true,')))
    tree.apply(tree.spec(SPEC.replace('content: "a\\n",', 'content: "a\\n", protect: false,')))

    assert 0 == tree.apply(tree.spec(SPEC.replace('  /etc/a: {content: "a\\n", mode: "0644"}\n', ""))).code
    assert not tree.path("/etc/a").exists()
