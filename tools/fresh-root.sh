#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a fresh, bare Debian that holds nothing but a clone of this repository's last commit:
#   tools/fresh-root.sh bookworm|trixie ./dev run
# The root is made by debootstrap, entered by pivot_root in private mount, pid, uts and ipc namespaces, and removed afterwards.
# FRESH_ROOT_KEEP=1 keeps it. Needs root and the package debootstrap; takes about 4 GB below /var/tmp.
set -euo pipefail
suite=${1:?release: bookworm or trixie}; shift
[ $# -gt 0 ] || set -- ./dev run
source=$(dirname "$(dirname "$(readlink -f "$0")")")
mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
mirror=${mirror:-http://deb.debian.org/debian}
work=$(mktemp -d "/var/tmp/servin-fresh-$suite.XXXXXX")
root=$work/root
clean_up() {
  if [ -n "${FRESH_ROOT_KEEP:-}" ]; then echo "kept: $root" >&2; else rm -rf --one-file-system "$work"; fi
}
trap clean_up EXIT

echo "fresh-root: debootstrap $suite" >&2
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -n 30 "$work/debootstrap.log" >&2; exit 1; }
cp /etc/resolv.conf "$root/etc/resolv.conf"
git clone -q "$source" "$root/root/servin"

# shellcheck disable=SC2016 # the inner shells expand these
enter='
set -e
root=$1 first=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
cd /root/servin
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb bash -c "$first" first "$@"
'
# The first process, with which all others are killed: it gives what sweeps up after the command time to end.
# shellcheck disable=SC2016
first='
"$@" || code=$?
for _ in {1..100}; do
  others=(/proc/[1-9]*)
  [ ${#others[@]} -gt 1 ] || break
  sleep 0.1
done
exit ${code:-0}
'
start=$SECONDS code=0
unshare --mount --pid --fork --kill-child --uts --ipc bash -c "$enter" enter "$root" "$first" "$@" </dev/null || code=$?
echo "fresh-root: $suite: '$*' ended with $code after $((SECONDS - start)) s" >&2
exit $code
