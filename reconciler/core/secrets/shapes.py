"""Shapes in which secrets stand where no name says so, one table for each kind: options of programs, lines of
files, addresses, names.

Data for `masking`. Each expression takes time in proportion to the length of a line: possessive, or with a
bound on what it repeats.
"""

from __future__ import annotations

import re

from reconciler.core.basics.lazy_regex import Late

Options = dict[str, str]
"""Options of a program whose value is a secret, each with the text that parts the secret from a name before
it.

`+`: the value follows without a blank only. `|`: another program follows the value, with options of its own.
"""

_PROGRAMS: tuple[tuple[str, Options], ...] = (
    ("curl", {"-u": ":", "-U": ":", "--user": ":", "--proxy-user": ":"}),
    ("ab", {"-A": ":", "-P": ":"}),
    ("http https xh", {"-a": "", "--auth": ""}),
    (
        (
            "mysql mysqldump mysqladmin mysqlcheck mysqlimport mysqlshow mysqlbinlog mysqlpump mysqlslap"
            " mysqlsh mydumper"
        ),
        {"-p": "+"},
    ),
    (
        (
            "mariadb mariadb-dump mariadb-admin mariadb-check mariadb-import mariadb-show mariadb-backup"
            " mariabackup xtrabackup"
        ),
        {"-p": "+"},
    ),
    ("7z 7za 7zr 7zz rar unrar", {"-p": "+", "-hp": "+"}),
    ("sshpass", {"-p": "|"}),
    ("mongo mongosh mongodump mongorestore mongoexport mongoimport cqlsh cypher-shell", {"-p": ""}),
    ("login", {"-p": ""}),  # docker, podman, helm and their like have it as a word of its own
    ("redis-cli valkey-cli", {"-a": ""}),
    ("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldapcompare ldapmodrdn", {"-w": ""}),
    ("ldappasswd", {"-w": "", "-s": "", "-a": ""}),
    ("zip unzip zipcloak ipmitool sqlcmd bcp mosquitto_pub mosquitto_sub mosquitto_rr", {"-P": ""}),
    ("smbclient rpcclient smbget smbcacls net winexe", {"-U": "%", "--user": "%"}),
    ("lftp", {"-u": ","}),
    ("snmpget snmpwalk snmpbulkwalk snmpset snmptrap", {"-c": "", "-A": "", "-X": ""}),
    ("xfreerdp xfreerdp3 wlfreerdp", {"/p:": "+"}),
)
PROGRAMS: dict[str, Options] = {name: options for names, options in _PROGRAMS for name in names.split()}
SEPARATORS = frozenset(("|", "||", "&&", ";", "&", "do", "then", "else"))
"""Words after which a shell runs another program."""

LAST_WORDS = frozenset(
    (
        *(
            "auth",
            "pass",
            "passin",
            "passout",
            "requirepass",
            "masterauth",
            "bindpw",
            "rootpw",
            "pwd",
            "pat",
            "psk",
        ),
        *("cred", "creds", "credential", "credentials"),
        *("pw", "passcode"),
        # written in one word with what they are for
        *(f"{what}pass" for what in ("pg", "db", "my", "sql", "smtp", "mail", "imap", "ftp", "http", "user")),
        *(f"{what}pass" for what in ("admin", "root", "ldap", "redis", "mqtt", "vnc", "ssh", "proxy", "key")),
    )
)
"""Last words of names of secrets. Many other words begin with them: they count only as a word of their own.
"""
NOT_NAMES = frozenset(
    (
        "PWD",
        "OLDPWD",
        "LoadCredential",
        "LoadCredentialEncrypted",
        "ImportCredential",
        "SetCredential",
        "SetCredentialEncrypted",
    )
)
"""Names with such a last word that hold a path, or are judged in another way."""
SECRET_KEYS = frozenset(
    (
        "signing",
        "encryption",
        "encrypt",
        "master",
        "deploy",
        "hmac",
        "shared",
        "preshared",
        "fernet",
        "jwt",
        "aes",
        "account",
        "storage",
    )
)
"""Words before `key` that make every value a secret; with others the form of the value decides."""
OPEN_KEYS = frozenset(
    (
        *(
            "public",
            "pub",
            "gpg",
            "pgp",
            "apt",
            "host",
            "primary",
            "foreign",
            "unique",
            "row",
            "column",
            "index",
            "partition",
            "sort",
            "order",
        ),
        *(
            "group",
            "cache",
            "hash",
            "map",
            "object",
            "header",
            "lookup",
            "search",
            "routing",
            "dedup",
            "compose",
            "hot",
            "sys",
            "meta",
            "any",
        ),
        *("shift", "ctrl", "alt"),
    )
)
"""Words before `key` that make it the key of a table or a keyboard, or a public one."""
KEY = Late(
    r"""["']?(?!/|(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-|SHA256:|sha256:)(?=\D{0,60}[0-9])(?=[^A-Za-z]{0,60}[A-Za-z])[^\s"',;]{12,}"""
)
"""The shape of a value that is a key."""
METHODS = Late(
    r"""["']?(?:anonymous|basic|bearer|cert(?:ificate)?|clear|digest|exop|external|file|gssapi|internal|jwt|kerberos|key|krb5|ldap|local"""
    r"""|login|md5|none|ntlm|oauth2?|oidc|open|optional|pam|passw(?:or)?d|peer|plain|psk"""
    r"""|radius|required?|saml|scram-sha-\d+|session"""
    r"""|sha-?\d+|shared|sql|ssl|static|tls|token|trust|x509|\d{1,3}|\$\(pwd\)|`pwd`)"""
    r"""["']?[,;}\])]*[ \t]*(?:(?<=[ \t])\#.*)?""",
    re.IGNORECASE,
)
"""Values of a password's name that name a way to authenticate, or count a pass."""

