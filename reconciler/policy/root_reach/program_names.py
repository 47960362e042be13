"""Programs by name: those from which root is one step, those that show any file, and those that report or act
on fixed things only.

The tables follow what the programs' own manuals offer, and public lists of programs that keep root under
sudo. A name in none of them is an unknown program.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.formats import shell_programs

SHELLS = shell_programs.SHELLS | frozenset(
    ("csh", "tcsh", "yash", "posh", "sash", "rc", "elvish", "lksh", "rksh", "pwsh", "xonsh", "nu")
)

ALWAYS: Mapping[str, str] = {
    "an editor starts a shell": (
        "vi vim vimdiff view rview rvim nvim ex ed nano pico emacs joe jed mcedit mc micro ne kak hx visudo "
        "vipw vigr ranger vifm nnn lf ncdu"
    ),
    "a pager starts a shell": (
        "less more most pg man info zless zmore bzless bzmore xzless xzmore lesspipe yelp"
    ),
    "it is a shell in itself": (
        "screen tmux tmate byobu script expect gdb lldb ftp sftp lftp tftp telnet tclsh irb pry ghci octave "
        "R ipython bpython slsh rlogin smbclient minicom iftop"
    ),
    "it starts a shell": "newgrp sg openvt ksu",
    "it runs what it is given": "at batch parallel pkexec capsh run0 run-mailcap",
    "its prompt starts a shell": "mysql mariadb psql sqlite3 mutt lynx w3m links aptitude tasksh ginsh",
}
"""Whatever the arguments: they wait for commands at a terminal, or take them from standard input."""
OPEN: Mapping[str, str] = {
    "it runs the program that is named": (
        "env nice nohup timeout ionice setsid stdbuf flock chroot chrt taskset time watch xargs strace "
        "ltrace unshare nsenter setpriv systemd-run systemd-nspawn systemd-inhibit machinectl "
        "start-stop-daemon run-parts chpst gosu runuser unbuffer valgrind perf bpftrace cpulimit choom "
        "prlimit setarch linux32 linux64 i386 x86_64 uname26 catchsegv dumb-init tini facter logsave rlwrap "
        "aa-exec cgexec fakeroot fakechroot proot firejail bwrap nsjail dbus-run-session dbus-launch "
        "faketime torsocks torify proxychains proxychains4 xvfb-run chronic daemonize daemon hyperfine entr "
        "grc scanmem multitime pexec setlock softlimit envdir eatmydata ifne sem runc crun lxc-attach "
        "lxc-execute systemd-cat mosh-server distcc gtester sshpass pidstat run-one genie ld.so "
        "ld-linux-x86-64.so ld-linux-aarch64.so qemu-system-x86_64 qemu-system-aarch64 qemu-system-i386 kvm "
        "busybox toybox doas debconf"
    ),
    "it interprets what it is given": (
        "python pypy perl ruby node nodejs php lua luajit awk gawk mawk nawk sed jq jshell jjs jrunscript "
        "scheme guile deno bun ansible ansible-playbook ansible-test puppet salt-call chef-client knife "
        "make gmake cmake ninja rake gcc cc g++ c89 c99 clang as ld latex pdflatex tex pdftex xelatex xetex "
        "lualatex luatex java javac scala go erl elixir iex julia gnuplot dc bc m4 groovy kotlin swift "
        "dotnet ghc ocaml nasm gimp terraform vagrant packer rustc tcc racket sbcl clisp ecl csvtool "
        "genisoimage troff groff nroff eqn tbl pic soelim cowsay cowthink ispell joe nmap nft wish "
        "unsquashfs bconsole msfconsole"
    ),
    "it runs a command for each file": (
        "find fd locate rename split sort tar zip rsync cpio ar unzip 7z 7za zstd xz pax zipinfo star bsdtar"
        " exiftool dos2unix msgfilter"
    ),
    "it writes any file": (
        "tee cp mv install ln dd sponge truncate patch xxd openssl curl wget scp uudecode mkfifo mknod "
        "setfacl setcap chmod chown chgrp shuf redis-server redis-cli pg_dump restic borg rclone aria2c ex "
        "uniq csplit iconv screenfetch yt-dlp youtube-dl lwp-download axel sftp-server ftpd tftpd gcore "
        "dmidecode zic debugfs e2image partclone nbdkit"
    ),
    "its containers have the host's files": (
        "docker podman nerdctl ctr crictl lxc lxd incus kubectl k3s virsh docker-compose buildah singularity"
        " apptainer"
    ),
    "it starts any unit and edits it": (
        "systemctl service initctl supervisorctl monit busctl dbus-send gdbus invoke-rc.d sv s6-svc"
    ),
    "its pager starts a shell": "git hg svn bzr dmesg aws",
    "it runs scripts of packages, and commands of its options": (
        "apt apt-get dpkg dpkg-reconfigure dpkg-deb pip pipx npm npx yarn gem cargo snap flatpak dnf yum "
        "rpm zypper pacman easy_install cpan composer debi dpkg-source update-alternatives bundle bundler "
        "etckeeper opkg needrestart unattended-upgrade uv conda mamba poetry nix-env nix"
    ),
    "it changes accounts": (
        "useradd usermod adduser userdel groupadd groupmod gpasswd passwd chpasswd newusers groupmems "
        "addgroup chsh chgpasswd pwconv vipw deluser"
    ),
    "it loads code into the kernel, or runs it as root": (
        "insmod modprobe kexec sysctl ldconfig systemd-tmpfiles systemd-sysusers logrotate udevadm iptables "
        "iptables-save iptables-restore ip tc tcpdump wireshark tshark dmsetup mount umount losetup "
        "mount.cifs sshfs nbd-client cryptsetup crontab certbot nginx fusermount mount.nfs wg dhclient "
        "dhcpcd ifup ifdown rsyslogd dnsmasq agetty pppd apache2 httpd openvpn wg-quick socat nc ncat "
        "netcat ssh ssh-keygen ssh-agent sshd exim exim4 sendmail postfix mail mailx postconf "
        "fail2ban-client haproxy varnishd squid php-fpm uwsgi gunicorn cron crond atd inetd xinetd "
        "supervisord snmpd smbd slapd mysqld mariadbd keepalived collectd telegraf zabbix_agentd ettercap "
        "bettercap hping3 tcpick dosbox snort dpkg-preconfigure ntpdate"
    ),
    "it becomes any account": "su sudo login",
    "it applies any specification": "reconciler",
}
"""Only where the arguments are left open, or have a wildcard."""
_READS = (
    "cat head tail cut diff diff3 sdiff base64 base32 basenc tac nl od hexdump hd strings paste pr fold fmt"
    " expand unexpand comm join rev column colrm look grep egrep fgrep zgrep rg ag ack ul wc date file arp ss"
    " wall aspell bridge dig gzip gunzip zcat bzip2 bzcat lz4 lz4cat zstdcat xzcat unxz bunzip2 cmp highlight"
    " jo yq xmllint ptx readelf objdump nm redcarpet pandoc tic msgcat msgconv msguniq ssh-keyscan whois"
    " finger mtr fping clamscan cupsfilter enscript a2ps lp lpr bat batcat ascii-xfr espeak mosquitto_pub"
    " zsoelim sum bzgrep xzgrep uuencode restore getent du"
)
READERS = frozenset(_READS.split())
"""Programs that show a file, as a whole or in messages about it."""
_HARMLESS = (
    "id whoami who w users groups logname tty uptime df free ps pstree pgrep pidof pkill kill killall "
    "killall5 lsof fuser ls dir vdir stat readlink realpath basename dirname pwd echo printf printenv "
    "true false test [ sleep sync nproc arch uname hostname hostid cal lsblk lscpu lsmod lspci lsusb "
    "lsns lslocks lslogins lsmem lsipc findmnt mountpoint vmstat iostat mpstat sar netstat ping ping6 "
    "traceroute tracepath host nslookup getconf locale reboot poweroff halt shutdown hostnamectl "
    "nologin tput clear reset seq sha1sum sha224sum sha256sum sha384sum sha512sum md5sum cksum b2sum "
    "last lastb lastlog runlevel rfkill nvidia-smi sensors aa-status apparmor_status iotop tload expr "
    "factor yes rmdir touch namei getfacl getcap lsattr"
)
HARMLESS = frozenset(_HARMLESS.split())
"""Programs that do nothing but report, or act on fixed things, whatever their arguments are."""


def by_name(table: Mapping[str, str]) -> Mapping[str, str]:
    """The reason of each name of a table."""
    return {name: why for why, names in table.items() for name in names.split()}
