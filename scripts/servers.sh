#!/usr/bin/env bash
# Sees to the programs that the tests need beside Go: redis-server, redis-cli, Node.js with npm, promtool, Chromium, and
# the C compiler of the race detector. On a Debian-like system it installs what is missing, as root or
# by sudo; elsewhere it says what to install.
set -euo pipefail
. "$(dirname "$0")/packages.sh"

need redis-server redis-server
need redis-cli redis-tools
need node nodejs
need npm npm
need promtool prometheus
need chromium chromium
if [ "$(go env GOOS)" != darwin ]; then # there -race does without
  compiler=$(go env CC)
  need "${compiler%% *}" gcc libc6-dev
fi
install_missing "the tests"

if [ "$(go env GOOS)" != darwin ] && [ "$(go env CGO_ENABLED)" != 1 ]; then
  echo "the race detector needs cgo: unset CGO_ENABLED, or set it to 1" >&2
  exit 1
fi
