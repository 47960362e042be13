"""status, explain and graph: what they say, in text and as data, and that they change nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, Tree, run

SPEC = """\
groups:
  ml: {gid: 2000}
directories:
  /srv/ml: {mode: "0750", group: ml}
files:
  /srv/ml/api.conf: {content: "port = 8000\\n", mode: "0640", group: ml}
services:
  api: {exec_start: [/usr/bin/true, --config, /srv/ml/api.conf], group: ml, watch: [/srv/ml/api.conf]}
"""
CONF = 'files["/srv/ml/api.conf"]'
ODD = """\
directories:
  /srv/a b: {mode: "0755"}
files:
  '/srv/a b/\\ #<c>&d;`e`': {content: "x\\n", mode: "0600"}
"""


def look(tree: Tree, command: str, *arguments: object) -> Done:
    """One of the commands on this tree."""
    return run(command, *arguments, "--root", tree.root)


def data(done: Done) -> Any:
    """The JSON that a command printed."""
    assert (0, "") == (done.code, done.err)
    return json.loads(done.out)


def status(tree: Tree, spec: Path, *options: object) -> Any:
    """The data of `status --json`."""
    return data(look(tree, "status", spec, "--json", *options))


# ---------------------------------------------------------------------------------------------------- status


def test_status_before_the_first_apply(tree: Tree) -> None:
    """Nothing is managed, nothing was applied, everything is to do; and nothing is
    made, not even our state.
    """
    spec = tree.spec(SPEC)
    before = tree.manifest()
    said = look(tree, "status", spec)

    assert 0 == said.code
    assert said.out.startswith(
        "Host h1: 0 objects under management\n  last apply  never\n  to do       4 changes\n    + "
        " groups.ml\n"
    )
    assert said.out.endswith(
        "Next: reconciler plan to see it, reconciler apply to do it. ! was changed outside of the spec.\n"
    )
    assert 2 == look(tree, "status", spec, "--detailed-exitcode").code
    assert before == tree.manifest()


def test_status_of_a_converged_host(tree: Tree) -> None:
    """How many objects, which run, when, and that there is nothing to do."""
    spec = tree.spec(SPEC)
    tree.apply(spec)
    said, found = look(tree, "status", spec), status(tree, spec)

    assert re.fullmatch(
        r"Host h1: 4 objects under management\n  last apply  run 1, applied, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        r" UTC\n\nNothing to do\.\n",
        said.out,
    )
    assert (True, True, 4, [], []) == tuple(
        found[key] for key in ("healthy", "complete", "managed", "pending", "owed")
    )
    assert (1, "applied") == (found["last_run"]["run"], found["last_run"]["status"])
    assert 0 == look(tree, "status", spec, "--detailed-exitcode").code


def test_status_tells_drift_from_intent(tree: Tree) -> None:
    """A resource that somebody changed by hand is marked, one that only the spec changes is not."""
    tree.apply(tree.spec(SPEC))
    tree.path("/srv/ml/api.conf").write_text("port = 1\n")
    spec = tree.spec(SPEC.replace("--config", "--conf"))
    said, found = look(tree, "status", spec), status(tree, spec)

    assert f"  to do       2 changes\n    ~! {CONF}\n    ~  services.api\n" in said.out
    assert [CONF] == found["drift"]
    assert [("update", "drift"), ("update", "spec_changed")] == [
        (row["change"], row["origin"]) for row in found["pending"]
    ]
    assert not found["healthy"]


def test_status_of_what_left_the_spec(tree: Tree) -> None:
    """Resources that an apply would remove, and those that it would only forget, have their signs."""
    tree.apply(tree.spec(SPEC))
    tree.path("/srv/ml/api.conf").write_text("mine\n")
    spec = tree.spec(SPEC.partition("files:")[0])

    assert f"    -  services.api\n    .  {CONF}\n" in look(tree, "status", spec).out


def test_status_names_problems(tree: Tree) -> None:
    """A spec that a guard would refuse is told as a problem, with where to read more; the state of the host
    is told all the same.
    """
    tree.apply(tree.spec(SPEC))
    spec = tree.spec("groups: {}\n")
    said, found = look(tree, "status", spec), status(tree, spec)

    assert "  problems    spec declares nothing\n" in said.out
    assert "Next: reconciler plan, which tells what is wrong and where.\n" in said.out
    assert (["spec declares nothing"], False) == (found["problems"], found["healthy"])


def test_status_of_a_failed_run(tree: Tree) -> None:
    """The last apply is told as what it was."""
    tree.put("/srv/ml", "in the way\n")
    assert 6 == tree.apply(tree.spec(SPEC), "--adopt").code
    found = status(tree, tree.spec(SPEC))

    assert "applied" != found["last_run"]["status"]
    assert not found["healthy"]


def test_status_of_a_damaged_state(tree: Tree) -> None:
    """A ledger that does not verify is told, with the reason."""
    spec = tree.spec(SPEC)
    tree.apply(spec)
    (tree.state / "witness").write_bytes(b"")
    said = look(tree, "status", spec)

    assert "  damaged     " in said.out
    assert status(tree, spec)["damaged"]


# ---------------------------------------------------------------------------------------------------- explain


def test_explain_what_is_not_there_yet(tree: Tree) -> None:
    """Every field as declared, what it needs, and what apply would do."""
    said = look(tree, "explain", "services.api", tree.spec(SPEC))

    assert 0 == said.code
    assert said.out.startswith(
        f"services.api  # {tree.base}/host.yaml:10\n  needs: groups.ml, {CONF}, directories["
    )
    assert "  services.api: not there yet; not ours yet\n" in said.out
    assert "    + unit.Service.ExecStart  /usr/bin/true --config /srv/ml/api.conf\n" in said.out
    assert (
        "  Apply would:\n    write /etc/systemd/system/api.service\n    link"
        " /etc/systemd/system/multi-user.target.wants/" in said.out
    )


def test_explain_what_is_as_declared(tree: Tree) -> None:
    """Nothing to mark, nothing to do, and who needs it."""
    spec = tree.spec(SPEC)
    tree.apply(spec)
    said = look(tree, "explain", CONF, spec)

    assert "  needed by: services.api\n" in said.out
    assert f"  {CONF}: as declared; ours, made by us\n" in said.out
    assert "\n    !" not in said.out
    assert "Apply would" not in said.out


def test_explain_drift_and_intent(tree: Tree) -> None:
    """The declared, the applied and the observed value are told apart, field by field."""
    tree.apply(tree.spec(SPEC))
    tree.path("/srv/ml/api.conf").chmod(0o644)
    spec = tree.spec(SPEC.replace("--config", "--conf"))
    drifted, changed = look(tree, "explain", CONF, spec), look(tree, "explain", "services.api", spec)

    assert f"  {CONF}: changed on the host by hand; ours, made by us\n" in drifted.out
    assert re.search(r"^    ! mode +declared 0640, applied 0640, observed 0644$", drifted.out, re.MULTILINE)
    assert "  services.api: not as declared; ours, made by us\n" in changed.out
    assert "declared /usr/bin/true --conf /srv/ml/api.conf, applied /usr/bin/true --config" in changed.out


def test_explain_what_left_the_spec_and_what_was_there_before(tree: Tree) -> None:
    """The ledger knows what the spec does not, and the host what neither made."""
    tree.apply(tree.spec(SPEC))
    tree.put("/srv/other", "foreign\n")
    spec = tree.spec(
        SPEC.replace("services:", "  /srv/other: {content: x, mode: '0600'}\nservices:").replace(
            "ml: {gid: 2000}", "ml: {}"
        )
    )
    other = look(tree, "explain", 'files["/srv/other"]', spec)
    gone = look(tree, "explain", "services.api", tree.spec(SPEC.partition("services:")[0]))

    assert 'files["/srv/other"]: exists, is not ours, and differs; not ours yet' in other.out
    assert "  Blocked:\n    exists and is not ours; --adopt takes it over\n" in other.out
    assert gone.out.startswith("services.api  # not in the spec\n")
    assert "  services.api: not in the spec; ours, made by us\n" in gone.out
    assert "    remove /etc/systemd/system/api.service\n" in gone.out


def test_explain_a_part(tree: Tree) -> None:
    """A resource shows all its parts, a part only itself; a retired user says why."""
    users = "users:\n  alice: {aliases: {gpu: nvidia-smi}}\n"
    for name in ("etc/profile.d", "home", "bin"):
        (tree.root / name).mkdir()
    tree.put("/bin/bash", "", 0o755)
    spec = tree.spec(users)
    whole, part = (
        data(look(tree, "explain", address, spec, "--json"))
        for address in ("users.alice", "users.alice/profile")
    )

    assert ["users.alice", "users.alice/home", "users.alice/profile"] == [
        found["address"] for found in whole["parts"]
    ]
    assert ["users.alice/profile"] == [found["address"] for found in part["parts"]]
    tree.apply(spec)
    gone = look(tree, "explain", "users.alice", tree.spec("groups: {ml: {}}\n"))
    assert (
        "users.alice: not as declared (no longer in the spec: disabled, data kept); ours, made by us"
        in gone.out
    )


def test_explain_as_data(tree: Tree) -> None:
    """The three documents, the origin and the steps are there for programs."""
    tree.apply(tree.spec(SPEC))
    tree.path("/srv/ml/api.conf").chmod(0o644)
    found = data(look(tree, "explain", CONF, tree.spec(SPEC), "--json"))
    (part,) = found["parts"]

    assert (CONF, ["services.api"]) == (found["address"], found["needed_by"])
    assert ["0640", "0640", "0644"] == [part[key]["mode"] for key in ("declared", "applied", "observed")]
    assert ("drift", True, True, False) == (
        part["origin"],
        part["ours"],
        part["made_by_us"],
        part["protected"],
    )
    assert [("SetAccess", "0640")] == [(step["action"], step["mode"]) for step in found["steps"]]


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("services.nothing", 1, "no such resource, neither in the spec nor in the ledger: services.nothing"),
        ("nothing", 64, "'nothing' is not an address; write services.NAME or files[\"/path\"]"),
        ("files./srv/x", 64, "is not an address"),
    ],
)
def test_explain_what_nobody_knows(tree: Tree, address: str, code: int, words: str) -> None:
    """An address that cannot be meant is told from one that nobody knows."""
    done = look(tree, "explain", address, tree.spec(SPEC))

    assert (code, "") == (done.code, done.out)
    assert words in done.err


@pytest.mark.parametrize("command", [("status",), ("explain", "services.api"), ("explain", CONF)])
def test_they_change_nothing(tree: Tree, command: tuple[str, ...]) -> None:
    """Not a byte, not an inode, not a time."""
    spec = tree.spec(SPEC)
    tree.apply(spec)
    tree.path("/srv/ml/api.conf").chmod(0o600)
    before = tree.manifest()

    assert 0 == look(tree, *command, spec).code
    assert before == tree.manifest()


@pytest.mark.parametrize("command", [("status",), ("explain", "services.api"), ("graph",)])
def test_a_bad_spec_is_an_error(tree: Tree, command: tuple[str, ...]) -> None:
    """Its mistakes are told as `validate` tells them."""
    done = run(*command, tree.spec("services: {api: {}}\n"))

    assert (1, "") == (done.code, done.out)
    assert "host.yaml:3:12" in done.err


# ---------------------------------------------------------------------------------------------------- graph

QUOTED = r'"((?:[^"\\]|\\.)*)"'


def read_dot(text: str) -> tuple[list[str], set[tuple[str, str]]]:
    """Nodes and edges of a DOT graph; anything else in it fails. Strings are as graphviz shows them."""
    lines = text.splitlines()
    assert ["digraph spec {", "  rankdir=LR;", "  node [shape=box];"] == lines[:3]
    assert "}" == lines[-1]
    nodes, edges = [], set()
    for line in lines[3:-1]:
        found = re.fullmatch(rf"  {QUOTED}(?: -> {QUOTED})?;", line)
        assert found, line
        names = [re.sub(r"\\(.)", r"\1", name) for name in found.groups() if name is not None]
        if len(names) == 1:
            nodes += names
        else:
            edges.add((names[0], names[1]))
    return nodes, edges


def read_mermaid(text: str) -> tuple[list[str], set[tuple[str, str]]]:
    """The same of a Mermaid flowchart, with its entities resolved."""
    entities = {"quot": '"', "lt": "<", "gt": ">", "amp": "&", "35": "#"}
    lines = text.splitlines()
    assert "flowchart LR" == lines[0]
    names: dict[str, str] = {}
    edges = set()
    for line in lines[1:]:
        if node := re.fullmatch(r'  (n\d+)\["([^"<>]*)"\]', line):
            names[node[1]] = re.sub(r"#(\w+);", lambda found: entities[found[1]], node[2])
        else:
            edge = re.fullmatch(r"  (n\d+) --> (n\d+)", line)
            assert edge, line
            edges.add((names[edge[1]], names[edge[2]]))
    return list(names.values()), edges


READERS = {"dot": read_dot, "mermaid": read_mermaid}


@pytest.mark.parametrize("form", READERS)
def test_graph(tree: Tree, form: str) -> None:
    """Every resource is a node, and an arrow leads to each that has to be there first."""
    done = run("graph", tree.spec(SPEC), "--format", form)
    directory = 'directories["/srv/ml"]'

    assert (0, "") == (done.code, done.err)
    assert (
        ["groups.ml", directory, CONF, "services.api"],
        {
            (directory, "groups.ml"),
            (CONF, "groups.ml"),
            (CONF, directory),
            ("services.api", "groups.ml"),
            ("services.api", CONF),
            ("services.api", directory),
        },
    ) == READERS[form](done.out)


@pytest.mark.parametrize("form", READERS)
def test_graph_of_odd_names(tree: Tree, form: str) -> None:
    """Whatever a path has in it, it is one node with that name, and no language's own sign."""
    done = run("graph", tree.spec(ODD), "--format", form)
    odd, above = r'files["/srv/a b/\\ #<c>&d;`e`"]', 'directories["/srv/a b"]'

    assert (0, "") == (done.code, done.err)
    assert ([above, odd], {(odd, above)}) == READERS[form](done.out)


def test_graph_is_dot_unless_said_otherwise(tree: Tree) -> None:
    """Graphviz is what a shell has; a spec of nothing is an empty graph."""
    spec = tree.spec(SPEC)

    assert run("graph", spec, "--format", "dot").out == run("graph", spec).out
    assert ([], set()) == read_dot(run("graph", tree.spec("groups: {}\n")).out)
    assert 64 == run("graph", spec, "--format", "svg").code


def test_the_graph_of_the_whole_host_has_no_circle(tree: Tree) -> None:
    """All that the example refers to is declared in it, and can be put in an order."""
    nodes, edges = read_dot(run("graph", Path(__file__).parents[2] / "examples/ml-host.yaml").out)
    left = set(nodes)
    while free := {node for node in left if not any(a == node and b in left for a, b in edges)}:
        left -= free

    assert set() == left
    assert {"users.ml-user", 'directories["/opt/ml/jupyter"]'} <= {
        b for a, b in edges if a == "services.jupyter"
    }
    assert ("logrotate.ml-api", "users.ml-user") in edges
