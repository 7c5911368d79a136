#!/usr/bin/env bash
# Installs the official Pusher libraries for Python, Ruby and PHP, at the versions given here and with the package
# managers of those languages, into bin/receivers. The tests in interop/ give them deliveries. On a Debian-like system it
# installs the languages too. What cannot be had is told and left out, unless the first argument is "require".
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

python=3.3.3 ruby=2.1.0 php=7.2.7
failed=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

get_python() {
  python3 -m pip install --quiet --no-input --disable-pip-version-check --retries 0 --timeout 30 --target "$1" "pusher==$python"
}

get_ruby() { gem install --no-document --install-dir "$1" pusher --version "$ruby"; }

get_php() { composer require --quiet --no-interaction --no-audit --working-dir "$1" "pusher/pusher-php-server:$php"; }

# get LANGUAGE VERSION: fills bin/receivers/LANGUAGE, unless that version is there.
get() {
  local dir=bin/receivers/$1
  [ "$(cat "$dir/version" 2>/dev/null)" = "$2" ] && return
  rm -rf "$dir"
  mkdir -p "$dir.new"
  if install_missing "the official Pusher library for $1" && "get_$1" "$PWD/$dir.new" >"$log" 2>&1; then
    echo "$2" >"$dir.new/version"
    mv "$dir.new" "$dir"
  else
    head -5 "$log" >&2
    failed+=("$1")
  fi
  rm -rf "$dir.new"
  missing=()
}

need python3 python3
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
get python $python
need gem ruby
get ruby $ruby
need php php-cli php-curl
need composer composer unzip
COMPOSER_ALLOW_SUPERUSER=1 get php $php

[ ${#failed[@]} -eq 0 ] && exit
echo "could not install the official Pusher library for: ${failed[*]}" >&2
if [ "${1:-}" = require ]; then exit 1; fi
echo "make test skips the tests with these" >&2
