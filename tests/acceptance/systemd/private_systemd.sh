#!/usr/bin/env bash
# A real systemd beside the machine's own: PID 1 of its own PID namespace, over a copy of / that keeps no changes.
#
#   private_systemd.sh [SOURCE:TARGET]...     each SOURCE is mounted at TARGET inside
#
# Once it has booted, the script prints "running PID" with the process id of its PID 1 on this machine
# (nsenter --target PID --all enters it), and runs until its standard input ends. So it ends with the process that holds
# that pipe, however that process ends, and nothing is left: processes die with the PID namespace, mounts and changes with
# the mount namespace, and the cgroups are removed. The network is the machine's. If the machine cannot boot a systemd, the
# script says why and ends with 69.
set -euo pipefail
readonly BOOT_SECONDS=30 END_SECONDS=20 UNAVAILABLE=69

cannot() {
  echo "$1" >&2
  exit "$UNAVAILABLE"
}

require() {
  [ "$(id --user)" = 0 ] || cannot "booting a systemd needs root"
  [ -x /lib/systemd/systemd ] || cannot "there is no /lib/systemd/systemd: install systemd"
  local program folder
  for program in unshare nsenter setpriv mountpoint pivot_root; do
    command -v "$program" >/dev/null || cannot "there is no $program: install util-linux"
  done
  unshare --mount --uts --ipc --pid --cgroup --fork true 2>/dev/null ||
    cannot "new namespaces are refused: booting a systemd needs CAP_SYS_ADMIN"
  unshare --mount bash -c 'mount -t tmpfs tmpfs /tmp && mkdir /tmp/{root,changes,work} &&
    mount -t overlay -o lowerdir=/,upperdir=/tmp/changes,workdir=/tmp/work overlay /tmp/root' 2>/dev/null ||
    cannot "no overlayfs can be mounted over /"
  [ -n "$(own_cgroups)" ] || cannot "no cgroup of this process is mounted under /sys/fs/cgroup"
  while read -r folder _; do
    [ -w "$folder" ] || cannot "$folder cannot be written to: booting a systemd needs a cgroup"
  done < <(own_cgroups)
}

own_cgroups() { # prints the cgroups of this process in each mounted hierarchy: "FOLDER CONTROLLERS", without controllers in v2
  local controllers path folder
  while IFS=: read -r _ controllers path; do
    folder=/sys/fs/cgroup/${controllers#name=}
    if [ -z "$controllers" ] && mountpoint -q /sys/fs/cgroup/unified; then folder=/sys/fs/cgroup/unified; fi
    if mountpoint -q "$folder"; then echo "${folder%/}${path%/} $controllers"; fi
  done </proc/self/cgroup
}

hold() {
  require
  name=private-systemd-$$
  here=$(mktemp --directory --tmpdir "$name.XXXX")
  trap clear EXIT
  trap 'exit 1' HUP INT TERM
  own_cgroups >"$here/cgroups"
  # a child of this process's cgroup in each hierarchy holds the private systemd, under the limits of this process
  while read -r folder controllers; do
    mkdir "$folder/$name"
    if [ "$controllers" = cpuset ]; then # v1: a new cgroup has neither processors nor memory, and accepts no process
      cat "$folder/cpuset.cpus" >"$folder/$name/cpuset.cpus"
      cat "$folder/cpuset.mems" >"$folder/$name/cpuset.mems"
    fi
  done <"$here/cgroups"
  setpriv --pdeathsig KILL \
    unshare --mount --propagation private --uts --ipc --pid --fork --kill-child \
    "$0" --join "$here" "$name" "$@" </dev/null >"$here/console" 2>&1 &
  outside=$!
  await_boot
  echo "running $(cat "$here/pid")"
  while read -r; do :; done
}

await_boot() {
  local state= pid
  until [ "$state" = running ] || [ "$state" = degraded ]; do
    if ! kill -0 "$outside" 2>/dev/null; then fail "it died while it was booted"; fi
    if ((SECONDS > BOOT_SECONDS)); then fail "it was not up within $BOOT_SECONDS s (${state:-not answering})"; fi
    sleep 0.05
    pid=$(cat "$here/pid" 2>/dev/null) || continue
    # until then it still has the machine's mounts, and the machine's systemd would answer
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ] || continue
    state=$(timeout 5 nsenter --target "$pid" --all systemctl is-system-running 2>/dev/null) || true
  done
}

fail() {
  { echo "The private systemd: $1. Its console:"; tail --lines=20 "$here/console"; } >&2
  exit 1
}

