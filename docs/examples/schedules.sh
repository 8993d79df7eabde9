#!/bin/sh
# Needs curl and jq. FLEET_URL and FLEET_API_KEY are set.
set -eu
call() {
  path=$1 && shift
  curl --silent --show-error --fail-with-body --max-time 90 --header "Authorization: Bearer $FLEET_API_KEY" \
    --header 'content-type: application/json' "$FLEET_URL/v1/$path" "$@"
}

id=$(call schedules --data '{"cron": "@hourly", "overlap": "replace", "job": {"prompt": "Say hello"}}' | jq -r .id)
call "schedules/$id" | jq -c '{enabled, overlap, timeZone, due: (.nextRunAt > now * 1000)}'

job=$(call "schedules/$id/run" --request POST | jq -r .id)
call "jobs/$job/result?wait=60" | jq -r '.result.text'
call "schedules/$id/history" | jq -c '.items[] | {trigger, outcome}'

call "schedules/$id" --request PATCH --data '{"enabled": false}' | jq -c '{enabled, nextRunAt}'
call "schedules/$id" --request DELETE
