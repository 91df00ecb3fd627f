# The agent: the other end of the runner connection, interpreted by busybox sh inside the runner.
# It is sent over the connection as a counted payload and evaluated, so that nothing is installed in the image.
#
#   stdin   commands, one a line; payloads are counted bytes that follow their line
#   stdout  one answer a command, in order: "ok N…" or "err N", then payloads of N bytes each
#   stderr  frames of the one log follower: "data OFFSET N" and N bytes, "exit ID CODE DIGEST"
#
# Paths are NUL-separated in payloads, relative to the mirror and begin with "./"; they never pass through a command
# line of this shell. Ends when stdin ends or nothing was said for $idle seconds.
#
# Facts behind the shape (busybox 1.35): `read` takes exactly one line from a pipe; `dd iflag=fullblock,count_bytes`
# takes exactly COUNT bytes; a bare `tar -x` reads past the end of its archive, so it gets a pipe of its own.

# A base image unpacked over / must not put its own tools before ours; / itself may vanish below us.
PATH=/busybox:$PATH
export PATH
umask 022
set -f
idle=60
exec 3>&2 2>/dev/null

state= ctx= tmp= me= lock= follower= turn=0

take() { # COUNT FILE
  if [ "$1" -gt 0 ]; then dd bs=65536 iflag=fullblock,count_bytes count="$1" >"$2"; else : >"$2"; fi
}

# xargs must read from a pipe: an applet that busybox runs without exec moves the shared offset of a file when it ends.
each() { # FILE COMMAND…
  each_list=$1
  shift
  [ -s "$each_list" ] || return 0
  cat "$each_list" | xargs -0 "$@"
}

size() { stat -c %s "$1"; }

answer() { # FILE…
  line=ok
  for f; do line="$line $(size "$f")"; done
  echo "$line"
  cat "$@"
}

refuse() { # TEXT
  printf 'err %d\n%s' "${#1}" "$1"
}

refuse_file() { # FILE
  echo "err $(size "$1")"
  cat "$1"
}

