#!/usr/bin/env bash
# Sees to the programs that the tests start: redis-server, redis-cli, and Node.js with npm. As root on a
# Debian-like system it installs what is missing; otherwise it says what to install.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v redis-cli >/dev/null || missing+=(redis-tools)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "the tests need these packages (Debian's names): ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Installing must not start a server of the system's own.
printf '#!/bin/sh\nexit 101\n' >/tmp/policy.$$
if [ ! -e /usr/sbin/policy-rc.d ]; then
  install -m 755 /tmp/policy.$$ /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
rm -f /tmp/policy.$$
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
