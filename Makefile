# Every target with a description after ## is listed by `make help`.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GOFUMPT_VERSION := v0.12.0
GOLANGCI_LINT_VERSION := v2.15.0
FUZZTIME ?= 30s

TOOLS := $(CURDIR)/bin/tools
GOFUMPT := $(TOOLS)/gofumpt-$(GOFUMPT_VERSION)
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)

# The parser's C code brings its own strchrnul; recent macOS has one, too.
ifeq ($(shell uname -s),Darwin)
export CGO_CFLAGS += -DHAVE_STRCHRNUL
endif

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/pgjanus
	go build -trimpath -o bin/pgjanus ./cmd/pgjanus

.PHONY: test
test: ## run every test against a real Postgres, with the race detector
	scripts/need.sh postgres
	go test -race -timeout 60m ./...

.PHONY: test-matrix
test-matrix: ## run every test on Postgres 13 to 18, or on VERSIONS="13 18"
	scripts/matrix.sh $(VERSIONS)

.PHONY: race
race: ## the races, flips and kills, 30 s at each isolation level
	scripts/need.sh postgres
	PGJANUS_RACE=30s go test -race -timeout 25m -count=1 -v -run 'Drift|HalfWrite' ./test

.PHONY: lint
lint: $(GOFUMPT) $(GOLANGCI_LINT) ## check formatting, go vet, golangci-lint
	@unformatted="$$($(GOFUMPT) -l .)" || exit 1; \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted (run $(GOFUMPT) -w on them):"; echo "$$unformatted"; exit 1; \
	fi
	go vet ./...
	$(GOLANGCI_LINT) run ./...

.PHONY: demo
demo: build ## three migrations under load on a throw-away Postgres; KEEP=1 leaves it up
	$(if $(PGJANUS_DEMO_DSN),,scripts/need.sh postgres)
	bin/pgjanus demo $(if $(KEEP),--keep)

.PHONY: bench
bench: ## compare with Postgres alone, PgBouncer, a trigger and the application
	scripts/need.sh postgres pgbench pgbouncer
	go run ./bench

.PHONY: fuzz
fuzz: ## run every fuzz target, and random statements, for FUZZTIME (30s) each
	scripts/need.sh postgres
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin demo-report.json

$(GOFUMPT):
	GOBIN=$(TOOLS) go install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv $(TOOLS)/gofumpt $@

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@
