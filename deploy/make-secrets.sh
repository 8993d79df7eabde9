#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, in ./secrets, and prints what a person has to keep: the API key and
# the password of the operators' site. Only the key's hash is stored. What is there already is left alone.
# Usage: ANTHROPIC_API_KEY=... sh deploy/make-secrets.sh [TENANT]
set -eu
tenant=${1:-default}
folder=secrets
# The folder keeps others out. The files are readable, because the user of a container is not the user here.
umask 077
mkdir -p "$folder"

put() {
  cat > "$folder/$1.new"
  chmod 444 "$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
}

if [ ! -e "$folder/redis_url" ]; then
  password=$(openssl rand -hex 32)
  printf 'requirepass %s\n' "$password" | put redis_auth
  printf 'redis://default:%s@redis:6379\n' "$password" | put redis_url
fi
if [ ! -e "$folder/job_key" ]; then
  openssl rand -hex 32 | put job_key
fi
if [ ! -e "$folder/api_keys" ]; then
  key=$(openssl rand -hex 32)
  hash=$(printf %s "$key" | openssl dgst -sha256 -r | cut -d' ' -f1)
  printf '%s:%s:enqueue+read+admin\n' "$tenant" "$hash" | put api_keys
  echo "FLEET_API_KEY=$key"
fi
if [ ! -e "$folder/admin_password" ]; then
  password=$(openssl rand -hex 16)
  printf '%s\n' "$password" | put admin_password
  echo "FLEET_ADMIN_PASSWORD=$password"
fi
if [ ! -e "$folder/anthropic_api_key" ]; then
  if [ -n "${ANTHROPIC_API_KEY:-}" ]; then
    printf '%s\n' "$ANTHROPIC_API_KEY" | put anthropic_api_key
  else
    echo "now put the worker's key into $folder/anthropic_api_key (chmod 444)" >&2
  fi
fi
