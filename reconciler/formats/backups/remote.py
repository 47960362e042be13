"""A destination of a job on another machine, as the job file has it."""

from __future__ import annotations

from reconciler.core.basics.frozen import frozen


@frozen
class Remote:
    """A directory on another machine, reached by OpenSSH."""

    url: str
    """`sftp://user@host:port/path`; the job names the destination by it."""
    host_key: str
    """The only public key of the machine that is taken: its type and its text."""
    identity_file: str
    """The private key that logs in."""
    limit: int = 0
    """The most bytes per second; 0: no limit."""
    retry_for: float = 3600.0
    """Seconds for which a run tries again after a lost connection."""
    timeout: float = 60.0
    """Seconds without an answer after which a connection is lost."""
