#!/usr/bin/env bash
# The suite on another Debian: `sudo tests/elsewhere/debian.sh trixie|sid FOLDER [ARGUMENTS OF PYTEST]`.
#
# Makes that Debian in FOLDER with debootstrap (once; 2 GB with the packages of Python), clones the commit that is
# checked out here into it, tells the versions of Python and git, and runs the suite there, or what the arguments name.
# GIT_DEFAULT_HASH and GIT_DEFAULT_REF_FORMAT reach it. By hand, as root, where Debian's and Python's packages can be had.
set -euo pipefail

if [ $# -lt 2 ]; then sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; fi
[ "$(id -u)" = 0 ] || { echo "chroot needs root: sudo $0 $*"; exit 2; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap"; exit 2; }
suite=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
source=$(cd "$(dirname "$0")/../.." && pwd)
certificates=etc/ssl/certs/ca-certificates.crt
tools=(git python3 python3-venv ca-certificates openssh-client openssh-server gnupg less procps tzdata zsh fish chromium)

inside() {
  env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive PIP_CERT="/$certificates" PIP_DISABLE_PIP_VERSION_CHECK=1 \
    ${GIT_DEFAULT_HASH:+GIT_DEFAULT_HASH="$GIT_DEFAULT_HASH"} \
    ${GIT_DEFAULT_REF_FORMAT:+GIT_DEFAULT_REF_FORMAT="$GIT_DEFAULT_REF_FORMAT"} \
    chroot "$folder" "$@"
}

unmount() {
  for place in dev/shm dev/pts dev sys proc; do
    if mountpoint -q "$folder/$place"; then umount -R "$folder/$place"; fi
  done
}

[ -e "$folder/usr/bin/git" ] ||
  debootstrap --variant=minbase --include=git,python3,python3-venv,ca-certificates "$suite" "$folder" \
    http://deb.debian.org/debian
trap unmount EXIT
unmount
mount -t proc proc "$folder/proc"
mount --rbind /sys "$folder/sys"  # systemd looks there for its cgroup
mount --make-rslave "$folder/sys"
mount --bind /dev "$folder/dev"
mkdir -p "$folder/dev/shm" "$folder/dev/pts"
mountpoint -q "$folder/dev/pts" || mount -t devpts devpts "$folder/dev/pts" -o newinstance,ptmxmode=666
mountpoint -q "$folder/dev/shm" || mount -t tmpfs tmpfs "$folder/dev/shm"
cp /etc/resolv.conf "$folder/etc/resolv.conf"
cp "${PIP_CERT:-/$certificates}" "$folder/$certificates"
if [ ! -e "$folder/root/tools" ]; then
  inside apt-get -o Acquire::Check-Valid-Until=no update -qq  # a mirror of sid may be a few weeks old
  inside apt-get install -y -qq --no-install-recommends "${tools[@]}" >/dev/null
  touch "$folder/root/tools"
fi

rm -rf "$folder/root/gitrelease"
git clone --quiet "$source" "$folder/root/gitrelease"
inside python3 --version
inside git --version
inside bash -euo pipefail -c '
  cd /root/gitrelease
  [ -d /root/venv ] || python3 -m venv /root/venv
  /root/venv/bin/pip install --quiet -e ".[test]"
  exec /root/venv/bin/python -m pytest "$@"
' pytest "$@"
