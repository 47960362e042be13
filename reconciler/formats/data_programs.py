"""Programs whose use of the files that their arguments name is known."""

from __future__ import annotations

COPIES = frozenset(("cp", "mv", "install", "rsync", "ln", "dd", "tar", "mount", "cpio", "unzip", "scp"))
"""Programs that put files elsewhere: the destination counts."""
STARRED = frozenset(("tar", "rsync", "chown", "chmod", "zip", "7z", "7za", "scp"))
"""Programs for which a file whose name begins with a dash is an option that runs a program or names another
file.
"""
KEEPS_TO_DATA = frozenset(
    ". : [ adduser aide alias attic awk b2sum basename borg bzip2 case cat cd certbot chage "  # noqa: SIM905
    "chattr chfn "
    "chgrp chmod chown chpasswd chsh cksum clamscan cmp comm cryptsetup curl cut date declare deluser df "
    "diff dirname du duplicity echo edquota egrep exit export false fgrep file find findmnt flock for "
    "freshclam fsck fstrim function fuser gawk getcap getent getfacl getfattr git gpasswd grep groupadd "
    "groupdel gunzip gzip hash head hg hostname id if inotifywait ip jq kill killall less local logger "
    "logrotate ls lsattr lsof mail mailx mariadb-dump mawk md5sum mkdir mkfifo mkhomedir_helper mknod "
    "mktemp mongodump more mountpoint mutt mysqldump ncdu nvidia-smi passwd pg_basebackup pg_dump "
    "pg_dumpall ping pkill popd printf ps pushd quota quotacheck rclone rdiff-backup read readlink "
    "realpath reconciler rename repquota restic return rgrep rkhunter rm rmdir runuser sed select sendmail"
    " set "
    "setcap setfacl setfattr setquota sha1sum sha224sum sha256sum sha384sum sha512sum shift shred sleep "
    "sort source split sqlite3 ss ssh ssh-keygen stat su sudo svn sync systemd-tmpfiles tac tail tarsnap "
    "tee test tmpreaper tmpwatch top touch tr trap tree tripwire true truncate type ulimit umask umount "
    "unalias uname uniq unset until unzip updatedb useradd userdel usermod w wait wc wget which while who "
    "xmllint xz yq zcat zgrep zip zstd".split()
)
"""Programs that read, show, keep, archive or remove the files that they are given, or take them as names. The
arguments that they run are known elsewhere (`shell_programs`).
"""
