// addgroup and adduser for the Node base image: Debian's busybox is built without them, and
// Dockerfiles for Alpine call them in its spelling, short or long, with options after the name too.

const splitLongOption = `  case $1 in
    --?*=*) option=\${1%%=*} value=\${1#*=}; shift; set -- "$option" "$value" "$@" ;;
  esac`;

export const addgroup = `#!/bin/sh
# addgroup [-g GID] [-S] GROUP, or addgroup USER GROUP
gid= first= second=
while [ $# -gt 0 ]; do
${splitLongOption}
  case $1 in
    -g | --gid) gid=$2; shift ;;
    -S | --system) ;;
    -*) echo "addgroup: unknown option $1" >&2; exit 1 ;;
    *) if [ -z "$first" ]; then first=$1; else second=$1; fi ;;
  esac
  shift
done
[ -n "$first" ] || { echo "addgroup: no group named" >&2; exit 1; }
if [ -n "$second" ]; then
  grep -q "^$second:" /etc/group || { echo "addgroup: unknown group $second" >&2; exit 1; }
  grep -q "^$second:.*[:,]$first\\(,\\|\\$\\)" /etc/group && exit
  exec sed -i "/^$second:/{s/[^:]\\$/&,/;s/\\$/$first/}" /etc/group
fi
grep -q "^$first:" /etc/group && { echo "addgroup: group '$first' in use" >&2; exit 1; }
if [ -z "$gid" ]; then
  gid=101
  while cut -d: -f3 /etc/group | grep -qx "$gid"; do gid=$((gid + 1)); done
fi
echo "$first:x:$gid:" >> /etc/group
`;

export const adduser = `#!/bin/sh
# adduser [-D] [-S] [-H] [-u UID] [-G GROUP] [-h HOME] [-s SHELL] [-g GECOS] USER [GROUP]
uid= group= home= shell= gecos= create=1 system= user=
while [ $# -gt 0 ]; do
${splitLongOption}
  case $1 in
    -u | --uid) uid=$2; shift ;;
    -G | --ingroup) group=$2; shift ;;
    -h | --home) home=$2; shift ;;
    -s | --shell) shell=$2; shift ;;
    -g | --gecos) gecos=$2; shift ;;
    -H | --no-create-home) create= ;;
    -S | --system | -SD | -DS) system=1 ;;
    -D | --disabled-password) ;;
    -*) echo "adduser: unknown option $1" >&2; exit 1 ;;
    *) if [ -z "$user" ]; then user=$1; else exec addgroup "$user" "$1"; fi ;;
  esac
  shift
done
[ -n "$user" ] || { echo "adduser: no user named" >&2; exit 1; }
grep -q "^$user:" /etc/passwd && { echo "adduser: user '$user' in use" >&2; exit 1; }
if [ -z "$uid" ]; then
  if [ -n "$system" ]; then uid=100; else uid=1000; fi
  while cut -d: -f3 /etc/passwd | grep -qx "$uid"; do uid=$((uid + 1)); done
fi
if [ -n "$system" ]; then
  group=\${group:-nogroup} shell=\${shell:-/sbin/nologin}
elif [ -z "$group" ]; then
  group=$user
  addgroup -g "$uid" "$group" || exit
fi
gid=$(grep "^$group:" /etc/group | cut -d: -f3)
[ -n "$gid" ] || { echo "adduser: unknown group $group" >&2; exit 1; }
home=\${home:-/home/$user}
echo "$user:x:$uid:$gid:$gecos:$home:\${shell:-/bin/sh}" >> /etc/passwd
if [ -n "$create" ]; then mkdir -p "$home" && chown "$uid:$gid" "$home"; fi
`;
