#!/bin/sh
# Starts a command in a sandbox of bubblewrap (Debian: apt-get install bubblewrap; no root where the kernel lets users make
# namespaces). To be named by FLEET_SPAWN_WRAPPER, in one line:
#
#   ["/opt/claude-fleet/deploy/sandbox/bubblewrap.sh", "{workspace}", "{cwd}", "{home}", "{config}", "{tmp}",
#    "{claude}", "{node}", "{proxyPort}", "{proxySocket}", "--"]
#
# In there are the programs of the host, read-only; the tenant's workspace and HOME; the process's own configuration and
# temporary folder. Nothing else: no other tenant, nothing of the worker, no /root, /home, /var or /run, no process of the
# host. Its network is a loopback of its own, on which the worker's proxy to the API of the model is at its usual port.
#
# Before the last word: "--ro", PATH for a further folder, read-only; "--net", "host" for the network of the host, which then
# is for you to guard: Redis, the metadata address of a cloud and all else that listens can be reached.
set -eu
workspace=$1 cwd=$2 home=$3 config=$4 tmp=$5 claude=$6 node=$7 port=$8 socket=$9
shift 9
here=$(dirname "$0")
net=own extra=
while [ "$1" != -- ]; do
  case $1 in
    --ro) extra="$extra$2
" ;;
    --net) net=$2 ;;
    *) echo "bubblewrap.sh: $1 is neither --ro, --net nor --" >&2; exit 64 ;;
  esac
  shift 2
done
shift

# Laid from the inside to the outside: what comes later in the list of bwrap is mounted over what is before it.
if [ "$net" = own ] && [ -n "$port" ]; then
  set -- --ro-bind "$socket" "$socket" --ro-bind "$here/bridge.mjs" "$here/bridge.mjs" --remount-ro / --chdir "$cwd" \
    -- "$node" "$here/bridge.mjs" "$port" "$socket" "$@"
else
  set -- --remount-ro / --chdir "$cwd" -- "$@"
fi
if [ "$net" = host ]; then
  set -- --share-net --ro-bind-try /etc/resolv.conf /etc/resolv.conf "$@"
fi
set -- --bind "$config" "$config" --bind "$tmp" "$tmp" "$@"
# Other processes of the tenant have their folders below its HOME.
set -- --bind "$workspace" "$workspace" --bind "$home" "$home" --tmpfs "$home/sessions" "$@"
set -- --ro-bind "${claude%/*}" "${claude%/*}" --ro-bind "$node" "$node" "$@"
IFS='
'
for path in $extra; do set -- --ro-bind "$path" "$path" "$@"; done
unset IFS
# Of /etc what programs cannot do without, and nothing that is a secret.
for name in alternatives ca-certificates ca-certificates.conf group host.conf hosts ld.so.cache ld.so.conf \
  ld.so.conf.d localtime login.defs mime.types nsswitch.conf passwd pki protocols services ssl terminfo timezone; do
  set -- --ro-bind-try "/etc/$name" "/etc/$name" "$@"
done
for path in /bin /sbin /lib /lib32 /lib64 /libx32; do
  if [ -L "$path" ]; then
    set -- --symlink "$(readlink "$path")" "$path" "$@"
  elif [ -d "$path" ]; then
    set -- --ro-bind "$path" "$path" "$@"
  fi
done
exec bwrap --unshare-all --unshare-user --disable-userns --die-with-parent --new-session --cap-drop ALL --hostname sandbox \
  --dev /dev --proc /proc --tmpfs /tmp --tmpfs /run --tmpfs /var/tmp --ro-bind /usr /usr "$@"