clear() {
  if [ -n "${outside:-}" ]; then
    kill -KILL "$outside" 2>/dev/null || true # --kill-child: its PID 1 dies with it, and all its processes with PID 1
    wait "$outside" 2>/dev/null || true
  fi
  local folder until=$((SECONDS + END_SECONDS))
  while read -r folder _; do
    # dead processes leave their cgroups a little later
    while [ -d "$folder/$name" ] && ((SECONDS < until)); do
      find "$folder/$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    done
  done <"$here/cgroups"
  rm --recursive --force --one-file-system "$here"
}

join() { # it is PID 1 already, but still has the machine's mounts: enter the cgroups, and make them the root of the tree
  local here=$1 name=$2 pid folder
  read -r pid _ </proc/self/stat # the machine's /proc: this process's id outside
  while read -r folder _; do echo 0 >"$folder/$name/cgroup.procs"; done <"$here/cgroups"
  echo "$pid" >"$here/pid"
  exec unshare --cgroup "$0" --become "$here" "${@:3}"
}

become() {
  local here=$1 root=$1/root
  mount -t tmpfs -o size=1g,mode=0755 tmpfs "$here"
  mkdir "$here"/{root,changes,work}
  mount -t overlay -o "lowerdir=/,upperdir=$here/changes,workdir=$here/work" overlay "$root"
  mount_kernel_folders "$root"
  mount_devices "$root"
  mount_cgroups "$root/sys/fs/cgroup"
  for bind in "${@:2}"; do
    mkdir --parents "$root/${bind#*:}"
    mount --bind "${bind%%:*}" "$root/${bind#*:}"
  done
  settle "$root"
  cd "$root"
  pivot_root . .
  umount --lazy .
  # in a container systemd does not do this itself; without it LoadCredential= fails with EACCES
  mount --make-rshared /
  # "container": no udev, no clock, no kernel settings
  exec env --ignore-environment container=private PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=private.target --log-target=journal-or-kmsg --show-status=false
}

mount_kernel_folders() {
  local root=$1 path
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  for path in sys sysrq-trigger; do # the kernel is the machine's: no process inside may change its settings
    if [ ! -e "$root/proc/$path" ]; then continue; fi
    mount --bind "$root/proc/$path" "$root/proc/$path"
    mount -o remount,bind,ro "$root/proc/$path"
  done
  mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys"
  mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs "$root/run"
  mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$root/tmp"
}

mount_devices() { # no kmsg: systemd would write to the machine's
  local dev=$1/dev device
  mount -t tmpfs -o nosuid,noexec,mode=0755 tmpfs "$dev"
  for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    read -r device major minor <<<"$device"
    mknod --mode=0666 "$dev/$device" c "$major" "$minor"
  done
  mkdir "$dev"/{pts,shm}
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$dev/pts"
  mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$dev/shm"
  ln --symbolic pts/ptmx "$dev/ptmx"
  ln --symbolic /proc/self/fd "$dev/fd"
  for device in stdin:0 stdout:1 stderr:2; do ln --symbolic "/proc/self/fd/${device#*:}" "$dev/${device%:*}"; done
}

mount_cgroups() { # the hierarchies of the machine; in each only the private part is visible
  local at=$1 controllers
  if [ "$(stat --file-system --format=%T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$at"
    return
  fi
  mount -t tmpfs -o mode=0755 tmpfs "$at"
  while IFS=: read -r _ controllers _; do
    case $controllers in
      "") mkdir "$at/unified" && mount -t cgroup2 cgroup2 "$at/unified" ;;
      name=*) mkdir "$at/${controllers#name=}" && mount -t cgroup -o "none,$controllers" cgroup "$at/${controllers#name=}" ;;
      *) mkdir "$at/$controllers" && mount -t cgroup -o "$controllers" cgroup "$at/$controllers" ;;
    esac
  done </proc/self/cgroup
}

settle() { # units that are enabled on the machine must not start inside: only the journal does
  local root=$1
  mount -t tmpfs -o mode=0755 tmpfs "$root/etc/systemd/system"
  mount -t tmpfs -o mode=0755 tmpfs "$root/lib/systemd/system/sysinit.target.wants"
  mount -t tmpfs -o mode=0755 tmpfs "$root/lib/systemd/system/sockets.target.wants"
  mount -t tmpfs -o mode=0755 tmpfs "$root/lib/systemd/system/timers.target.wants"
  : >"$root/etc/fstab"
  echo private >"$root/etc/hostname"
  tr --delete - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  cat >"$root/etc/systemd/system/private.target" <<'UNIT'
[Unit]
Description=A private systemd for tests
Requires=basic.target
Wants=systemd-journald.service
After=basic.target
UNIT
}

case ${1:-} in
  --join) join "${@:2}" ;;
  --become) become "${@:2}" ;;
  *) hold "$@" ;;
esac
