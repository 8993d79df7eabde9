#!/bin/sh
# Needs curl and jq. FLEET_URL and FLEET_API_KEY are set.
set -eu
call() {
  # --retry comes back after 429 and 503, and waits as long as Retry-After says. --fail-with-body: other errors end it.
  curl --silent --show-error --fail-with-body --retry 5 --max-time 90 --header "Authorization: Bearer $FLEET_API_KEY" "$@"
}

# Without an Idempotency-Key a retry could make a second job.
id=$(call "$FLEET_URL/v1/jobs" --header 'Content-Type: application/json' --header 'Idempotency-Key: order-4711-curl' \
  --data '{"prompt": "Say hello"}' | jq --raw-output .id)

# What happens, from the first event to the last; the connection closes after it. `?after=SEQ` goes on after a break.
call --no-buffer --max-time 3600 "$FLEET_URL/v1/jobs/$id/events" | sed -n 's/^data: //p' |
  jq --unbuffered --join-output 'select(.type == "text") | .text'

# The outcome: 202 and no `result` or `error` while it has not ended, so ask again.
call "$FLEET_URL/v1/jobs/$id/result?wait=60" | jq '{state, text: .result.text, error: .error.code}'

# Cancel: a waiting job never starts, a running one is interrupted, an ended one stays as it is.
call --request DELETE "$FLEET_URL/v1/jobs/$id" | jq --raw-output .state
