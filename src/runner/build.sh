# Drives one build in the runner, detached from every connection: sh build.sh STATE ID EXECUTOR-ARGUMENTS…
#
#   STATE/build/   id       the build these files belong to, written last of the first ones
#                  driver   pid and start time of this process
#                  session  the session id of the executor, for killing it with its children
#                  log      what the executor printed
#                  digest   written by the executor
#                  exit     "CODE DIGEST", written once the executor has ended
#                  bell     a FIFO, rung at the end
#   /kaniko/.clean the root file system holds nothing but mounts: it is missing in a new container, whose own /bin and
#                  /etc would become part of the first image, and after a build that was not cleaned up
#   STATE/building the build lock: a symbolic link naming its holder, PID START
#
# kaniko leaves traces from one build to the next, so one build runs at a time, /kaniko is purged before each, and
# a build that did not end well is followed by a reset: an empty build whose only effect is its clean-up.
state=$1 id=$2
shift 2
set -f
umask 022
build=$state/build

started() { # PID
  { IFS= read -r stat_line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat_line##*) }
  # A zombie holds nothing any more.
  [ "$1" != Z ] || return 1
  echo "${20}"
}

read -r me _ </proc/self/stat
mine="$me $(started $me)"

# Waits for the reset that follows a failed build; a live build of somebody else's holds it longer.
tries=0
until ln -s "$mine" "$state/building" 2>/dev/null; do
  held=$(readlink "$state/building") || continue
  if [ "$(started "${held%% *}")" != "${held##* }" ]; then
    rm -f "$state/building"
    continue
  fi
  tries=$((tries + 1))
  [ $tries -gt 3000 ] && exit 1
  sleep 0.01
done
trap '[ "$(readlink "$state/building")" = "$mine" ] && rm -f "$state/building"' EXIT

rm -f "$build/id" "$build/exit" "$build/session" "$build/digest" "$build/bell"
: >"$build/log"
: >"$build/session"
mkfifo "$build/bell"
echo "$mine" >"$build/driver"

purge() {
  set +f
  for f in /kaniko/* /kaniko/.[!.]*; do
    case ${f##*/} in
    executor | warmer | tini | docker-credential-* | ssl | .docker | .config | .clean | caches) ;;
    *) rm -rf "$f" ;;
    esac
  done
  set -f
}

# Extra directories that the clean-up of kaniko must leave alone: /busybox is no mount where image volumes are ignored.
keep=--ignore-path=/busybox

reset() {
  mkdir -p "$state/reset"
  printf 'FROM scratch\nLABEL kaniko-dev=reset\n' >"$state/reset/Dockerfile"
  purge
  if container=kube /kaniko/executor --force --no-push --cleanup "$keep" --context="dir://$state/reset" \
    --dockerfile="$state/reset/Dockerfile" --verbosity=error >"$state/reset.log" 2>&1 </dev/null; then
    : >/kaniko/.clean
  fi
  purge
}

# Daemons that a RUN started have a session of their own and would write into the next image. They are known by their
# program, which is neither the runner's nor kaniko's, and by having begun after this build, in this container.
end_daemons() { # $daemons tells whether there were any
  here=$(readlink /proc/self/ns/mnt)
  n=0 daemons=
  while [ $n -lt 100 ]; do
    found=
    set +f
    for p in /proc/[0-9]*; do
      { IFS= read -r stat_line <"$p/stat"; } 2>/dev/null || continue
      set -- ${stat_line##*) }
      [ "${20}" -ge "${mine##* }" ] && [ "$1" != Z ] || continue
      case $(readlink "$p/exe") in '' | /busybox/* | /kaniko/*) continue ;; esac
      [ "$(readlink "$p/ns/mnt")" = "$here" ] || continue
      kill -9 "${p#/proc/}" 2>/dev/null
      found=1 daemons=1
    done
    set -f
    [ -z "$found" ] && return
    n=$((n + 1))
    sleep 0.01
  done
}

[ -f /kaniko/.clean ] || reset
purge
rm -f /kaniko/.clean

# A session of its own, so that every process below the executor can be found and killed.
container=kube setsid /kaniko/executor "$@" "$keep" --digest-file="$build/digest" >>"$build/log" 2>&1 </dev/null &
executor=$!
echo "$executor" >"$build/session"
echo "$id" >"$build/id"
wait "$executor"
code=$?

digest=-
[ $code -eq 0 ] && [ -s "$build/digest" ] && digest=$(cat "$build/digest")
echo "$code $digest" >"$build/exit.new"
mv "$build/exit.new" "$build/exit"
exec 5<>"$build/bell"
echo >&5

end_daemons
# What a daemon wrote after the clean-up is still there.
if [ $code -eq 0 ] && [ -z "$daemons" ]; then : >/kaniko/.clean; else reset; fi
purge
