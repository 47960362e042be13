"""There is no other way to write: what can change a file stands in the functions listed here, each with its
reason.
"""

from __future__ import annotations

import pytest

from tests.faults.writing import Effect, effects, effects_of

pytestmark = pytest.mark.slow

BENEATH = {
    # Objects that a spec asks for. The walk to the directory is safe_path's: each component by openat(O_NOFOLLOW), as
    # HomeRoot also by its owner.
    "host.files.path_actions": (
        "_write_temporary _mkdir make_directory _make_whole _make_link _change _change_all _open_for_access"
        " _remove_parent"
    ),
    "host.files.remove_path": "_prune_parent",
    "host.files.publish": "_replace take_out",
    "host.files.renameat2": "rename_new",
    "host.files.dir_entry": "Place.unlink",
    "host.files.homes.skeleton": "_Copy._copy_entry _Copy._clear _Copy._file",
    "host.files.ownership": (
        "KernelOwnership.hold KernelOwnership.change KernelOwnership.own_link RecordedOwnership.hold"
    ),
    "host.files.xattrs": "copy_attributes",
    # Our own state, in a directory that is opened without following and must belong to us, 0700.
    "host.state.files": "make_state_directory _make replace_small make_private move_aside",
    "host.state.lock": "_open _write",
    "host.state.job_lock": "job_lock",
    "host.state.report_files": "report_lock _publish",
    "host.state.job_records": "records_lock",
    "host.state.owed_hooks": "remove_owed",
    # Homes that go: taken apart from their own descriptor downwards; their archives are in a directory of
    # ours, 0700.
    "host.files.homes.whole_trees": "remove_tree _write _archives _take_apart _move_up restore_tree",
    # Archives: the destination is walked by safe_path, and refused when others may write to it.
    "host.archives.private_directory": "Directory.create Directory.replace Directory.remove _open",
    "host.archives.snapshot_store": "working_copy",
    # A directory to unpack into: walked by safe_path, and nobody else can enter it until the end.
    "host.archives.restore_target": (
        "restore_target _make _closed_to_others inner_directory as_on_the_host as_recorded clear_attributes"
    ),
    "host.archives.scratch": "scratch",
    # Below /var/tmp, under a new name that only we can remove.
    "host.archives.stream_directory": "_make",
    # An archive that its caller has open.
    "host.archives.tar": "empty",
    # Files that are put back in place: each component by openat(O_NOFOLLOW), and no entry that was not seen before.
    "host.archives.replace_files": (
        "Scratch.__init__ Scratch.remove Scratch.remove_if_empty _time_kept _Work._directories _State.give _forget"
    ),
    # Reads: its flags are O_RDONLY, put together by the function.
    "host.spec_source.source": "_directory",
    # By path in BY_PATH; here what they do to the file they have open.
    "host.documents": "save_private",
    "host.spec_source.spec_file": "rewrite",
    "host.validators.logrotate": "_put",
    "host.validators.unit_files": "_stage",
    "host.systemd.unit_exposure": "_put",
    # A file without a name, in memory.
    "host.validators.strict_readers": "_logrotate",
}
"""Functions that change a file beneath a directory that is open, or one that is open itself."""

