"""Directives of unit files that take several values (systemd.unit(5))."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEVER_RESET = _names("""
    Requires Requisite Wants BindsTo BindTo Upholds Conflicts Before After OnSuccess OnFailure
    PropagatesReloadTo PropagateReloadTo ReloadPropagatedFrom PropagateReloadFrom PropagatesStopTo
    StopPropagatedFrom PartOf JoinsNamespaceOf RequiresOverridable RequisiteOverridable RequiresMountsFor
    WantsMountsFor Sockets Also
    """)
"""Dependencies, which can only be added: systemd ignores an empty assignment to them (systemd.unit(5))."""

ACCUMULATING = NEVER_RESET | _names("""
    Documentation Alias WantedBy RequiredBy UpheldBy ExecCondition ExecStartPre ExecStart ExecStartPost
    ExecReload ExecStop ExecStopPre ExecStopPost RestartPreventExitStatus RestartForceExitStatus
    SuccessExitStatus OpenFile ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenNetlink
    ListenSpecial ListenMessageQueue ListenUSBFunction Symlinks OnCalendar OnActiveSec OnBootSec OnStartupSec
    OnUnitActiveSec OnUnitInactiveSec PathExists PathExistsGlob PathChanged PathModified DirectoryNotEmpty
    Environment EnvironmentFile PassEnvironment UnsetEnvironment LoadCredential LoadCredentialEncrypted
    SetCredential SetCredentialEncrypted ImportCredential SupplementaryGroups RuntimeDirectory StateDirectory
    CacheDirectory LogsDirectory ConfigurationDirectory ReadWritePaths ReadOnlyPaths InaccessiblePaths
    ReadWriteDirectories ReadOnlyDirectories InaccessibleDirectories ExecPaths NoExecPaths ExecSearchPath
    BindPaths BindReadOnlyPaths TemporaryFileSystem RootImageOptions ExtensionDirectories ExtensionImages
    MountImages SystemCallFilter SystemCallArchitectures SystemCallLog RestrictNamespaces
    RestrictAddressFamilies RestrictFileSystems CapabilityBoundingSet AmbientCapabilities CPUAffinity NUMAMask
    CoredumpFilter StandardInputText StandardInputData LogExtraFields LogFilterPatterns DeviceAllow
    IODeviceWeight IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax
    IODeviceLatencyTargetSec BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth AllowedCPUs
    StartupAllowedCPUs AllowedMemoryNodes StartupAllowedMemoryNodes Delegate DisableControllers IPAddressAllow
    IPAddressDeny IPIngressFilterPath IPEgressFilterPath BPFProgram SocketBindAllow SocketBindDeny
    RestrictNetworkInterfaces NFTSet
    """)
"""Directives whose assignments add up; Condition* and Assert* do too.

For every other one that systemd knows, the last assignment counts.
"""
