#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes real images with tools that are not ours (debootstrap, umoci, skopeo), for tests and measurements.
#   make-images.sh DIR [busybox|debian|nginx|postgres ...]     default: busybox debian nginx postgres
# Each image has several layers with whiteouts, links and no devices, and comes in every form that we read:
#   NAME.layout  OCI image layout, tag NAME     NAME.docker.tar[.gz]  docker-archive, as `docker save` writes
#   NAME.oci.tar[.zst]  OCI archive             NAME.rootfs.tar  plain root file system
# Needs root and the packages debootstrap umoci skopeo busybox-static zstd.
set -euo pipefail
out=$(realpath -m "${1:?folder}"); shift
[ $# -gt 0 ] || set -- busybox debian nginx postgres
suite=bookworm # whatever the host runs: the tests name versions of programs
mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
[ -n "$mirror" ] || mirror=$(awk '/^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || true)
mirror=${mirror:-http://deb.debian.org/debian}
mkdir -p "$out"
cd "$out"
umask 022
work=$(mktemp -d "$out/work.XXXXXX")
clean_up() {
  local point
  for point in "$work"/*/rootfs/dev "$work"/*/rootfs/proc; do if mountpoint -q "$point"; then umount -l "$point"; fi; done
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

layer() { # layer NAME FUNCTION [ARGUMENTS]: one more layer, made by FUNCTION inside the unpacked root
  local name=$1 bundle; shift
  bundle=$(mktemp -d "$work/bundle.XXXXXX")
  umoci unpack --image "$work/layout:$name" "$bundle" >/dev/null
  (cd "$bundle/rootfs" && "$@")
  umoci repack --image "$work/layout:$name" "$bundle" >/dev/null
  rm -rf --one-file-system "$bundle"
}

config() { umoci config --image "$work/layout:$1" "${@:2}" >/dev/null; }

base() { # the Debian that the larger images share, made once
  [ -e base.tar ] && return
  debootstrap --variant=minbase "$suite" "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -n 30 "$work/debootstrap.log"; return 1; }
  rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
  find "$work/base/dev" -mindepth 1 -delete
  tar -C "$work/base" --sort=name --numeric-owner -cf "$work/base.tar" .
  mv "$work/base.tar" base.tar
  rm -rf "$work/base"
}

apt_in() { # apt_in PACKAGES...: install into the root that we stand in
  cp /etc/resolv.conf etc/resolv.conf 2>/dev/null || true
  printf 'deb %s %s main\n' "$mirror" "$suite" >etc/apt/sources.list
  printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
  chmod +x usr/sbin/policy-rc.d
  mount --bind /dev dev
  mount -t proc proc proc
  local code=0
  chroot . sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $*" >"$work/apt.log" 2>&1 || code=$?
  umount dev proc
  [ $code = 0 ] || { tail -n 30 "$work/apt.log"; return $code; }
  rm -rf var/lib/apt/lists/* var/cache/apt/archives/*.deb usr/sbin/policy-rc.d
}

busybox_root() {
  local applet
  mkdir -p bin etc tmp root proc sys dev var/www
  chmod 1777 tmp
  cp /bin/busybox bin/
  for applet in $(bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "bin/$applet"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
  printf 'root:x:0:\n' >etc/group
}

debian_root() { tar -xf "$out/base.tar"; }

debian_second() {
  rm -rf usr/share/doc usr/share/man
  echo second >etc/layer
  ln etc/layer etc/layer-hardlink
}

debian_third() {
  rm etc/layer
  mkdir -p opt/data
  echo third >opt/data/file
  ln -s ../etc/passwd opt/data/link
}

nginx_logs() {
  ln -sf /dev/stdout var/log/nginx/access.log
  ln -sf /dev/stderr var/log/nginx/error.log
}

postgres_entrypoint() {
  cat >usr/local/bin/entrypoint <<'SCRIPT'
#!/bin/sh
set -e
D=/var/lib/postgresql/data
if [ ! -s $D/PG_VERSION ]; then
  install -d -o postgres $D
  printf %s "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}" >/tmp/pw
  chown postgres /tmp/pw
  gosu postgres /usr/lib/postgresql/15/bin/initdb -D $D --pwfile=/tmp/pw -A scram-sha-256 >/dev/null
  echo host all all all scram-sha-256 >>$D/pg_hba.conf
fi
exec gosu postgres /usr/lib/postgresql/15/bin/postgres -D $D -c listen_addresses="*" "$@"
SCRIPT
  chmod +x usr/local/bin/entrypoint
}

write_forms() { # write_forms NAME: every form beside its final name, then renamed, NAME.done last
  local name=$1 bundle form
  skopeo --insecure-policy copy -q "oci:$work/layout:$name" "docker-archive:$work/$name.docker.tar:$name:latest"
  gzip -kf -1 "$work/$name.docker.tar"
  skopeo --insecure-policy copy -q "oci:$work/layout:$name" "oci-archive:$work/$name.oci.tar:latest"
  zstd -qf -3 "$work/$name.oci.tar"
  bundle=$(mktemp -d "$work/bundle.XXXXXX")
  umoci unpack --image "$work/layout:$name" "$bundle" >/dev/null
  tar -C "$bundle/rootfs" --numeric-owner -cf "$work/$name.rootfs.tar" .
  for form in docker.tar docker.tar.gz oci.tar oci.tar.zst rootfs.tar; do mv -f "$work/$name.$form" "$name.$form"; done
  rm -rf "$name.layout"
  mv "$work/layout" "$name.layout"
  touch "$name.done"
}

make_one() {
  local name=$1
  rm -rf "$work/layout" "$name.done"
  umoci init --layout "$work/layout"
  umoci new --image "$work/layout:$name" >/dev/null
  case $name in
    busybox)
      layer "$name" busybox_root
      config "$name" --config.cmd sh --config.env PATH=/bin ;;
    debian)
      base
      layer "$name" debian_root
      layer "$name" debian_second
      layer "$name" debian_third
      config "$name" --config.cmd bash ;;
    nginx)
      base
      layer "$name" debian_root
      layer "$name" apt_in nginx-light
      layer "$name" nginx_logs
      config "$name" --config.entrypoint nginx --config.cmd -g --config.cmd 'daemon off;' --config.exposedports 80/tcp --config.stopsignal SIGQUIT ;;
    postgres)
      base
      layer "$name" debian_root
      layer "$name" apt_in postgresql-15 gosu
      layer "$name" postgres_entrypoint
      config "$name" --config.entrypoint /usr/local/bin/entrypoint --config.exposedports 5432/tcp --config.volume /var/lib/postgresql/data ;;
    *) echo "make-images.sh: unknown image $name" >&2; exit 2 ;;
  esac
  write_forms "$name"
}

for name in "$@"; do make_one "$name"; done
