"""Where a spec's bytes come from: directory, Git commit, standard input."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reconciler.core.spec_source import SourceError, SourceReader
from reconciler.host.spec_source import git, source
from reconciler.host.spec_source.git import GitReader, Order, is_committed, order
from reconciler.host.spec_source.source import DirectoryReader, StdinReader
from reconciler.spec.load import load
from tests.spec.fakes import KINDS

SPEC = "version: 1\nhost: h\ninclude: [../profiles/p.yaml]\nlamps: {a: {path: /x, plan: files/p}}\n"
TREE = {"hosts/h.yaml": SPEC, "profiles/p.yaml": "teams: {t: {}}\n", "hosts/files/p": "P"}


def run_git(repo: Path, *arguments: str) -> str:
    """Run git in a repository, without the configuration of whoever runs the tests."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repo),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    identity = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "protocol.file.allow=always",
    ]
    done = subprocess.run(
        ["git", *identity, "-C", str(repo), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A spec in three files."""
    root = tmp_path / "ops"
    for name, text in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def repo(tree: Path) -> Path:
    """The same, committed."""
    run_git(tree, "init", "-q")
    run_git(tree, "add", ".")
    run_git(tree, "commit", "-q", "-m", "one")
    return tree


def refusal(reader: SourceReader, name: str) -> str:
    """The words with which a read is refused."""
    with pytest.raises(SourceError) as caught:
        reader.read(name)
    return str(caught.value)


class TestDirectory:
    """DirectoryReader."""

    def test_reads_a_spec_and_what_it_names(self, repo: Path) -> None:
        """The root is where `.git` is, so that files beside the spec's directory are inside."""
        reader = DirectoryReader(repo / "hosts/h.yaml")
        spec, found = load(reader, KINDS)

        assert [] == found
        assert spec is not None
        assert "hosts/h.yaml" == reader.entry
        assert {"hosts/h.yaml", "profiles/p.yaml", "hosts/files/p"} == set(spec.files)
        assert run_git(repo, "rev-parse", "HEAD") == spec.commit

    def test_without_git_the_root_is_the_directory_of_the_spec(self, tree: Path) -> None:
        """Then nothing above it is read, and there is no commit."""
        reader = DirectoryReader(tree / "hosts/h.yaml")
        _, found = load(reader, KINDS)

        assert ["h.yaml", ""] == [reader.entry, reader.commit]
        assert ["../profiles/p.yaml leads outside the spec's tree; keep the file inside."] == [
            item.detail for item in found
        ]

    def test_the_root_can_be_given(self, tree: Path) -> None:
        """A wider root lets includes reach further; a root that does not hold the spec is refused."""
        assert b"P" == DirectoryReader(tree / "hosts/h.yaml", tree).read("hosts/files/p")
        with pytest.raises(SourceError, match="is not below"):
            DirectoryReader(tree / "hosts/h.yaml", tree / "profiles")

    def test_names_are_shown_as_the_user_sees_them(self, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Relative to the working directory; absolute when the spec was named so and lies elsewhere."""
        monkeypatch.chdir(repo / "hosts")
        assert ["h.yaml", "../profiles/p.yaml"] == [
            DirectoryReader("h.yaml").display(name) for name in ("hosts/h.yaml", "profiles/p.yaml")
        ]
        assert "h.yaml" == DirectoryReader(repo / "hosts/h.yaml").display("hosts/h.yaml")

        monkeypatch.chdir("/")
        assert str(repo / "hosts/h.yaml").lstrip("/") == DirectoryReader(repo / "hosts/h.yaml").display(
            "hosts/h.yaml"
        )

        monkeypatch.chdir(repo / "profiles")
        assert str(repo / "hosts/h.yaml") == DirectoryReader(repo / "hosts/h.yaml").display("hosts/h.yaml")

    def test_what_is_not_a_regular_file_inside_is_refused(self, repo: Path) -> None:
        """Links, links in the path that lead outside, FIFOs, devices and
        directories; a FIFO does not block.
        """
        hosts = repo / "hosts"
        (repo.parent / "outside").mkdir()
        (repo.parent / "outside/secret").write_text("s")
        (hosts / "link").symlink_to("h.yaml")
        (hosts / "out").symlink_to(repo.parent / "outside")
        (hosts / "in").symlink_to("../profiles")
        (hosts / "loop").symlink_to("loop")
        os.mkfifo(hosts / "fifo")
        reader = DirectoryReader(hosts / "h.yaml")

        assert "symbolic link" in refusal(reader, "hosts/link")
        assert "leads outside" in refusal(reader, "hosts/out/secret")
        assert "not a regular file" in refusal(reader, "hosts/fifo")
        assert "not a regular file" in refusal(reader, "hosts/files")
        assert "does not exist; check the path" in refusal(reader, "hosts/none")
        assert "not a directory" in refusal(reader, "hosts/h.yaml/x")
        assert "symbolic link" in refusal(reader, "hosts/loop")
        assert "not a directory" in refusal(reader, "hosts/loop/x")
        assert "is not a file name" in refusal(reader, "hosts/a\0b")
        assert TREE["profiles/p.yaml"].encode() == reader.read("hosts/in/p.yaml")

    def test_a_spec_that_is_a_link_is_refused(self, repo: Path) -> None:
        """The entry is a file like any other."""
        (repo / "host.yaml").symlink_to("hosts/h.yaml")

        assert "Name the file itself" in refusal(DirectoryReader(repo / "host.yaml"), "host.yaml")

    def test_a_missing_or_unreadable_spec(self, tmp_path: Path) -> None:
        """The words say what to do."""
        reader = DirectoryReader(tmp_path / "none/h.yaml")

        assert "does not exist; check the path" in refusal(reader, reader.entry)

    def test_large_files_are_refused(self, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One byte more than the bound is too much; the bound itself is not."""
        monkeypatch.setattr(source, "MAX_BYTES", len(SPEC))
        reader = DirectoryReader(repo / "hosts/h.yaml")
        assert SPEC.encode() == reader.read("hosts/h.yaml")
        (repo / "hosts/h.yaml").write_text(SPEC + "\n")

        assert "MiB" in refusal(reader, "hosts/h.yaml")


class TestHead:
    """The commit of a work tree, from files alone."""

    def commit(self, root: Path) -> str:
        """The commit that DirectoryReader reads."""
        return DirectoryReader(root / "hosts/h.yaml").commit

    def test_loose_packed_and_detached(self, repo: Path) -> None:
        """However the ref is stored, it is what git says."""
        head = run_git(repo, "rev-parse", "HEAD")
        assert head == self.commit(repo)

        run_git(repo, "pack-refs", "--all")
        assert not (repo / ".git/refs/heads/main").exists()
        assert head == self.commit(repo)

        run_git(repo, "checkout", "-q", "--detach")
        assert head == self.commit(repo)

    def test_a_linked_work_tree(self, repo: Path) -> None:
        """Its `.git` is a file; its HEAD is its own, its refs are shared, packed or not."""
        run_git(repo, "worktree", "add", "-q", "-b", "side", "../side")
        run_git(repo, "commit", "-q", "--allow-empty", "-m", "two")
        side = repo.parent / "side"
        expected = run_git(side, "rev-parse", "HEAD")

        assert expected != run_git(repo, "rev-parse", "HEAD")
        assert expected == self.commit(side)
        run_git(repo, "pack-refs", "--all")
        assert expected == self.commit(side)

    @pytest.mark.parametrize(
        "head",
        [
            "",
            "ref: refs/heads/none",
            "ref: ../../etc/passwd",
            "ref: refs/../../x",
            "ref: refs/heads/loop",
            "g" * 40,
            "\xff",
            "x" * 70000,
        ],
    )
    def test_what_cannot_be_told_is_empty(self, repo: Path, head: str) -> None:
        """A damaged or unborn HEAD is no error: the commit is unknown."""
        (repo / ".git/refs/heads/loop").write_text("ref: refs/heads/loop\n")
        (repo / ".git/HEAD").write_bytes(head.encode("latin-1"))

        assert "" == self.commit(repo)

    def test_no_process_is_started(self, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Reading from a directory runs nothing."""

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a process was started")

        monkeypatch.setattr(subprocess, "Popen", refuse)

        assert load(DirectoryReader(repo / "hosts/h.yaml"), KINDS)[0] is not None


class TestGit:
    """GitReader."""

    def test_reads_the_commit_and_not_the_work_tree(self, repo: Path) -> None:
        """Neither changes in the work tree nor later commits are seen; the revision becomes a full id."""
        first = run_git(repo, "rev-parse", "HEAD")
        (repo / "hosts/h.yaml").write_text("changed")
        run_git(repo, "commit", "-q", "-a", "-m", "two")
        (repo / "profiles/p.yaml").unlink()

        with GitReader(repo, "HEAD~1", "hosts/h.yaml") as reader:
            spec, found = load(reader, KINDS)

        assert [] == found
        assert spec is not None
        assert (first, first) == (reader.commit, spec.commit)
        assert b"P" == spec.resources[0].sources["files/p"]

    def test_a_bare_repository_and_sha256(self, tree: Path, tmp_path: Path) -> None:
        """The reader needs no work tree and no particular hash."""
        run_git(tree, "init", "-q", "--object-format=sha256")
        run_git(tree, "add", ".")
        run_git(tree, "commit", "-q", "-m", "one")
        run_git(tmp_path, "clone", "-q", "--bare", str(tree), str(tmp_path / "bare.git"))

        with GitReader(tmp_path / "bare.git", "main", "hosts/h.yaml") as reader:
            assert 64 == len(reader.commit)
            assert b"P" == reader.read("hosts/files/p")

    def test_links_submodules_and_what_is_missing_are_refused(self, repo: Path) -> None:
        """By the mode in the tree; also in the middle of a path."""
        (repo / "hosts/link").symlink_to("h.yaml")
        (repo / "hosts/in").symlink_to("../profiles")
        run_git(repo, "add", ".")
        run_git(
            repo,
            "update-index",
            "--add",
            "--cacheinfo",
            f"160000,{run_git(repo, 'rev-parse', 'HEAD')},module",
        )
        run_git(repo, "commit", "-q", "-m", "links")

        with GitReader(repo, "HEAD", "hosts/h.yaml") as reader:
            assert "a symbolic link" in refusal(reader, "hosts/link")
            assert "does not exist in commit" in refusal(reader, "hosts/in/p.yaml")
            assert "a submodule" in refusal(reader, "module")
            assert "does not exist in commit" in refusal(reader, "module/x")
            assert "a directory" in refusal(reader, "hosts")
            assert "does not exist in commit" in refusal(reader, "none")
            assert "does not exist in commit" in refusal(reader, "hosts/h.yaml\nHEAD:hosts/files/p")

    def test_large_files_are_refused_and_reading_goes_on(
        self, repo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The size is known before the content: nothing of it is read, and the next file can be had."""
        (repo / "big").write_text("x" * 5000)
        run_git(repo, "add", ".")
        run_git(repo, "commit", "-q", "-m", "big")
        monkeypatch.setattr(git, "MAX_BYTES", 4000)

        with GitReader(repo, "HEAD", "hosts/h.yaml") as reader:
            assert "MiB" in refusal(reader, "big")
            assert b"P" == reader.read("hosts/files/p")

    @pytest.mark.parametrize(
        "revision", ["none", "", "-h", "--all", "HEAD:hosts", "HEAD^{tree}", "a\nb", "0" * 40]
    )
    def test_what_is_no_commit_is_refused(self, repo: Path, revision: str) -> None:
        """The words name the revision."""
        with pytest.raises(SourceError, match="is not a commit"):
            GitReader(repo, revision, "hosts/h.yaml")

    def test_what_is_no_repository_is_refused(self, tmp_path: Path) -> None:
        """The words name the directory."""
        with pytest.raises(SourceError, match="is not a Git repository"):
            GitReader(tmp_path, "HEAD", "h.yaml")
        with pytest.raises(SourceError, match="is not a directory"):
            GitReader(tmp_path / "none", "HEAD", "h.yaml")

    @pytest.mark.parametrize("path", ["/h.yaml", "../h.yaml", ".", ""])
    def test_paths_outside_the_repository_are_refused(self, repo: Path, path: str) -> None:
        """The spec is named from the top of the repository."""
        with pytest.raises(SourceError, match="from the top of the repository"):
            GitReader(repo, "HEAD", path)

    def test_nothing_of_the_repository_runs(self, repo: Path) -> None:
        """A file-system monitor, hooks, filters, an alias and a replacement object of the repository have no
        effect.
        """
        bait = repo / "ran"
        script = repo / "bait.sh"
        script.write_text(f"#!/bin/sh\ntouch {bait}\ncat\n")
        script.chmod(0o755)
        head = run_git(repo, "rev-parse", "HEAD:hosts/files/p")
        other = run_git(repo, "rev-parse", "HEAD:hosts/h.yaml")
        for key, value in {
            "core.fsmonitor": script,
            "core.hooksPath": repo,
            "filter.x.smudge": script,
            "core.pager": script,
            "alias.cat-file": f"!{script}",
        }.items():
            run_git(repo, "config", key, str(value))
        (repo / ".gitattributes").write_text("* filter=x\n")
        run_git(repo, "-c", "core.fsmonitor=false", "replace", head, other)
        bait.unlink(missing_ok=True)

        with GitReader(repo, "HEAD", "hosts/h.yaml") as reader:
            assert b"P" == reader.read("hosts/files/p")
        assert Order.NEWER is order(repo, reader.commit, reader.commit)
        assert not bait.exists()

    def test_git_of_the_callers_path_is_not_used(
        self, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The program is the system's, whatever PATH says."""
        fake = tmp_path / "bin/git"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(fake.parent))

        with GitReader(repo, "HEAD", "hosts/h.yaml") as reader:
            assert SPEC.encode() == reader.read("hosts/h.yaml")

    def test_a_repository_with_holes(self, repo: Path) -> None:
        """A missing object is said, with what to do; the reader goes on."""
        blob = run_git(repo, "rev-parse", "HEAD:hosts/files/p")
        (repo / ".git/objects" / blob[:2] / blob[2:]).unlink()

        with GitReader(repo, "HEAD", "hosts/h.yaml") as reader:
            assert "lacks object" in refusal(reader, "hosts/files/p")
            assert SPEC.encode() == reader.read("hosts/h.yaml")

    def test_a_closed_reader_leaves_no_process(self, repo: Path) -> None:
        """After close the git process is gone and waited for."""
        reader = GitReader(repo, "HEAD", "hosts/h.yaml")
        reader.read("hosts/h.yaml")
        process = reader._objects._process
        assert process is not None
        reader.close()

        assert process.returncode is not None


class TestCommitted:
    """is_committed, with what a DirectoryReader has read."""

    @pytest.mark.parametrize("form", ["sha1", "sha256"])
    def test_both_forms_of_ids(self, tree: Path, form: str) -> None:
        """A commit has what was committed, and not what was written, or added, since."""
        run_git(tree, "init", "-q", f"--object-format={form}")
        run_git(tree, "add", ".")
        run_git(tree, "commit", "-q", "-m", "one")
        answers = []
        for change in (None, "hosts/files/p", "hosts/h.yaml"):
            if change:
                (tree / change).write_bytes(b"other")
                run_git(tree, "add", ".")
            reader = DirectoryReader(tree / "hosts/h.yaml")
            for name in ("hosts/h.yaml", "hosts/files/p"):
                reader.read(name)
            answers.append(is_committed(reader.root, reader.commit, reader.contents))
            run_git(tree, "reset", "-q", "--hard")

        assert [True, False, False] == answers

    def test_a_directory_that_is_a_link(self, repo: Path) -> None:
        """A file is compared under the name that Git has for it; a file that the commit does not have is not
        in it.
        """
        (repo / "hosts/link").symlink_to("files")
        run_git(repo, "add", ".")
        run_git(repo, "commit", "-q", "-m", "a link")
        reader = DirectoryReader(repo / "hosts/h.yaml")
        reader.read("hosts/link/p")

        assert is_committed(repo, reader.commit, reader.contents)
        assert is_committed(repo, reader.commit, {"hosts/none": b""}) is False

    def test_what_cannot_be_told_is_none(self, repo: Path, tmp_path: Path) -> None:
        """No repository, and a commit that it does not have."""
        commit = run_git(repo, "rev-parse", "HEAD")

        assert is_committed(tmp_path, commit, {"a": b""}) is None
        assert is_committed(repo, "0" * 40, {"a": b""}) is None


class TestOrder:
    """order."""

    def test_the_order_of_commits(self, repo: Path) -> None:
        """Older means a strict ancestor; a commit of another branch, or one that the repository does not
        have, is apart.
        """
        first = run_git(repo, "rev-parse", "HEAD")
        run_git(repo, "commit", "-q", "--allow-empty", "-m", "two")
        second = run_git(repo, "rev-parse", "HEAD")
        run_git(repo, "checkout", "-q", "-b", "side", first)
        run_git(repo, "commit", "-q", "--allow-empty", "-m", "three")
        side = run_git(repo, "rev-parse", "HEAD")

        assert [Order.OLDER, Order.NEWER, Order.NEWER, Order.APART, Order.APART] == [
            order(repo, *pair)
            for pair in ((first, second), (second, first), (first, first), (second, side), (first, "0" * 40))
        ]

    def test_what_cannot_be_told_is_none(self, repo: Path, tmp_path: Path) -> None:
        """An unknown commit to begin with, no repository, no full ids, and a history that was cut off."""
        first = run_git(repo, "rev-parse", "HEAD")
        run_git(repo, "commit", "-q", "--allow-empty", "-m", "two")
        second = run_git(repo, "rev-parse", "HEAD")
        run_git(repo, "branch", "first", first)
        run_git(repo, "commit", "-q", "--allow-empty", "-m", "three")
        third = run_git(repo, "rev-parse", "HEAD")
        run_git(
            tmp_path,
            "clone",
            "-q",
            "--depth",
            "1",
            "--no-single-branch",
            f"file://{repo}",
            str(tmp_path / "shallow"),
        )

        assert order(repo, "0" * 40, first) is None
        assert order(repo, "0" * 40, "0" * 40) is None
        assert order(repo, "HEAD", second) is None
        assert order(repo, "", second) is None
        assert order(tmp_path / "none", first, second) is None
        assert Order.OLDER is order(repo, first, third)
        assert order(tmp_path / "shallow", first, third) is None


class TestStdin:
    """StdinReader."""

    def test_a_spec_from_standard_input(self) -> None:
        """It is one file, shown as <stdin>, and can name no others."""
        spec, found = load(StdinReader(b"version: 1\nhost: h\n"), KINDS)
        assert [] == found
        assert spec is not None

        _, found = load(StdinReader(SPEC.encode()), KINDS)
        assert ["<stdin>:3", "<stdin>:4"] == [str(item.source) for item in found]
        assert all(
            "a spec on standard input names no other files" in item.detail or "leads outside" in item.detail
            for item in found
        )

    def test_large_input_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The bound of files holds here too."""
        monkeypatch.setattr(source, "MAX_BYTES", 10)

        assert "more than" in refusal(StdinReader(b"x" * 11), "<stdin>")
