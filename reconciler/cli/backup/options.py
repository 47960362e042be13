"""The arguments and options of `reconciler backup`, and a set of them that two commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.core.basics.frozen import frozen

Name = Annotated[str, typer.Argument(metavar="NAME", help="The backup job.")]
MaybeName = Annotated[
    str,
    typer.Argument(metavar="[NAME]", help="The backup job; all of them when left out.", show_default=False),
]
_AT = "An archive by its id, or the newest up to this time (2026-11-23T02:00, UTC). Default: the newest."
At = Annotated[str, typer.Option("--at", metavar="ID|TIME", help=_AT)]
_TO = "A new or empty directory; - writes one file to standard output."
To = Annotated[str, typer.Option("--to", metavar="DIR", help=_TO, show_default=False)]
_DECRYPT = "The file with a private key of age or SSH, for archives that are encrypted."
DecryptWith = Annotated[
    str, typer.Option("--decrypt-with", metavar="FILE", help=_DECRYPT, show_default=False)
]
_FROM = "Read this destination, whose job this host need not have."
From = Annotated[str, typer.Option("--from", metavar="DESTINATION", help=_FROM, show_default=False)]
_JOB = "With --from: the job, if the destination has archives of several."
JobOption = Annotated[str, typer.Option("--job", metavar="NAME", help=_JOB, show_default=False)]
MaybeJob = Annotated[
    str,
    typer.Argument(metavar="[NAME]", help="The backup job; may be left out with --from.", show_default=False),
]
_PATHS = "Only these, written as they were on the host; all when left out."
Paths = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help=_PATHS, show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every archive, not only one.")]
Compare = Annotated[bool, typer.Option("--compare", help="Also compare with the files as they are now.")]
_TAKE_OVER = "Agree to nothing but this: archives of another machine are this one's from now on."
TakeOver = Annotated[bool, typer.Option("--take-over", help=_TAKE_OVER)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="The directory or file to back up.")]
Destination = Annotated[
    str, typer.Argument(metavar="DESTINATION", help="The directory of root's that archives go to.")
]
Schedule = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help='When: "0 2 * * *", "daily" or "Mon..Fri 02:00".')
]
NewName = Annotated[
    str,
    typer.Option("--name", metavar="NAME", help="Default: the last name of the source.", show_default=False),
]
_IN_PLACE = "Put files back where they were, after a list and a question. Needs root."
InPlace = Annotated[bool, typer.Option("--in-place", help=_IN_PLACE)]
_DELETE = "With --in-place: what the archive does not have is taken away as well."
Delete = Annotated[bool, typer.Option("--delete", help=_DELETE)]
DryRestore = Annotated[bool, typer.Option("--dry-run", help="With --in-place: only show what would change.")]
AutoApprove = Annotated[bool, typer.Option("--auto-approve", help="With --in-place: do not ask.")]
_HOST_KEY = 'With --from sftp:...: the public key of that machine, such as "ssh-ed25519 AAAA...".'
HostKey = Annotated[str, typer.Option("--host-key", metavar="KEY", help=_HOST_KEY, show_default=False)]
_IDENTITY = "With --from sftp:...: the private key that logs in."
IdentityFile = Annotated[
    str, typer.Option("--identity-file", metavar="FILE", help=_IDENTITY, show_default=False)
]
_OPENED_BY = "With --from: the file with the password of a repository of restic."
PasswordFile = Annotated[
    str, typer.Option("--password-file", metavar="FILE", help=_OPENED_BY, show_default=False)
]
_ENVIRONMENT = "With --password-file: variables of restic, such as the keys of a store."
EnvironmentFile = Annotated[
    str, typer.Option("--environment-file", metavar="FILE", help=_ENVIRONMENT, show_default=False)
]
_HOST = "With --password-file: the host, if the repository has snapshots of several."
HostOption = Annotated[str, typer.Option("--host", metavar="HOST", help=_HOST, show_default=False)]


@frozen
class WithoutJob:
    """A destination that is read without its job, and what opens it."""

    from_: From = ""
    host_key: HostKey = ""
    identity_file: IdentityFile = ""
    password_file: PasswordFile = ""
    environment_file: EnvironmentFile = ""
    host: HostOption = ""
