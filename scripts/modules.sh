#!/usr/bin/env bash
# Runs a command in the folder of every module below the root's: bench, interop, and whatever else has a
# go.mod of its own, so that a new module is tested and linted without being named anywhere.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files --cached --others --exclude-standard '*/go.mod' | while read -r file; do
  echo "== $(dirname "$file"): $*"
  (cd "$(dirname "$file")" && "$@" </dev/null)
done
