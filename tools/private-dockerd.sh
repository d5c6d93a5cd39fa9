#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# private-dockerd.sh FOLDER NAME: a docker daemon of one's own, for ./dev bench and the tests, in namespaces of its own, all of its state below FOLDER.
# It listens on FOLDER/docker.sock, keeps its control groups below /NAME, and ends, with every container, when this process is killed.
set -euo pipefail
export folder=$1 name=$2
mkdir -p "$folder/data"
# shellcheck disable=SC2016 # the inner shell expands these
exec unshare -n -m -p -u -i -f --kill-child --mount-proc --propagation private bash -euc '
  groups=$(mktemp -d "$folder/groups-XXXXXX")
  mount --rbind /sys/fs/cgroup "$groups" # the sysfs of this network namespace hides it
  mount -t sysfs sysfs /sys
  mount --rbind "$groups" /sys/fs/cgroup
  umount -l "$groups"
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock
  ip link set lo up
  exec dockerd --data-root "$folder/data" --exec-root /run/docker --pidfile /run/docker.pid --host "unix://$folder/docker.sock" \
    --cgroup-parent "/$name" >"$folder/dockerd.log" 2>&1
'
