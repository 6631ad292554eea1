# SPDX-License-Identifier: Apache-2.0
# The façade: every job a person does here, by one word. meson and ninja do the work.
# Each target first installs the Debian packages it lacks (packages.txt): quick when it lacks none.

BUILD  := build
PREFIX ?= /usr/local
# On a terminal ninja redraws one line of progress; in a pipe it would print one a file.
NINJA  := ninja -C $(BUILD)$(if $(MAKE_TERMOUT),, --quiet)

# make exports what is set on its command line: KEEP=1 and RATINGS=... reach the tour as they are.
.PHONY: help run test build bench install fmt lint check hosts sim storm fuzz clean
.DEFAULT_GOAL := help

help: ## this menu
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: build ## start a node, run the tour on real input; KEEP=1 leaves the node
	@./examples/tour

test: packages-test build ## run every test suite; ends with N passed, N failed, N skipped
	@./tests/run $(BUILD)

build: packages-build $(BUILD)/build.ninja ## compile everything into build/
	@$(NINJA)

bench: packages-bench build ## measure, each figure beside its floor; BENCH="call ..." picks
	@mkdir -p perf/out
	@./$(BUILD)/perf/bench --out perf/out/bench.json $(BENCH)
	@echo "the figures, as JSON: perf/out/bench.json"

install: build ## install under PREFIX=/usr/local; DESTDIR= stages a package
	@meson configure $(BUILD) -Dprefix='$(abspath $(PREFIX))'
	@ninja -C $(BUILD) build.ninja >/dev/null || true # says the same again below if it failed
	@$(NINJA)
	@meson install -C $(BUILD) --no-rebuild --quiet
	@$(if $(DESTDIR),,ldconfig 2>/dev/null || true) # the loader has a list; only root writes it

fmt: packages-test ## format all C sources in place
	@git ls-files -z '*.c' '*.h' | xargs -0r clang-format-14 -i

lint: packages-test build ## the checks that read the code rather than run it
	@./tests/run $(BUILD):lint

check: ## what CI runs: two compilers, all suites, sanitizers, lint; under 30 minutes
	@./.ci/run

hosts: packages-test ## N=3 hosts as network namespaces on one bridge; N=0 takes them away
	@./tests/lib/hosts.py $(if $(filter 0,$(N)),down,up $(or $(N),3))

sim: build ## one run of the simulator; SEED=N reproduces run N bit for bit
	@seed=$${SEED:-$$(date +%s%N)}; echo "SEED=$$seed"; ./$(BUILD)/tests/sim/sim --seed "$$seed"

storm: packages-test build ## KILLS=10000 executors killed under load: every call answered once
	@STORM_KILLS=$(or $(KILLS),10000) ./tests/integ/storm_test $(BUILD)/control/microburstd \
		$(BUILD)/control/cli/microburst $(BUILD)/tests/integ/storm \
		$(BUILD)/tests/integ/functions.so 900 $(SEED)

fuzz: packages-check ## fuzz TARGET=name for SECONDS=60; without TARGET lists the targets
	@./tests/fuzz/run '$(TARGET)' '$(or $(SECONDS),60)'

clean: ## remove what the targets above built
	@rm -rf build build-* perf/out

# -- what the targets stand on --------------------------------------------------------------------

.PHONY: packages-build packages-test packages-check packages-bench
packages-build packages-test packages-check packages-bench: packages-%:
	@./.ci/packages build $*

$(BUILD)/build.ninja: | packages-build
	@./.ci/configure $(BUILD) gcc