BY_PATH = {
    ("host.files.xattrs", "copy_attributes"): "setxattr on an open file: the name is a number",
    ("host.files.xattrs", "_try_to_set"): "likewise",
    ("host.files.xattrs", "set_attributes"): "likewise",
    ("host.files.xattrs", "set_capability"): "likewise",
    (
        "host.accounts.locks",
        "remove_stale_locks",
    ): "/etc/NAME.lock of the account tools, where only root can put anything",
    ("host.accounts.locks", "_pwd_lock"): "/etc/.pwd.lock, as lckpwdf(3) takes it",
    (
        "host.process.failpoints",
        "_Environment.note",
    ): "the log that a test names, and only under RECONCILER_TESTING=1",
    ("host.files.homes.whole_trees", "_unpack"): "syncfs, of a directory that is open",
    ("host.files.homes.as_user", "_Child._become"): "prctl: nothing is written",
    ("host.files.homes.as_user", "_close_all_but"): "/dev/null",
    ("host.files.renameat2", "_function"): "renameat2, which is only called with a directory's descriptor",
    ("host.process.streams", "Output._give_up"): "/dev/null",
    ("host.process.streams", "_open_missing"): "/dev/null",
    (
        "host.state.files",
        "_make",
    ): "the state directory itself, and its parents if missing: fixed, below /var/lib",
    ("host.spec_source.source", "_directory"): "O_RDONLY: where a spec's relative path begins",
    (
        "host.files.ownership",
        "RecordedOwnership._write",
    ): "an ordinary user's own record, beside their tree: never as root",
    ("host.files.ownership", "RecordedOwnership._compact"): "likewise",
    ("host.documents", "save_new"): "a spec that somebody imports, where they say, O_EXCL",
    (
        "host.spec_source.spec_file",
        "rewrite",
    ): "the spec that `service create` and `backup create` are told to extend",
    ("host.validators.logrotate", "_stage"): "a directory of ours below /run, 0700, thrown away afterwards",
    ("host.validators.logrotate", "_put"): "in that directory",
    (
        "host.archives.restore_target",
        "clear_attributes",
    ): "removexattr on an open directory: the name is a number",
    ("host.archives.remote.spool", "spool"): "a file without a name",
    ("host.archives.replace_files", "Scratch.remove"): "below a directory of root's, 0700, that is open",
    ("host.archives.replace_files", "_forget"): "likewise",
    ("host.archives.replace_files", "_State.give_time"): "utime of an open directory",
    ("host.validators.unit_files", "_stage"): "a directory of ours below /run, 0700, thrown away afterwards",
    ("host.systemd.unit_exposure", "of_texts"): "likewise; of an ordinary user, below the directory for such",
    ("host.systemd.unit_exposure", "_put"): "in that directory",
    ("host.scan.child", "give_way"): "ioprio_set of this process, which Python does not have",
}
"""Functions that name what they change by its path, with the reason why no user can
put anything in its way.
"""


def _allowed(effect: Effect) -> bool:
    if effect.held:
        return effect.function in BENEATH.get(effect.module, "").split()
    return (effect.module, effect.function) in BY_PATH


def test_there_is_no_other_way_to_write() -> None:
    """Whatever can change a file is where it is listed, in the whole package."""
    strange = [
        f"{effect.module}:{effect.line} {effect.function}: {effect.call}"
        for effect in effects()
        if not _allowed(effect)
    ]

    assert [] == strange


def test_the_lists_have_nothing_that_is_gone() -> None:
    """A function that no longer changes a file may not begin to do so again unseen."""
    found = effects()
    held = {(effect.module, effect.function) for effect in found if effect.held}
    by_path = {(effect.module, effect.function) for effect in found if not effect.held}

    assert {
        (module, function) for module, functions in BENEATH.items() for function in functions.split()
    } == held
    assert set(BY_PATH) == by_path


@pytest.mark.parametrize(
    "planted",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, how)",
        "io.open(path, 'x')",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "os.open(path, flags)",
        "os.open(path, _NEW)",
        "os.rename(one, other)",
        "os.replace(one, other)",
        "os.unlink(path)",
        "os.chmod(path, 0o777)",
        "os.lchown(path, 0, 0)",
        "os.symlink(one, other)",
        "os.truncate(path, 0)",
        "shutil.copy(one, other)",
        "tempfile.NamedTemporaryFile()",
        "ctypes.CDLL(None).rename(one, other)",
        "Path(path).write_text('x')",
        "path.touch()",
        "from os import unlink",
        "from shutil import copy",
    ],
)
def test_a_planted_write_is_found(planted: str) -> None:
    """Each way to write is seen, in a function, a method or at the top, and belongs to no list."""
    source = (
        "import os\n_MORE = os.O_CREAT\n_NEW = os.O_WRONLY | _MORE\nclass A:\n    def write_file(self):\n   "
        f"     {planted}\n"
    )
    found = effects_of(source, "host.files.path_actions")

    assert found
    assert not any(_allowed(effect) for effect in found)
    assert "A.write_file" == found[0].function


def test_looking_is_no_writing() -> None:
    """A call that only reads is passed over."""
    source = (
        "open(p)\nopen(p, 'rb')\nos.open(p, os.O_RDONLY |"
        " os.O_NOFOLLOW)\nos.stat(p)\nos.listdir(p)\nre.sub(a, b, c)\n"
    )

    assert [] == effects_of(source, "host.files.files")


def test_holding_is_seen() -> None:
    """By path and beneath an open directory are told apart: what may do the one may not do the other."""
    beneath = effects_of(
        "def take_out(place):\n    os.rmdir(place.name, dir_fd=place.fd)", "host.files.publish"
    )
    by_path = effects_of("def take_out(place):\n    os.rmdir(place.path)", "host.files.publish")

    assert [True] == [_allowed(effect) for effect in beneath]
    assert [False] == [_allowed(effect) for effect in by_path]
