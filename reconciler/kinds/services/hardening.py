"""The sandboxing sets of `hardening:`: plain lists of directives of systemd.exec(5), which change no file.

`basic` breaks no ordinary service: it takes away rights that a service never needs. `strict` also makes the
file system read-only except for the directories that systemd manages for the service (`StateDirectory=` and
the like) and those of `ReadWritePaths=`, hides the homes, and leaves only the usual system calls. Neither
forbids writable and executable memory: CUDA and JITs need it.
"""

from __future__ import annotations

from collections.abc import Mapping

BASIC: Mapping[str, str] = {
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "ProtectSystem": "full",
    "ProtectControlGroups": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
}

STRICT: Mapping[str, str] = {
    **BASIC,
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "DevicePolicy": "closed",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "UMask": "0027",
}

SETS: Mapping[str, Mapping[str, str]] = {"none": {}, "basic": BASIC, "strict": STRICT}
