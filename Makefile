# `make` or `make help` lists the targets. Building needs Go alone; the tests
# also need Python 3.11 or newer, whose readers (DuckDB, pyarrow) come by a lock
# file into .venv and .venv-s3 and Airflow into .airflow, and npm, with which a
# ClickHouse comes into .clickhouse.
# Every target can be run again and costs little when nothing has changed.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help

TOOL  := go tool -modfile=tools.mod
VENV  := .venv
AIRFLOW := .airflow
COUNT ?= 6
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
BENCH ?= .

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: demo
demo: build ## a whole project from a stand-in API into Parquet, and what to query there
	@bash test/readers/install.sh --optional $(VENV)
	@go run ./test/demo

.PHONY: demo-clickhouse
demo-clickhouse: build clickhouse-server ## the same into a real ClickHouse, and three questions to it
	@go run ./test/demo -clickhouse

.PHONY: test
test: lint test-go test-readers test-s3 test-dashboard test-deploy ## everything that CI runs

.PHONY: test-go
test-go: clickhouse s3-server ## the Go tests, with the race detector, in random order
	@bash test/chaos/install.sh
	@bash test/page/install.sh
	$(TOOL) gotestsum --format pkgname -- -race -shuffle=on -tags=assert -pgo=off -timeout=30m ./...

.PHONY: test-s3
test-s3: build clickhouse-server s3-server ## a published bucket read by DuckDB, pyarrow, polars and ClickHouse
	@bash test/readers/install.sh $(VENV)-s3 test/s3/requirements.lock "the readers of S3"
	$(VENV)-s3/bin/python -m pytest -q test/s3

.PHONY: test-spark
test-spark: build ## a snapshot read by Spark (needs Java 17; 480 MB to fetch; not in CI)
	@SOURCE=pyspark bash test/readers/install.sh $(VENV)-spark test/spark/requirements.lock Spark
	$(VENV)-spark/bin/python -m pytest -q test/spark

.PHONY: test-readers
test-readers: build readers clickhouse-server ## published tables read by DuckDB, pyarrow and ClickHouse, against the truth
	$(VENV)/bin/python -m pytest -q test/readers test/bench

.PHONY: test-deploy
test-deploy: build airflow ## deploy/: the DAGs in a real Airflow, cron, systemd's opinion, 300 pipelines
	@bash test/chaos/install.sh
	@bash test/deploy/install.sh
	$(AIRFLOW)/bin/python -m pytest -q test/airflow test/deploy

.PHONY: test-dashboard
test-dashboard: ## the dashboard against Grafana's own types
	@bash test/grafana/check.sh .grafana

.PHONY: test-image
test-image: build ## the container, built and run by buildah (Debian, root): not part of make test
	@bash test/deploy/image.sh

.PHONY: lint
lint: ## go vet, the import rules and the house style
	go mod verify
	go mod tidy -diff
	$(TOOL) golangci-lint run --allow-serial-runners ./...

SEEDS ?= 1000
.PHONY: chaos
chaos: clickhouse s3-server ## try to make it lie: SEEDS schedules in process, 300 and more kills of the program, clocks that are set, 100 worlds with ClickHouse, 100 with S3 (docs/chaos.md)
	@bash test/chaos/install.sh
	go test ./test/chaos -count=1 -v -timeout=120m -run='^TestChaos$$' -chaos.seeds=$(SEEDS) $(ARGS) | grep -v -e '^=== ' -e '--- PASS: TestChaos/'
	go test ./test/chaos -count=1 -v -timeout=120m -run='^TestProgram$$' -chaos.programs=60 -chaos.kills=6 $(ARGS) | grep -v -e '^=== ' -e '--- PASS: TestProgram/'
	go test ./test/chaos -count=1 -v -timeout=120m -run='^TestClocks$$' -chaos.clocks=20 $(ARGS) | grep -v -e '^=== ' -e '--- PASS: TestClocks/'
	go test ./test/chaos -count=1 -v -timeout=120m -run='^TestS3$$' -chaos.s3=100 $(ARGS) | grep -v -e '^=== ' -e '--- PASS: TestS3/'
	go test ./test/chaos -count=1 -v -timeout=120m -run='^TestClickHouse$$' -chaos.clickhouse=100 $(ARGS) | grep -v -e '^=== ' -e '--- PASS: TestClickHouse/'

.PHONY: chaos-mutants
chaos-mutants: clickhouse s3-server ## break copies of the program and see that the checker finds each: ARGS='-only NAME'
	go run ./test/chaos/mutants $(ARGS)

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## every fuzz target in turn, FUZZTIME (1m) each; what one finds goes to its testdata/fuzz
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(go test -list='^Fuzz' $$p | grep '^Fuzz'); do \
			echo "== $$p $$f"; \
			go test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1s $(ARGS) $$p; \
		done; \
	done

.PHONY: bench
bench: build readers clickhouse-server ## the figures of docs/performance.md, side by side (about ten minutes)
	go run ./test/bench $(ARGS)

.PHONY: profile
profile: build readers clickhouse-server ## take the profile by which the compiler optimizes the program anew
	go run ./test/bench -profile cmd/roistat-etl/default.pgo

.PHONY: bench-go
bench-go: ## the packages' own benchmarks: BENCH=regexp, COUNT=runs
	@mkdir -p data
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) -timeout=60m ./... | tee data/bench.txt
	$(TOOL) benchstat data/bench.txt

# The go command keeps its own account of what has changed.
.PHONY: build
build: ## bin/roistat-etl and bin/roistat-sim
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)+$(COMMIT)' -o bin/ ./cmd/...

ARCHS ?= amd64 arm64
.PHONY: packages
packages: ## dist/: tar.gz, .deb and .rpm with man pages and completions, for ARCHS (amd64 arm64)
	@VERSION=$(VERSION) COMMIT=$(COMMIT) bash deploy/packages/build.sh dist $(ARCHS)

.PHONY: clickhouse
clickhouse: ## a ClickHouse for the tests and the demo into .clickhouse, by hash (needs npm)
	@bash test/clickhouse/install.sh .clickhouse

.PHONY: clickhouse-server
clickhouse-server: clickhouse
	@CGO_ENABLED=0 go build -o .clickhouse/server ./test/clickhouse/server

.PHONY: s3-server
s3-server: ## an S3 server for the tests into .s3, by hash
	@bash test/s3/install.sh .s3

.PHONY: readers
readers: ## DuckDB and pyarrow into .venv, by hash
	@bash test/readers/install.sh $(VENV)

.PHONY: airflow
airflow: ## Airflow into .airflow, by hash
	@bash test/airflow/install.sh $(AIRFLOW)

.PHONY: lock
lock: readers ## write the lock files of the Python environments anew from requirements.in
	bash test/readers/lock.sh $(VENV) test/readers test/airflow test/s3 test/spark

.PHONY: clean
clean: ## remove what make has made
	rm -rf bin dist $(VENV) $(VENV)-s3 $(VENV)-spark $(AIRFLOW) .clickhouse .s3 .grafana data/bench.txt data/demo-*
