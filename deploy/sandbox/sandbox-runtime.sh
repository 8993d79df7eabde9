#!/bin/sh
# Starts a command in @anthropic-ai/sandbox-runtime (a research preview; `srt` on the PATH, with bubblewrap, socat and ripgrep).
# The words are those of bubblewrap.sh; before the last one, "--domain", NAME lets tools reach a host through its proxy.
#
# Against bubblewrap.sh: tools may reach the named domains, and nothing else; for that each claude has a Node process and a
# proxy of its own beside it, and the environment of tools has some thirty variables more. All of it may write /tmp/claude, of
# whatever tenant: so it is for tenants that trust each other.
set -eu
workspace=$1 cwd=$2 home=$3 config=$4 tmp=$5 claude=$6 node=$7 port=$8 socket=$9
shift 9
here=$(dirname "$0")
domains=
while [ "$1" != -- ]; do
  [ "$1" = --domain ] || { echo "sandbox-runtime.sh: $1 is neither --domain nor --" >&2; exit 64; }
  domains="$domains${domains:+, }\"$2\""
  shift 2
done
shift
read="\"/usr\", \"/bin\", \"/sbin\", \"/lib\", \"/lib64\", \"/etc/ssl\", \"/etc/ld.so.cache\", \"/etc/passwd\", \"/etc/group\",
  \"/etc/alternatives\", \"/etc/nsswitch.conf\", \"/etc/hosts\", \"${claude%/*}\", \"$node\", \"$here\", \"${socket%/*}\""
write="\"$workspace\", \"$home\", \"$config\", \"$tmp\""
cat > "$config/.srt.json" <<JSON
{
  "filesystem": { "denyRead": ["/"], "allowRead": [$read, $write], "allowWrite": [$write], "denyWrite": [] },
  "network": { "allowedDomains": [$domains], "deniedDomains": [], "allowAllUnixSockets": true }
}
JSON
cd "$cwd"
exec srt --settings "$config/.srt.json" -- "$node" "$here/bridge.mjs" "$port" "$socket" "$@"
