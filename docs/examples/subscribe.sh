#!/bin/sh
# usage: subscribe.sh JOB_ID. Needs redis-cli and jq. REDIS_URL is set.
set -eu
prefix=${FLEET_PREFIX:-fleet}
folder=$(mktemp -d)
trap 'kill "$subscriber" 2>/dev/null || :; rm -rf "$folder"' EXIT

# 1. Subscribe, and wait until Redis has confirmed it.
mkfifo "$folder/live"
redis-cli --no-auth-warning -u "$REDIS_URL" SUBSCRIBE "$prefix:events:$1" > "$folder/live" &
subscriber=$!
exec 3< "$folder/live"
until [ "${line:-}" = 1 ]; do read -r line <&3; done

# 2. Then read the log. What was published meanwhile waits in the pipe, and is the same as the end of the log.
{
  redis-cli --no-auth-warning -u "$REDIS_URL" XRANGE "$prefix:log:$1" - +
  cat <&3
} | grep --line-buffered '^\[' | {
  # 3. One line is one batch of events. Drop what was seen, say what is missing, stop after the last.
  jq --unbuffered --compact-output --null-input '
    foreach (inputs | .[]) as $event ({last: 0};
      if $event.seq <= .last then .show = []
      else
        .show = [if $event.seq > .last + 1 then {type: "gap", from: (.last + 1), to: ($event.seq - 1)} else empty end, $event]
        | .last = $event.seq
      end;
      .show[])
    | ., if .type == "completed" or .type == "failed" or .type == "cancelled" then halt else empty end'
  kill "$subscriber"
}
