"""Containers and GPUs, on values: no host of the tests has either."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.formats.audit.containers import parse_containers
from tests.audit.facts import facts
from tests.audit.test_processes import process


def container(**fields: Any) -> str:
    """A container that is confined, but for what the test says, as docker inspect prints it."""
    plain = {"name": "/web", "privileged": False, "capabilities": None, "pid": "", "mounts": []}
    return json.dumps(plain | fields) + "\n"


def bind(source: str, *, writes: bool) -> dict[str, Any]:
    """A mount of a path of the host."""
    return {"Type": "bind", "Source": source, "Destination": "/x", "Mode": "", "RW": writes}


@pytest.mark.parametrize(
    ("check", "fields", "fails"),
    [
        ("container-privileged", {}, False),
        ("container-privileged", {"privileged": True}, True),
        ("container-privileged", {"capabilities": ["CAP_SYS_ADMIN"]}, True),
        ("container-privileged", {"capabilities": ["NET_BIND_SERVICE"]}, False),
        ("container-privileged", {"pid": "host"}, True),
        ("container-mounts", {"mounts": [bind("/srv/models", writes=True)]}, False),
        ("container-mounts", {"mounts": [bind("/", writes=False)]}, True),
        ("container-mounts", {"mounts": [bind("/usr", writes=False)]}, False),
        ("container-mounts", {"mounts": [bind("/etc", writes=False)]}, True),
        ("container-mounts", {"mounts": [bind("/var/run/docker.sock", writes=False)]}, True),
        ("container-mounts", {"mounts": [{"Type": "volume", "Source": "/", "RW": True}]}, False),
    ],
)
def test_a_container_is_judged_by_what_it_may_do(check: str, fields: dict[str, Any], fails: bool) -> None:
    """A socket of a daemon counts read-only too; a volume is Docker's own directory."""
    (result,) = run(chosen([check]), facts({"docker-containers": container(**fields)}))

    assert result.status is (Status.FAIL if fails else Status.PASS)


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"name": 1}'])
def test_an_inspection_that_is_not_understood_is_no_answer(text: str) -> None:
    """Another form is unknown: no container passes by it."""
    with pytest.raises(ValueError, match=r"understood|Expecting"):
        parse_containers(text)


_SOCKET = 'tcp LISTEN 0 5 {0}:{1} *:* users:(("{2}",pid={3},fd=3))\n'


@pytest.mark.parametrize(
    ("address", "name", "serves", "object_"),
    [
        ("0.0.0.0", "python3", "vllm", "tcp 0.0.0.0:8000"),  # noqa: S104
        ("127.0.0.1", "python3", "vllm", ""),
        ("*", "ollama", "", "tcp *:8000"),
        ("[::]", "jupyter-noteboo", "", "tcp [::]:8000"),
        ("*", "python3", "", ""),
    ],
)
def test_a_model_server_is_told_by_its_process(address: str, name: str, serves: str, object_: str) -> None:
    """The kernel cuts names after 15 characters; a program of Python is told by its command line."""
    answers = {
        "listeners": _SOCKET.format(address, 8000, name, 9),
        "processes": json.dumps([process(pid=9, name=name, serves=serves)]),
    }
    (result,) = run(chosen(["model-server-open"]), facts(answers))

    assert result.object == object_
    assert result.status is (Status.FAIL if object_ else Status.PASS)


@pytest.mark.parametrize(
    ("address", "port", "name", "fails"),
    [
        ("127.0.0.1", 2375, "dockerd", True),
        ("*", 2375, "", True),
        ("*", 2376, "dockerd", False),
        ("*", 4243, "dockerd", True),
        ("*", 4243, "docker-proxy", False),
    ],
)
def test_the_interface_of_docker_is_told_by_port_and_by_process(
    address: str, port: int, name: str, fails: bool
) -> None:
    """A published port of a container is docker-proxy's, and no interface of Docker."""
    answers = {"listeners": _SOCKET.format(address, port, name, 9)}
    (result,) = run(chosen(["docker-api"]), facts(answers))

    assert result.status is (Status.FAIL if fails else Status.PASS)
