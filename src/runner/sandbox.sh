# Makes the sandbox of the local runner and runs the agent in it:
# sh sandbox.sh BUSYBOX ROOT WORKSPACE CACHE IMAGES EXECUTOR CERTIFICATES DOCKER-CONFIG|- AGENT-COMMAND…
#
# Runs as the first process of new mount and pid namespaces (and of a user namespace when not root). Everything is
# mounted inside the namespace, so the kernel removes all of it when the last process ends, however it ends.
busybox=$1 root=$2 workspace=$3 cache=$4 images=$5 executor=$6 certificates=$7 docker=$8
shift 8
b() { "$busybox" "$@"; }
fail() { echo "sandbox: $*" >&2; exit 70; }

b mount --make-rprivate / || fail 'cannot make the mounts private'
# A device file that a RUN makes opens no device of the host.
b mount -t tmpfs -o mode=0755,nodev kaniko-dev "$root" || fail 'cannot mount a tmpfs'
b mkdir -p "$root/kaniko/ssl/certs" "$root/kaniko/.docker" "$root/busybox" "$root/workspace" "$root/cache" \
  "$root/images" "$root/proc" "$root/dev" "$root/etc" "$root/bin" "$root/.host"
b mkdir -m 1777 -p "$root/tmp"

bind() { # FILE PLACE
  : >"$root$2" && b mount --bind "$1" "$root$2" || fail "cannot bind $1"
}

# /busybox is a mount of its own, as in a pod: kaniko leaves mounts alone.
b mount -t tmpfs -o mode=0755 busybox "$root/busybox" || fail 'cannot mount a tmpfs'
b cp "$busybox" "$root/busybox/busybox" || fail 'cannot copy busybox'
b ln -s /busybox/sh "$root/bin/sh"

bind "$executor" /kaniko/executor
bind "$certificates" /kaniko/ssl/certs/ca-certificates.crt
[ "$docker" = - ] || bind "$docker" /kaniko/.docker/config.json
b mount --bind "$workspace" "$root/workspace" || fail 'cannot bind the workspace'
b mount --bind "$cache" "$root/cache" || fail 'cannot bind the cache'
b mount --bind "$images" "$root/images" || fail 'cannot bind the images'

b mount -t proc proc "$root/proc" || fail 'cannot mount /proc'
# What is not of this namespace but of the whole machine can be read only.
for part in sys sysrq-trigger irq bus fs; do
  [ -e "$root/proc/$part" ] || continue
  b mount --bind "$root/proc/$part" "$root/proc/$part" && b mount -o remount,bind,ro "$root/proc/$part" ||
    fail "cannot protect /proc/$part"
done
b mount -t tmpfs -o mode=0755 dev "$root/dev" || fail 'cannot mount a tmpfs'
for node in null zero full random urandom tty; do bind "/dev/$node" "/dev/$node"; done
b ln -s /proc/self/fd "$root/dev/fd"
b ln -s /proc/self/fd/0 "$root/dev/stdin"
b ln -s /proc/self/fd/1 "$root/dev/stdout"
b ln -s /proc/self/fd/2 "$root/dev/stderr"
b mkdir -m 1777 "$root/dev/shm"
[ -f /etc/resolv.conf ] && bind /etc/resolv.conf /etc/resolv.conf
[ -f /etc/hosts ] && bind /etc/hosts /etc/hosts

# The host's files are not only out of sight but out of reach.
cd "$root" || fail 'cannot enter the sandbox'
b pivot_root . .host || fail 'cannot pivot into the sandbox'
cd /
/busybox/busybox --install -s /busybox
/busybox/umount -l /.host || fail 'cannot leave the host behind'
/busybox/rmdir /.host

exec /busybox/env -i PATH=/usr/local/bin:/kaniko:/busybox HOME=/root USER=root \
  SSL_CERT_DIR=/kaniko/ssl/certs DOCKER_CONFIG=/kaniko/.docker "$@"