_WORD = r"""(?P<secret>"[^"\n]++"|'[^'\n]++'|[^\s"']++)"""
_TAIL = r"""(?P<secret>(?:[^\s"'<>\\]|\\(?!["']))++)"""


def _shape(words: str, *expression: str) -> tuple[tuple[str, ...], Late]:
    return tuple(words.split()), Late("".join(expression), re.IGNORECASE)


SHAPES = (
    # files in which a blank or a colon parts a name from its value: netrc, pgpass, redis, haproxy,
    # keepalived, wpa_supplicant, snmpd
    _shape(
        "machine default",
        r"\b(?:machine[ \t]++\S++|default)[ \t]++(?:(?:login|account)[ \t]++\S++[ \t]++){0,3}password[ \t]++",
        _WORD,
    ),
    _shape("login", r"\blogin[ \t]++\S++[ \t]++password[ \t]++", _WORD),
    _shape(
        ":",
        r"""(?<![^\s"'])[^:\s"'#/]++:(?:\*|[0-9]{1,5}):[^:\s"']++:[^:\s"']++:(?P<secret>(?:[^:\s"'\\]|\\.)++)(?=["']|\s|$)""",
    ),
    _shape(
        "pass secret token psk auth pw",
        r"^[ \t]*+(?!(?:proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass)(?:[a-z]++[\w-]*?[_-])?"
        r"(?:(?<=[_-])passwd|password|pass|psk|secret|token|requirepass|masterauth|(?:bind|root)_?pw)",
        rf"[ \t]++{_WORD}[ \t]*+;?$",
    ),
    _shape("auth-pass auth-user", r"\bauth-(?:pass|user)[ \t]++\S++[ \t]++", _WORD),
    _shape("user", r"^[ \t]*+user[ \t]++\S++[ \t]++(?:[^\s>]\S*+[ \t]++){0,20}>(?P<secret>\S++)"),
    _shape("password", r"\buser[ \t]++\S++[ \t]++(?:insecure-)?password[ \t]++", _WORD),
    _shape("stats", r"\bstats[ \t]++auth[ \t]++[^\s:]++:(?P<secret>\S++)"),
    _shape("community", r"^[ \t]*+r[ow]community6?[ \t]++", _WORD),
    _shape(
        "identified password",
        r"\b(?:identified[ \t]++(?:with[ \t]++\S++[ \t]++)?by|password)[ \t]++'(?!\\')(?P<secret>[^'\n]++)'",
    ),
    # commands that take a secret as a word among others
    _shape(
        "htpasswd",
        r"\bhtpasswd[ \t]++(?:-\S++[ \t]++){0,9}?-\w*?b\w*+[ \t]++(?:-\S++[ \t]++){0,9}+\S++[ \t]++\S++["
        r" \t]++",
        _WORD,
    ),
    _shape(
        "chpasswd",
        r"""\b(?:echo|printf)[ \t]++(?:-\w++[ \t]++)?["']?[a-z_][\w.-]*+:(?P<secret>[^\s"'|\\]++)""",
        r"(?=[^|\n]{0,9}\|[ \t]*+(?:[^\s|]{1,40}[ \t]++)?(?:/usr)?(?:/sbin/)?chpasswd)",
    ),
    _shape(
        "|",
        r"""\b(?:echo|printf)[ \t]++(?:-\w++[ \t]++)?(?:["']?%s(?:\\n)?["']?[ \t]++)?""",
        r"""(?P<secret>"[^"\n]++"|'[^'\n]++'|[^\s"'|]++)""",
        r"(?=[ \t]*+\|[^|\n]{0,80}?(?:--password-stdin|--with-token|--stdin|--passphrase-fd"
        r"|\bsudo[^|\n]{0,40}?[ ](?-i:-S)\b))",
    ),
    _shape("wandb", r"\bwandb[ \t]++login[ \t]++(?:--\S++[ \t]++){0,5}", _WORD),
    _shape("vault", r"""\bvault[ \t]++login[ \t]++(?P<secret>[\w.]{8,}+)(?=["']|\s|$)"""),
    _shape("configure", r"\bconfigure[ \t]++set[ \t]++\S*?(?:secret_access_key|session_token)[ \t]++", _WORD),
    _shape("pass:", r"""(?<=["'\s])-pass(?:in|out)?["',]*[ \t]++["']?pass:(?P<secret>[^\s"']++)"""),
    # addresses that are a secret, or have one in them
    _shape("hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/", _TAIL),
    _shape("/webhooks/", r"discord(?:app)?\.com/api/(?:v[0-9]++/)?webhooks/", _TAIL),
    _shape("office.com/webhook office365.com/webhook", r"\boffice(?:365)?\.com/webhook(?:b2)?/", _TAIL),
    _shape("hooks.zapier.com", r"hooks\.zapier\.com/hooks/catch/", _TAIL),
    _shape("maker.ifttt.com", r"maker\.ifttt\.com/(?:trigger/[^/\s]++/)?(?:json/)?(?:with/key|use)/", _TAIL),
    _shape("api.telegram.org", r"api\.telegram\.org/(?:file/)?bot", _TAIL),
    _shape(
        "? &",
        r"[?&](?:amp;)?(?:(?:[\w.-]*?[_.-])?(?:key|token|sig|signature|auth|pass|pwd|password|passwd|secret|credential)|apikey|accesskey)",
        r"""\\?=(?P<secret>(?:[^&\s"'#<>\\]|\\(?!["']))++)""",
    ),
    _shape("://", r"""://(?P<secret>(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{24,}+)@"""),
    _shape("@tcp @unix", r"""(?<![^\s"'=])[^\s:@/"'=]++:(?P<secret>[^\s@"']{1,200}+)@(?:tcp|unix)\("""),
    # keys of AWS: the number of one, with what belongs to it; headers without a colon
    _shape(
        "akia asia",
        r"(?<![A-Za-z0-9])(?P<secret>(?-i:AKIA|ASIA)(?-i:[0-9A-Z]{12,})",
        r"""(?:["']?[ \t]*+[:,;=/ \t][ \t]*+["']?[A-Za-z0-9+/=]{30,})?)""",
    ),
    _shape(
        "uthorization",
        r"""uthorization["']?[ \t]++["']?(?:basic|token|digest|apikey)[ \t]++(?P<secret>[^\s"';]++)""",
    ),
    _shape("bearer", r"""(?<![A-Za-z])bearer\\?[:=][ \t]*+(?P<secret>[^\s"']++)"""),
)
"""The shapes. Every line of a shape has one of the words before it; the group `secret` is hidden."""
LEADS = (
    *(
        " -",
        '"-',
        "'-",
        " /p:",
        "pass",
        "auth",
        "pwd",
        "pat",
        "psk",
        "cred",
        "pw ",
        "pw\t",
        "pw=",
        "pw:",
        "wandb login",
        "vault login",
        "@tcp",
        "@unix",
        "hook",
        "ifttt",
        "telegram",
    ),
    *("community", "identified", "akia", "asia"),
)
"""Texts one of which is in every text with a secret in a shape, but for the few that `plain.is_plain` tests
itself.
"""
