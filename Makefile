# rwkvmon: the short commands. CMake and its presets (CMakePresets.json) do the work.
#
#   make            build the program and the library          build/rwkvmon
#   make deps       what is missing for the build and its tests: named, explained, installed (as root or through sudo)
#   make demo       run the built-in model under monitoring, print the analysis, write report.html
#   make test       names and layout of the sources, then unit, golden and integration tests
#   make check      layout of the sources (clang-format 14), and file names in documents and comments
#   make test-all   the same, and under sanitizers, with clang, in a real browser, fuzz seeds (TESTED=yes: make test has just passed)
#   make fault      the log under failing disks, memory and kill -9, at length, also under ThreadSanitizer
#   make soak       ten minutes of watching: nothing grows
#   make bench      speed and cost, measured on this machine
#   make docs            write docs/ anew from the tables in src/spec/
#   make bench-analyze   the analyzer beside wc, simdjson, yyjson, jq, pandas and DuckDB (bench/environment gets them); MB=1000 ROUNDS=3
#   make eval-diagnosis   the diagnosis on logs of known truth: EVAL="--seed 3 --each 30 --clean-each 8" (docs/EVALUATION.md)
#   make eval-alarms   precision and recall of the alarms under injected faults, in token streams and on clean logs
#   make eval-forecast   forecasts and the unusual on series, faults in token streams, and a public benchmark (docs/FORECAST.md)
#   make eval-statistics, eval-damage   change points and compare on series with memory; damaged weights
#   make eval-fleet     who is named in clean fleets that serve differing texts, and in such where one host is ill
#   make eval-actions   how many loops going back ends, and what it costs: EVAL="--each 60" is a short run
#   make eval-tune      the choice of tune beside a run that measures every setting in full
#   make eval-advice    what int8 and penalties bring on this machine, beside what is published
#   make bench-runtime   the runtime alone, in every precision (docs/PERFORMANCE.md)
#   make bench-collect   what watching costs a call
#   make bench-forecast  what forecasts and the unusual of rules cost the writer thread, at any rate of records
#   make bench-proxy     what the proxy adds to each piece of 64 streams
#   make bench-python    the same in Python, on the real rwkv package
#   make test-peers      runtimes that others wrote, watched: PEERS=DIR has clones of Albatross, rwkv_lightning and
#                        RWKV-Runner; llama.cpp is built, or LLAMA=DIR has it; NEWER=PYTHON (or several) has torch 2
#                        with flash-linear-attention and the like; and the containers of deploy/ (docker or podman)
#   make gpu-check       what only an NVIDIA card can show, in ten minutes (PYTHON=, WHEELS=)
#   make sbom       what is linked in, as CycloneDX JSON on standard output
#   make install    PREFIX=/usr/local DESTDIR=
#   make clean
#
# What is missing on a Debian machine is named and explained; deps, demo, test and test-all install it too (tools/deps).

PREFIX ?= /usr/local
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= OFF
TESTS  ?= OFF

# Minutes in a real browser and with real servers: test-all.
REAL = ^(page_test|live_test|prometheus_test|vmalert_test)$$

MAKEFLAGS += --no-print-directory
CONFIGURE = cmake --preset release --log-level=WARNING -DRWKVMON_WERROR=$(WERROR) -DRWKVMON_TESTS=$(TESTS) \
	-DCMAKE_INSTALL_PREFIX=$(PREFIX)

all: web/node_modules/.done
	@tools/deps build
	@$(CONFIGURE) >/dev/null
	@cmake --build build -j$(JOBS)

web/node_modules/.done: web/package-lock.json
	@tools/deps web build
	@npm --prefix web ci --no-audit --no-fund || { echo "uPlot, the page's chart library, could not be fetched from the npm registry:" \
		"behind a proxy set HTTPS_PROXY, where that has a certificate of its own NODE_EXTRA_CA_CERTS=FILE," \
		"or name a mirror: npm config set registry URL" >&2; exit 1; }
	@touch $@

deps:
	@tools/deps --install web build test

# Not named in the line itself, which `make -n` would run then.
demo: export DEMO_MAKE = $(MAKE)
demo:
	@tools/demo

test:
	@tools/deps --install web build test
	@tools/check-names
	@tools/check-messages
	@tools/check-format --optional
	@$(MAKE) all TESTS=ON
	@tools/run-tests build -E '$(REAL)'

# Seconds, and they say what is wrong: before all that takes longer.
check:
	@tools/deps check
	@tools/check-format
	@tools/check-names
	@tools/check-messages
	@tools/check-types