started() { # PID -> start time in clock ticks; empty when there is no such process
  { IFS= read -r stat_line <"/proc/$1/stat"; } || return 1
  set -- ${stat_line##*) }
  # A zombie holds nothing any more.
  [ "$1" != Z ] || return 1
  echo "${20}"
}

# The writer lock is a symbolic link, made atomically, whose text names its holder: SESSION PID START NAME.
# It is stale when that process is gone. The same session takes it over from its own lost connection.
hold() { # SESSION NAME
  mine="$1 $me $(started $me) $2"
  tries=0
  until ln -s "$mine" "$state/writer"; do
    tries=$((tries + 1))
    if [ $tries -gt 50 ]; then refuse "held ? ?"; return 1; fi
    held=$(readlink "$state/writer") || continue
    read -r h_session h_pid h_start h_name <<END
$held
END
    if [ "$h_session" = "$1" ]; then
      kill -9 "$h_pid"
    elif [ "$(started "$h_pid")" = "$h_start" ]; then
      refuse "held $h_name"
      return 1
    fi
    # Only one of several contenders removes a stale lock: the rename succeeds once.
    if mkdir "$state/takeover"; then
      [ "$(readlink "$state/writer")" = "$held" ] && rm -f "$state/writer"
      rmdir "$state/takeover"
    elif [ $tries -gt 40 ]; then
      rmdir "$state/takeover"
    else
      sleep 0.05
    fi
  done
  lock=$mine
}

leave() {
  [ -n "$follower" ] && kill -9 "$follower"
  [ -n "$lock" ] && [ "$(readlink "$state/writer")" = "$lock" ] && rm -f "$state/writer"
  [ -n "$tmp" ] && rm -rf "$tmp"
}
trap leave EXIT
trap 'exit 0' HUP INT TERM

hello() { # WORKSPACE SESSION NAME TOKEN PROGRAM_BYTES
  state=$1/.kaniko-dev ctx=$1/ctx
  read -r me _ </proc/self/stat
  if ! mkdir -p "$ctx" "$state/build"; then
    take "$5" /dev/null
    refuse "workspace $1"
    exit 0
  fi
  hold "$2" "$3" || exit 0
  # Leftovers of agents that were killed.
  set +f
  rm -rf "$state"/tmp.*
  set -f
  tmp=$state/tmp.$me
  mkdir "$tmp" "$tmp/0" "$tmp/1"
  take "$5" "$state/build.sh"
  [ -s "$state/id" ] || echo "$4" >"$state/id"
  version=$(/kaniko/executor version)
  if [ $? -ne 0 ]; then refuse "executor $version"; exit 0; fi
  running=
  if [ -f "$state/build/id" ] && [ ! -f "$state/build/exit" ]; then
    read -r running <"$state/build/id"
    # A build whose driver is gone will never write its exit.
    read -r d_pid d_start <"$state/build/driver"
    [ "$(started "$d_pid")" = "$d_start" ] || running=
  fi
  printf '%s\n' "$(cat "$state/id")" "${version##*: }" "${running:--}" >"$tmp/hello"
  answer "$tmp/hello"
}

enter() { # TARGET
  [ ! -L "$ctx/$1" ] && mkdir -p "$ctx/$1" && cd "$ctx/$1"
}

list() { # TARGET
  enter "$1" || { refuse "cannot open $1"; return; }
  find . -print0 >"$tmp/names"
  each "$tmp/names" stat -c '%f %s %Z %i %z' -- >"$tmp/stats"
  answer "$tmp/names" "$tmp/stats"
}

hashes() { # DIRECTORY with the names of files and of links
  each "$1/files" sha256sum -- >"$1/hashes"
  each "$1/links" sh -c 'for p; do readlink -n -- "$p"; printf "\0"; done' sh >"$1/targets"
}

# The reading back of one change goes on while the next one arrives. It answers for itself; whatever answers after it
# waits for it first.
reading=
finish() {
  [ -n "$reading" ] && wait "$reading"
  reading=
}

contents() { # TARGET FILES_BYTES LINKS_BYTES
  turn=$((1 - turn)) d=$tmp/$turn
  take "$2" "$d/files"
  take "$3" "$d/links"
  if ! enter "$1"; then
    finish
    refuse "cannot open $1"
  elif [ -z "$reading" ]; then
    (
      trap - EXIT
      hashes "$d"
      answer "$d/hashes" "$d/targets"
    ) &
    reading=$!
  else
    # Two at once: there is more than one processor.
    hashes "$d"
    finish
    answer "$d/hashes" "$d/targets"
  fi
}

# The archive comes in pieces, each announced by its size, so that its length need not be known beforehand.
unpack() {
  IFS= read -r n && [ "$n" -gt 0 ] || return 0
  while :; do
    dd bs=65536 iflag=fullblock,count_bytes count="$n"
    IFS= read -r n && [ "$n" -gt 0 ] || break
  done | {
    tar -x -f - 2>"$tmp/err"
    code=$?
    cat >/dev/null
    exit $code
  }
}

# Nothing is written or removed through a symbolic link that somebody put in the place of a directory.
guard() { # PARENTS_FILE
  each "$1" sh -c 'for p; do [ -L "$p" ] && exit 1; done; exit 0' sh
}

# Content that the mirror has already is not sent again: it is put aside before anything is removed…
stage() { # TARGET BASE SOURCES_BYTES
  take "$3" "$tmp/sources"
  mkdir -p "$tmp/stage"
  if enter "$1" && each "$tmp/sources" sh -c 'i=$1 to=$2; shift 2; for p; do cp -p "$p" "$to/$i" || exit 1; i=$((i + 1)); done' \
    sh "$2" "$tmp/stage" 2>"$tmp/err"; then
    echo ok
  else
    refuse_file "$tmp/err"
  fi
}

# … and takes its new place when the directories are there.
place() { # TARGET BASE FILES_BYTES EXECUTABLES_BYTES PARENTS_BYTES
  take "$3" "$tmp/files"
  take "$4" "$tmp/executables"
  take "$5" "$tmp/parents"
  : >"$tmp/links"
  if enter "$1" && guard "$tmp/parents" 2>"$tmp/err" &&
    each "$tmp/files" sh -c 'i=$1 from=$2; shift 2; for p; do mv -f "$from/$i" "$p" || exit 1; i=$((i + 1)); done' \
      sh "$2" "$tmp/stage" 2>"$tmp/err" &&
    each "$tmp/files" chmod 0644 && each "$tmp/executables" chmod 0755; then
    each "$tmp/files" stat -c '%f %s %Z %i %z' -- >"$tmp/stats"
    hashes "$tmp"
    answer "$tmp/stats" "$tmp/hashes" "$tmp/targets"
  else
    refuse_file "$tmp/err"
  fi
}

# Removals first: busybox tar fails on a file that became a directory and writes through a symbolic link that was one.
apply() { # TARGET PARENTS_BYTES REMOVE_BYTES FILES_BYTES DIRS_BYTES LINKS_BYTES LONG_LINKS_BYTES, then the archive
  turn=$((1 - turn)) d=$tmp/$turn
  take "$2" "$d/parents"
  take "$3" "$d/remove"
  take "$4" "$d/files"
  take "$5" "$d/dirs"
  take "$6" "$d/links"
  take "$7" "$d/long"
  : >"$tmp/err"
  failed=
  enter "$1" || failed=1
  if [ -z "$failed" ] && ! guard "$d/parents"; then
    echo "a directory of the mirror was replaced by a symbolic link" >"$tmp/err"
    failed=1
  fi
  if [ -z "$failed" ] && [ -s "$d/remove" ]; then
    each "$d/remove" rm -rf -- 2>"$tmp/err" || failed=1
  fi
  if [ -n "$failed" ]; then
    # The archive is on its way already and must be consumed.
    while IFS= read -r n && [ "$n" -gt 0 ]; do take "$n" /dev/null; done
  else
    unpack || failed=1
  fi
  if [ -z "$failed" ] && [ -s "$d/long" ]; then
    each "$d/long" -n 2 ln -s -f -n -- 2>"$tmp/err" || failed=1
  fi
  finish
  if [ -n "$failed" ]; then refuse_file "$tmp/err"; return; fi
  (
    trap - EXIT
    cat "$d/files" "$d/dirs" "$d/links" | xargs -0 -r stat -c '%f %s %Z %i %z' -- >"$d/stats"
    hashes "$d"
    answer "$d/stats" "$d/hashes" "$d/targets"
  ) &
  reading=$!
}

# One file into a directory that is there: what a person waits for after each save, so as few processes as possible.
save() { # TARGET BYTES MODE MTIME, then a line with the path, then the bytes
  IFS= read -r path || exit 0
  take "$2" "$tmp/save"
  : >"$tmp/err"
  if enter "$1"; then
    dir=. rest=$path
    while [ "$rest" != "${rest#*/}" ]; do
      dir=$dir/${rest%%/*} rest=${rest#*/}
      if [ -L "$dir" ] || [ ! -d "$dir" ]; then
        refuse "a directory of the mirror was replaced"
        return
      fi
    done
    [ "$3" = 644 ] || chmod "0$3" "$tmp/save"
    if [ ! -d "./$path" ] && touch -d "@$4" "$tmp/save" && mv -f "$tmp/save" "./$path" 2>"$tmp/err"; then
      found=$(stat -c '%f %s %Z %i %z' "./$path")
      hash=$(sha256sum "./$path")
      printf 'ok %d 64\n%s\n%.64s' "$((${#found} + 1))" "$found" "${hash#\\}"
      return
    fi
  fi
  refuse_file "$tmp/err"
}

put() { # NAME BYTES (-1: remove it); a name holds no spaces and stays below the state directory
  file=$state/$1
  if [ "$2" -lt 0 ]; then
    rm -f "$file"
    echo ok
    return
  fi
  mkdir -p "${file%/*}"
  take "$2" "$file"
  if [ "$(size "$file")" = "$2" ]; then echo ok; else refuse "No space left for $1"; fi
}

start_build() { # ID ARGV_BYTES
  take "$2" "$tmp/argv"
  (
    cd /
    exec setsid xargs -0 sh "$state/build.sh" "$state" "$1" <"$tmp/argv" >/dev/null 2>&1 3>&-
  ) &
  # The driver has taken the argv when it says that it began, or that it cannot.
  n=0
  until [ "$(cat "$state/build/id")" = "$1" ]; do
    n=$((n + 1))
    if [ $n -gt 3000 ]; then refuse "the build did not start"; return; fi
    sleep 0.01
  done
  echo ok
}

follow() { # ID OFFSET
  [ -n "$follower" ] && kill -9 "$follower"
  if [ "$(cat "$state/build/id")" != "$1" ]; then refuse "unknown $1"; return; fi
  (
    trap - EXIT
    exec </dev/null >&3 4<>"$state/build/bell"
    offset=$2 log=$state/build/log looks=0
    read -r d_pid d_start <"$state/build/driver"
    while :; do
      ended=
      [ -f "$state/build/exit" ] && ended=1
      more=$(($(size "$log") - offset))
      if [ $more -gt 0 ]; then
        [ $more -gt 262144 ] && more=262144
        echo "data $offset $more"
        dd if="$log" bs=65536 iflag=fullblock,skip_bytes,count_bytes skip="$offset" count="$more"
        offset=$((offset + more))
      elif [ -n "$ended" ]; then
        echo "exit $1 $(cat "$state/build/exit")"
        exit 0
      else
        # Rung when the build ends; otherwise this is the pause between two looks at the log.
        read -t 0.1 -r _ <&4
        looks=$((looks + 1))
        # A driver that was killed, with its container for example, says nothing.
        if [ $((looks % 10)) -eq 0 ] && [ "$(started "$d_pid")" != "$d_start" ] && [ ! -f "$state/build/exit" ]; then
          echo "exit $1 137 -"
          exit 0
        fi
      fi
    done
  ) &
  follower=$!
  echo ok
}

# Every process of the executor's session, commands of RUN included: they outlive the executor otherwise.
kill_build() { # ID
  n=0
  if [ "$(cat "$state/build/id")" = "$1" ]; then
    read -r sid <"$state/build/session"
    while [ -n "$sid" ] && [ $n -lt 200 ]; do
      alive=
      set +f
      for p in /proc/[0-9]*/stat; do
        { IFS= read -r stat_line <"$p"; } || continue
        set -- "${stat_line%% *}" ${stat_line##*) }
        # Fields after the name: state, parent, group, session. Zombies only wait to be reaped.
        if [ "$5" = "$sid" ] && [ "$2" != Z ]; then
          kill -9 "$1"
          alive=1
        fi
      done
      set -f
      [ -z "$alive" ] && break
      n=$((n + 1))
      sleep 0.01
    done
  fi
  if [ $n -lt 200 ]; then echo ok; else refuse "processes of the build could not be killed"; fi
}

docker_config() {
  if cat /kaniko/.docker/config.json >"$tmp/config"; then answer "$tmp/config"; else echo "ok 0"; fi
  rm -f "$tmp/config"
}

echo "agent 1"
while IFS= read -t $idle -r line; do
  set -- $line
  case $1 in apply | contents) ;; *) finish ;; esac
  case $1 in
  ping) echo ok ;;
  hello) shift; hello "$@" ;;
  list) list "$2" ;;
  contents) contents "$2" "$3" "$4" ;;
  apply) shift; apply "$@" ;;
  save) save "$2" "$3" "$4" "$5" ;;
  stage) stage "$2" "$3" "$4" ;;
  place) shift; place "$@" ;;
  put) put "$2" "$3" ;;
  start-build) start_build "$2" "$3" ;;
  follow) follow "$2" "$3" ;;
  kill-build) kill_build "$2" ;;
  docker-config) docker_config ;;
  *) refuse "unknown command"; exit 0 ;;
  esac
done
