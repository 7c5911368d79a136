#!/usr/bin/env bash
# Runs the fuzz targets of all modules for the given time each, two at a time: all of them, or those
# whose names match the second argument. FuzzEmitter, which drives a whole Emitter, gets a minute at
# least. What a target found is in its package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
wanted=${2:-^Fuzz}

# fuzz_one FOLDER TARGET runs one target and prints its last lines.
fuzz_one() {
  local length=$time log
  [[ $2 == FuzzEmitter && $time =~ ^[0-9]+s$ && ${time%s} -lt 60 ]] && length=60s
  log=$(mktemp)
  if (cd "$1" && go test -run '^$' -fuzz "^$2\$" -fuzztime "$length" -parallel 2 .) >"$log" 2>&1; then
    echo "== $1 $2: $(grep '^fuzz: elapsed' "$log" | tail -1)"
    rm -f "$log"
    return
  fi
  # The engine reports its own deadline as a failure when it ends in the middle of an input
  # (https://go.dev/issue/75804); an input that fails is always written to a file.
  if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; then
    echo "== $1 $2: ended at its deadline"
    rm -f "$log"
    return
  fi
  echo "== $1 $2: FAILED"
  cat "$log"
  rm -f "$log"
  return 1
}
export -f fuzz_one
export time

git ls-files --cached --others --exclude-standard '*_test.go' |
  xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' /dev/null |
  sed -E 's|^([^/]+):func |./\1:func |; s|/[^/:]+:func | |' |
  awk -v wanted="$wanted" '$2 ~ wanted' |
  xargs -P 2 -L 1 bash -c 'fuzz_one "$@"' fuzz
