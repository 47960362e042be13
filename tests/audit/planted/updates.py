"""Faults of updates."""

from tests.audit.planted import Fault

_ARCHIVE = """\
echo 'deb [trusted=yes] file:/opt/debian-security ./' > /etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
mkdir -p /opt/debian-security
cd /opt/debian-security
cat > Packages <<END
Package: cron
Version: {version}
Architecture: all
Maintainer: nobody <nobody@localhost>
Filename: ./cron.deb
Size: 1
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
Description: a package that is never downloaded
END
cat > Release <<END
Origin: Debian
Label: Debian-Security
Suite: stable-security
Codename: stable-security
Version: 12
END
apt-get update --quiet
"""
"""An archive of security updates with a cron in it."""

PLANTED = {
    "security-updates": Fault(_ARCHIVE.format(version="99:1"), "cron", before=_ARCHIVE.format(version="1")),
    "packages-broken": Fault(
        "sed -i '/^Package: cron$/,/^$/s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status",
        "cron",
    ),
    "package-sources-trusted": Fault(
        "echo 'deb [arch=amd64 trusted=yes] http://user:hunter2@mirror/debian x main' > /etc/apt/sources.list.d/x.list",
        "/etc/apt/sources.list.d/x.list",
        already=True,
    ),
    "reboot-required": Fault("touch /run/reboot-required", "/run/reboot-required"),
    "release-supported": Fault(
        "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"10\"/' /usr/lib/os-release", "debian 10", alone=True
    ),
    "updates-unattended": Fault(
        "echo 'APT::Periodic::Unattended-Upgrade \"0\";' > /etc/apt/apt.conf.d/99off",
        "unattended-upgrades",
        before="install -m 755 /bin/true /usr/bin/unattended-upgrade\n"
        "echo 'APT::Periodic::Unattended-Upgrade \"1\";' > /etc/apt/apt.conf.d/20auto-upgrades",
    ),
    "kernel-outdated": Fault(
        "touch /boot/vmlinuz-99.$(uname -r)", "kernel", before="touch /boot/vmlinuz-$(uname -r)"
    ),
    "packages-held": Fault("echo logrotate hold | dpkg --set-selections", "logrotate"),
    # The last one: the faults before it fetch lists. A fetch that fails leaves these traces.
    "package-lists-old": Fault(
        "touch -d '8 days ago' /var/lib/apt/lists\n"
        "touch /var/lib/apt/lists/partial /var/lib/apt/periodic/update-stamp",
        "/var/lib/apt/lists",
        before="touch /var/lib/apt/lists/mirror_Packages",
    ),
}
