#!/usr/bin/env bash
# Runs the fuzz targets of the module for the given time each: all of them, or those whose names match
# the second argument. FuzzEmitter, which drives a whole Emitter, gets a minute at least.
set -euo pipefail
time=${1:-20s}
wanted=${2:-^Fuzz}
for pkg in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' | grep -E "$wanted" || true); do
    for_target=$time
    if [[ $target == FuzzEmitter && $time =~ ^[0-9]+s$ && ${time%s} -lt 60 ]]; then
      for_target=60s
    fi
    echo "== $pkg $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$for_target" "$pkg"
  done
done
