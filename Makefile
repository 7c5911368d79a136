# Every target runs from a fresh clone; tools are installed into bin/ at the versions given here.

GOTESTSUM   := gotest.tools/gotestsum@v1.13.0
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
export GOBIN := $(CURDIR)/bin

FUZZTIME  ?= 20s
BENCH     ?= .
COUNT     ?= 5
BENCHTIME ?= 1s
BENCHFLAGS ?=

.PHONY: help test test-all lint bench memory fuzz cover servers receivers fmt

## help: the targets, of which plain make shows this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | awk '{name = $$1; $$1 = ""; printf "  %-10s%s\n", substr(name, 1, length(name)-1), $$0}'

## test: installs what the tests need (gcc, Redis, Node.js, Chromium, Prometheus) and runs all of them, with -race
test: servers bin/gotestsum
	@scripts/receivers.sh
	@WEBHOOK_TEST_SERVERS=require scripts/modules.sh go test -race ./...
	WEBHOOK_TEST_SERVERS=require bin/gotestsum --format pkgname -- -race -p 1 -timeout 30m ./...

## test-all: everything that a change must pass: lint, fuzzing for FUZZTIME a target, and the tests
test-all: lint
	scripts/fuzz.sh $(FUZZTIME)
	$(MAKE) test

## servers: what tests need beside Go: Redis, Node.js for SQS and Pusher's library, promtool, gcc for -race
servers:
	@scripts/servers.sh

## receivers: the tests with all of Pusher's libraries that run here; fails if one cannot be installed
receivers: servers
	@scripts/receivers.sh require
	cd interop && WEBHOOK_TEST_SERVERS=require WEBHOOK_TEST_RECEIVERS=require go test -race ./...

## lint: formatting, vet, layers, the rest of .golangci.yml, lines of 100 columns; and that all compiles for other systems
lint: bin/golangci-lint
	bin/golangci-lint run ./...
	@scripts/modules.sh $(GOBIN)/golangci-lint run ./...
	@git ls-files --cached --others --exclude-standard '*.go' '*.md' | go run ./internal/wrapcheck
	@scripts/systems.sh

fmt: bin/golangci-lint
	bin/golangci-lint fmt ./...

## bench: the whole way beside net/http and peers, into docs/benchmarks.md and its chart, then every benchmark;
## BENCH=regexp COUNT=n BENCHTIME=t to choose, BENCHFLAGS=-short for a first look
bench: servers
	cd bench && go run . -all -rounds $(COUNT) -write ../docs $(BENCHFLAGS)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -benchtime $(BENCHTIME) -timeout 60m ./...

## memory: the bounds, the live heap and the peak of memory of each queue at full speed
memory:
	cd bench && go run . -memory

## fuzz: each fuzz target for FUZZTIME
fuzz:
	@scripts/fuzz.sh $(FUZZTIME)

## cover: coverage of the whole module, as cover.html
cover: servers
	WEBHOOK_TEST_SERVERS=require go test -coverpkg ./... -coverprofile cover.out ./...
	go tool cover -html cover.out -o cover.html
	go tool cover -func cover.out | tail -1

bin/gotestsum:
	go install $(GOTESTSUM)

bin/golangci-lint:
	go install $(GOLANGCI)
