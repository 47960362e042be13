"""Faults of GPUs: the hosts of the tests have none, but nodes and processes of these names."""

from tests.audit.planted import Fault

PLANTED = {
    # nvidia-modprobe makes nvidia-uvm for everybody, whatever it is told.
    "gpu-devices": Fault(
        "mknod /dev/nvidia0 c 1 3; chmod 0666 /dev/nvidia0",
        "/dev/nvidia0",
        before="mknod -m 0666 /dev/nvidia-uvm c 1 3",
    ),
    "gpu-mps": Fault(
        "useradd computing; install -d -o computing -m 0755 /tmp/nvidia-mps",
        "/tmp/nvidia-mps",
        before="install -d -m 0755 /tmp/nvidia-mps",
    ),
    "gpu-persistenced": Fault(
        "cp /bin/sleep /usr/bin/nvidia-persistenced\n"
        "systemd-run --quiet --service-type=exec /usr/bin/nvidia-persistenced 600",
        "nvidia-persistenced",
    ),
    "model-server-open": Fault(
        "mkdir -p /opt/models/vllm; printf '%s\\n' 'import http.server'"
        " 'http.server.test(port=8000, bind=\"0.0.0.0\")' > /opt/models/vllm/__main__.py\n"
        "systemd-run --quiet --working-directory=/opt/models python3 -m vllm\n"
        "for i in $(seq 50); do ss -Htln | grep -q :8000 && break; sleep 0.1; done",
        "tcp 0.0.0.0:8000",
    ),
}
