"""The keywords of sshd_config(5), OpenSSH 8.4 to 10, and the values of some. sshd itself is the judge."""

from __future__ import annotations

ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
}
"""Old names that still mean the same."""

KNOWN = frozenset(
    """
        acceptenv addressfamily afstokenpassing allowagentforwarding allowgroups allowstreamlocalforwarding
        allowtcpforwarding allowusers authenticationmethods authorizedkeyscommand authorizedkeyscommanduser
        authorizedkeysfile authorizedkeysfile2 authorizedprincipalscommand authorizedprincipalscommanduser
        authorizedprincipalsfile banner casignaturealgorithms channeltimeout checkmail chrootdirectory ciphers
        clientalivecountmax clientaliveinterval compression debianbanner denygroups denyusers
        disableforwarding dsaauthentication exposeauthinfo fingerprinthash forcecommand gatewayports
        gssapiauthentication gssapicleanupcredentials gssapienablek5users gssapikexalgorithms
        gssapikeyexchange gssapistorecredentialsonrekey gssapistrictacceptorcheck hostbasedacceptedalgorithms
        hostbasedauthentication hostbasedusesnamefrompacketonly hostcertificate hostdsakey hostkey
        hostkeyagent hostkeyalgorithms ignorerhosts ignoreuserknownhosts include ipqos
        kbdinteractiveauthentication keepalive kerberosauthentication kerberosgetafstoken
        kerberosorlocalpasswd kerberostgtpassing kerberosticketcleanup kerberosuniqueccache kerberosusekuserok
        kexalgorithms keyregenerationinterval listenaddress logingracetime loglevel logverbose macs match
        maxauthtries maxsessions maxstartups modulifile pamservicename passwordauthentication
        permitemptypasswords permitlisten permitopen permitrootlogin permittty permittunnel
        permituserenvironment permituserrc persourcemaxstartups persourcenetblocksize persourcepenalties
        persourcepenaltyexemptlist pidfile port printlastlog printmotd protocol pubkeyacceptedalgorithms
        pubkeyauthentication pubkeyauthoptions rdomain refuseconnection rekeylimit requiredrsasize
        reversemappingcheck revokedkeys rhostsauthentication rhostsrsaauthentication rsaauthentication
        rsaminsize securitykeyprovider serverkeybits setenv sshdauthpath sshdsessionpath streamlocalbindmask
        streamlocalbindunlink strictmodes subsystem syslogfacility tcpkeepalive trustedusercakeys
        unusedconnectiontimeout usedns uselogin usepam useprivilegeseparation verifyreversemapping
        versionaddendum x11displayoffset x11forwarding x11uselocalhost xauthlocation
        """.split()  # noqa: SIM905  # a table of words
)
"""The keywords with which sshd starts, also those that it ignores with a warning."""

OUTSIDE_ONLY = frozenset(
    """
        addressfamily ciphers compression hostkey kexalgorithms listenaddress logingracetime macs maxstartups
        permituserenvironment pidfile port printlastlog printmotd strictmodes syslogfacility tcpkeepalive
        usedns usepam
        """.split()  # noqa: SIM905  # as above
)
"""Keywords that no version allows in a Match block."""

LISTS = frozenset(("allowusers", "denyusers", "allowgroups", "denygroups"))
"""Keywords whose arguments accumulate over their lines."""

_FLAG = frozenset(("yes", "no"))
CHOICES = {
    "permitrootlogin": frozenset(
        ("yes", "no", "prohibit-password", "without-password", "forced-commands-only")
    ),
    **dict.fromkeys(
        (
            "pubkeyauthentication",
            "passwordauthentication",
            "kbdinteractiveauthentication",
            "strictmodes",
            "usepam",
            "permitemptypasswords",
        ),
        _FLAG,
    ),
}
"""The valid values of keywords, in lower case."""

ONE_VALUE = frozenset(
    (
        *CHOICES,
        "pubkeyacceptedalgorithms",
        "chrootdirectory",
        "revokedkeys",
        "trustedusercakeys",
        "requiredrsasize",
    )
)

DECISIVE = (
    LISTS
    | frozenset(CHOICES)
    | frozenset(
        """
            authenticationmethods authorizedkeysfile chrootdirectory forcecommand include match
            pubkeyacceptedalgorithms requiredrsasize refuseconnection revokedkeys trustedusercakeys
            maxsessions maxauthtries persourcemaxstartups logingracetime usedns port listenaddress
            """.split()  # noqa: SIM905  # as above
    )
)
"""Keywords that decide who can log in with a key: a snapshot keeps their lines of a file."""

KEY_ALGORITHMS = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""The default of PubkeyAcceptedAlgorithms."""
OTHER_ALGORITHMS = ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "ssh-dss", "ssh-dss-cert-v01@openssh.com")
"""Algorithms that sshd accepts only if PubkeyAcceptedAlgorithms names them."""


def accepted(value: str) -> frozenset[str]:
    """The algorithms that a value of PubkeyAcceptedAlgorithms leaves: patterns, or `+`, `-`, `^` and some to
    change the default.
    """
    from fnmatch import fnmatchcase

    sign, names = (value[0], value[1:]) if value[:1] in "+-^" and value else ("", value)
    patterns = [name for name in names.split(",") if name]
    every = (*KEY_ALGORITHMS, *OTHER_ALGORITHMS)
    named = frozenset(name for name in every if any(fnmatchcase(name, pattern) for pattern in patterns))
    if not value:
        return frozenset(KEY_ALGORITHMS)
    if sign == "-":
        return frozenset(KEY_ALGORITHMS) - named
    return frozenset(KEY_ALGORITHMS) | named if sign else named
