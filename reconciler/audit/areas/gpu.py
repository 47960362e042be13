"""GPUs: who can open the devices, and what model servers let in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.audit.areas.network import public_listeners, socket_of
from reconciler.audit.areas.processes import hidden_owner, processes
from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, Severity
from reconciler.audit.registry import check
from reconciler.core.host import FileType
from reconciler.formats.audit.network import Listener
from reconciler.formats.audit.processes import parse_processes

_DIRECTORIES = ("/dev", "/dev/dri", "/dev/nvidia-caps")
_DEVICE = re.compile(r"/dev/(?:nvidia(?:[0-9]+|ctl|-modeset)|kfd|dri/(?:card|renderD)[0-9]+|nvidia-caps/.+)")
"""Without /dev/nvidia-uvm: nvidia-modprobe makes it for everybody whatever the options of the driver are, and
nothing computes by it without the others.
"""
_MPS = "/tmp/nvidia-mps"  # noqa: S108  # looked at, not written
_PERSISTENCED = "nvidia-persistenced"
_RUNS_CODE = "whoever reaches it runs programs as its account"
_USES_MODELS = "whoever reaches it uses the models and the GPUs, most often without a key"
_RISKS: Mapping[str, str] = {
    "jupyter": _RUNS_CODE,
    "raylet": f"Ray asks for no password: {_RUNS_CODE}",
    "mlflow": "MLflow asks for no password: whoever reaches it reads and replaces models",
    "ollama": "Ollama asks for no password: whoever reaches it uses, pulls and deletes models",
    "sglang": _USES_MODELS,
    "tensorboard": "whoever reaches it reads what was logged of the training",
    "tritonserver": f"{_USES_MODELS}, and may load others",
    "vllm": _USES_MODELS,
    "dcgm-exporter": "whoever reaches it reads what the GPUs do",
    "nv-hostengine": "DCGM asks for no password: whoever reaches it changes the settings of the GPUs",
}
_NAMES: Mapping[str, str] = {
    "jupyter-lab": "jupyter",
    "jupyter-noteboo": "jupyter",
    "gcs_server": "raylet",
    **{name[:15]: name for name in _RISKS},
}
"""Servers by the name of a process, which the kernel cuts after 15 characters."""
_PORTS: Mapping[int, str] = {6006: "tensorboard", 8265: "raylet", 8888: "jupyter", 11434: "ollama"}
"""Ports that hardly anything else uses: for a container the process is Docker's own."""


@check(
    "gpu-devices",
    severity=Severity.LOW,
    title="Not every account opens the GPUs",
    rationale=(
        "Every service that is broken into computes there, fills the memory of your models, and reaches a"
        " large driver of the kernel. NVIDIA's driver lets everybody in unless it is told otherwise."
    ),
    remediation=(
        "For NVIDIA write `options nvidia NVreg_DeviceFileUID=0 NVreg_DeviceFileGID=GID"
        " NVreg_DeviceFileMode=0660` to a file in /etc/modprobe.d, with the number of a group (video, render)"
        " of those who compute, and load the driver anew; for others a rule of udev: GROUP=render, MODE=0660."
    ),
)
def gpus_are_for_some(facts: Facts) -> Iterator[Finding]:
    """The modes of the devices of NVIDIA's and AMD's drivers, and of /dev/dri."""
    paths = [f"{directory}/{name}" for directory in _DIRECTORIES for name in facts.names(directory)]
    for path in filter(_DEVICE.fullmatch, paths):
        entry = facts.entry(path)
        is_device = entry is not None and entry.type not in (FileType.LINK, FileType.DIRECTORY)
        if entry is not None and is_device and int(entry.mode, 8) & 0o002:
            yield Fail(path, "at most 0660", f"{entry.mode} {entry.owner}:{entry.group}", path)


@check(
    "gpu-persistenced",
    severity=Severity.LOW,
    title="nvidia-persistenced does not stay root",
    rationale="It keeps the driver loaded and needs no right for that after its start.",
    remediation="Start it with --user and an account of the system's, by a drop-in of its unit.",
    needs=(RUNNING,),
)
def persistenced_is_not_root(facts: Facts) -> Iterator[Finding]:
    """The account of the process nvidia-persistenced."""
    for process in processes(facts):
        if process.uid == 0 and process.name == _PERSISTENCED[:15]:
            yield Fail(_PERSISTENCED, "an account of its own", "root", "ps")


@check(
    "gpu-mps",
    severity=Severity.MEDIUM,
    title="The place of NVIDIA's MPS belongs to root",
    rationale=(
        "The CUDA programs of all accounts look there for the process that computes for them. Whoever makes"
        " the place first answers them, or keeps them from the GPU."
    ),
    remediation=(
        "Start the MPS of an account with CUDA_MPS_PIPE_DIRECTORY set to a place of its own, or let root make"
        " the place at start-up, by a line of tmpfiles.d: `d /tmp/nvidia-mps 0755 root root`."
    ),
)
def mps_is_of_root(facts: Facts) -> Iterator[Finding]:
    """The owner of the directory in which MPS has its sockets unless it is told otherwise.

    Whether everybody writes there is asked of all directories.
    """
    entry = facts.entry(_MPS)
    if entry is not None and (entry.owner != "root" or entry.type is not FileType.DIRECTORY):
        actual = f"{entry.type.value} of {entry.owner}"
        yield Fail(_MPS, "no such path, or a directory of root", actual, _MPS)


@check(
    "model-server-open",
    severity=Severity.HIGH,
    title="No server of models or notebooks is open to the network unless it is declared",
    rationale=(
        "They are made for a trusted network: most ask for no password, and some run whatever is sent to"
        " them. Others search for them, for the GPUs alone."
    ),
    remediation=(
        "Bind it to 127.0.0.1 and reach it by SSH (-L) or behind a proxy that asks who it is; where others"
        " shall reach it, declare the port (audit: allow: ports) and give it a key (--api-key, a password)."
    ),
    needs=(RUNNING, "ss"),
)
def model_servers_are_closed(facts: Facts) -> Iterator[Finding]:
    """Public sockets of Jupyter, Ray, vLLM, SGLang, Triton, Ollama, MLflow, TensorBoard and DCGM."""
    allowed = facts.intent.ports | set(facts.policy.ports)
    public = [item for item in public_listeners(facts) if (item.protocol, item.port) not in allowed]
    serving = {process.pid: process.serves for process in facts.parsed("processes", parse_processes)}
    servers: dict[str, str] = {}
    for item in public:
        servers[socket_of(item)] = server = _server(item, serving)
        hidden = None if server else hidden_owner(facts, item)
        if hidden is not None:
            yield hidden
    for socket, server in servers.items():
        if server:
            yield Fail(
                socket, "a declared port, or a local address", f"{server}: {_RISKS[server]}", "ss -tlnp"
            )


def _server(listener: Listener, serving: Mapping[int, str]) -> str:
    """The server behind a socket, by the name of its process, by its command line, or by the port where a
    container publishes it; empty for another.
    """
    server = _NAMES.get(listener.process) or serving.get(listener.pid, "")
    return server or (_PORTS.get(listener.port, "") if listener.protocol == "tcp" else "")
