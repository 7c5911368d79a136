#!/usr/bin/env bash
# Checks that the packages and their tests compile on macOS, in all modules, and the packages on Windows.
set -euo pipefail
cd "$(dirname "$0")/.."
for module in . bench interop; do
  (cd $module && GOOS=darwin go vet ./...)
done
GOOS=windows go build ./...