test-all:
	@tools/deps --install all
	@tools/engines >/dev/null || echo "SKIPPED: engine_test: VictoriaLogs could not be built"
	@$(MAKE) check
	@[ "$(TESTED)" ] || $(MAKE) test
	@RWKVMON_LONG=1 tools/run-tests build -R '$(REAL)|^(deliver|memory_limit)_test$$'
	@tools/test-all

test-peers: all
	@RWKVMON_PEERS="$(PEERS)" RWKVMON_PEERS_PYTHON="$(NEWER)" tests/python/peers build
	@tools/test-packages build || [ $$? = 77 ]
	@tools/test-llama build $(LLAMA) || [ $$? = 77 ]
	@tools/test-containers build || [ $$? = 77 ]

gpu-check: all
	@tools/gpu-check build

fault:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@tools/test-fault

eval-alarms:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@build/tests/alarm_eval
	@tests/eval/run-alarms $(EVAL)

PROGRAM_EVALS := eval-diagnosis eval-fleet eval-damage eval-actions eval-advice eval-tune
$(PROGRAM_EVALS): eval-%: all
	@tests/eval/run-$* $(EVAL)

eval-statistics:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@build/tests/compare_eval
	@tests/eval/run-statistics $(EVAL)

eval-forecast:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@build/tests/forecast_eval
	@build/tests/limits_eval
	@echo
	@build/tests/forecast_eval series 20 | $${PYTHON:-python3} tests/eval/forecast_peers.py
	@tests/eval/run-forecast build/tests/unusual_scores

soak:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@RWKVMON_SOAK_ROUNDS=$${RWKVMON_SOAK_ROUNDS:-20000} build/tests/soak_test

bench: all
	@cmake --build build -j$(JOBS) --target bench
	@bench/run

bench-runtime: all
	@cmake --build build -j$(JOBS) --target runtime_bench
	@for type in --fp32 --fp16 --bf16 --int8; do build/bench/runtime_bench --quick $$type; done
	@build/bench/runtime_bench --quick --threads 2

bench-collect: all
	@cmake --build build -j$(JOBS) --target collect_bench
	@bench/collect_bench.sh build

bench-forecast: all
	@cmake --build build -j$(JOBS) --target forecast_bench
	@build/bench/forecast_bench

bench-proxy: all
	@cmake --build build -j$(JOBS) --target proxy_bench
	@build/bench/proxy_bench

bench-python: all
	@tools/deps all
	@python=$$(tests/python/environment build/python-env) && RWKVMON_LIBRARY=build/librwkvmon.so.0 \
		PYTHONPATH=tests/python/setup:python $$python bench/python_bench.py

# In a folder that is configured already, as for tests: with its settings.
docs:
	@if [ -f build/CMakeCache.txt ]; then cmake --build build -j$(JOBS) --target rwkvmon_cli; else $(MAKE) all; fi
	@build/rwkvmon export log-format >docs/LOG-FORMAT.md
	@build/rwkvmon export metrics >docs/METRICS.md
	@build/rwkvmon export rules >docs/RULES.md
	@build/rwkvmon export schema >docs/log.schema.json
	@build/rwkvmon export alerts >docs/PROMETHEUS-ALERTS.md
	@build/rwkvmon export prometheus-rules --lang en --docs-url file:///usr/local/share/doc/rwkvmon >deploy/prometheus/rwkvmon-rules.yml
	@build/rwkvmon export grafana --lang en >deploy/grafana/dashboards/rwkv-monitor.json
	@build/rwkvmon export grafana --lang zh >deploy/grafana/dashboards/rwkv-monitor.zh.json
	@build/rwkvmon export diagnosis >docs/DIAGNOSIS.md
	@build/rwkvmon export settings >docs/SETTINGS.md
	@build/rwkvmon export python-settings >python/rwkvmon/_settings.py
	@build/rwkvmon export man >docs/rwkvmon.1
bench-analyze: PATH := $(CURDIR)/build/bench-python/bin:$(PATH)
bench-analyze: all
	@cmake --build build -j$(JOBS) --target analyze_bench
	@build/bench/analyze_bench 1 21 5
	@build/bench/analyze_bench $(or $(MB),100) $(or $(ROUNDS),5)

sbom: all
	@tools/sbom build

install: all
	DESTDIR=$(DESTDIR) cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build web/node_modules tests/page/node_modules

.PHONY: all deps demo test check test-all test-peers gpu-check fault soak docs sbom install clean $(PROGRAM_EVALS) eval-alarms eval-statistics eval-forecast \
	bench bench-runtime bench-collect bench-forecast bench-proxy bench-python bench-analyze
