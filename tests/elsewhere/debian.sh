#!/usr/bin/env bash
# The suite on another Debian: `sudo tests/elsewhere/debian.sh trixie|sid FOLDER [ARGUMENTS OF PYTEST]`.
#
# Makes that Debian in FOLDER with debootstrap (once; some 700 MB with the packages of Python), clones the commit that
# is checked out here into it, installs it there as the README says, tells the versions of Python and git, and runs the
# suite, or what the arguments name, inside. By hand, as root, on a host that reaches Debian's and Python's packages.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
[ "$(id -u)" = 0 ] || { echo "chroot needs root: sudo $0 $*"; exit 2; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap"; exit 2; }
suite=$1 folder=$2
shift 2
source=$(cd "$(dirname "$0")/../.." && pwd)
packages=git,python3,python3-venv,ca-certificates,openssh-client,openssh-server,gnupg,procps,tzdata,zsh,fish,chromium

if [ ! -e "$folder/made" ]; then
  debootstrap --variant=minbase --include="$packages" "$suite" "$folder" http://deb.debian.org/debian
  touch "$folder/made"
fi
cp /etc/resolv.conf "$folder/etc/resolv.conf"
cp "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$folder/etc/ssl/certs/ca-certificates.crt"

umounted() { for place in dev/shm dev/pts dev proc sys; do umount -q "$folder/$place" || true; done; }
trap umounted EXIT
umounted
mount -t proc proc "$folder/proc"
mount --rbind --make-rslave /sys "$folder/sys"
mount -t tmpfs tmpfs "$folder/dev" -o mode=755
for name in null zero full random urandom tty; do
  touch "$folder/dev/$name"
  mount --bind "/dev/$name" "$folder/dev/$name"
done
mkdir "$folder/dev/pts" "$folder/dev/shm"
mount -t devpts devpts "$folder/dev/pts" -o newinstance,ptmxmode=666
ln -s pts/ptmx "$folder/dev/ptmx"
ln -s /proc/self/fd "$folder/dev/fd"
mount -t tmpfs tmpfs "$folder/dev/shm"

rm -rf "$folder/root/gitrelease"
git clone --quiet "$source" "$folder/root/gitrelease"
chroot "$folder" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CERT=/etc/ssl/certs/ca-certificates.crt ${GIT_DEFAULT_HASH:+GIT_DEFAULT_HASH=$GIT_DEFAULT_HASH} \
  ${GIT_DEFAULT_REF_FORMAT:+GIT_DEFAULT_REF_FORMAT=$GIT_DEFAULT_REF_FORMAT} \
  bash -euo pipefail -c '
    cd /root/gitrelease
    python3 --version
    git --version
    [ -d /root/venv ] || python3 -m venv /root/venv
    /root/venv/bin/pip install --quiet -e ".[test]"
    /root/venv/bin/python -m pytest "$@"
  ' pytest "$@"
