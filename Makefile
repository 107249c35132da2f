# rwkvmon: the short commands. CMake and its presets (CMakePresets.json) do the work.
#
#   make            build the program and the library          build/rwkvmon
#   make demo       run the built-in model under monitoring, print the analysis, write report.html
#   make test       unit, golden and integration tests
#   make test-all   the same, and under sanitizers, with clang, in a real browser, fuzz seeds
#   make fault      the log under failing disks, memory and kill -9, at length, also under ThreadSanitizer
#   make soak       ten minutes of watching: nothing grows
#   make bench      speed and cost, measured on this machine
#   make docs            write docs/ anew from the tables in src/spec/
#   make bench-analyze   the analyzer beside wc, cat, jq, pandas and DuckDB (bench/environment installs the last two)
#   make eval-alarms   precision and recall of the alarms under injected faults (docs/ALARMS.md)
#   make bench-runtime   the runtime alone, in every precision (docs/PERFORMANCE.md)
#   make bench-collect   what watching costs a call
#   make bench-python    the same in Python, on the real rwkv package
#   make install    PREFIX=/usr/local DESTDIR=
#   make clean
#
# What is missing on a Debian machine is named, explained and installed (see tools/deps).

PREFIX ?= /usr/local
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= OFF
TESTS  ?= OFF

# Minutes in a real browser and with real servers: test-all.
REAL = ^(page_test|live_test|prometheus_test)$$

MAKEFLAGS += --no-print-directory
CONFIGURE = cmake --preset release --log-level=WARNING -DRWKVMON_WERROR=$(WERROR) -DRWKVMON_TESTS=$(TESTS) \
	-DCMAKE_INSTALL_PREFIX=$(PREFIX)

all: web/node_modules/.done
	@tools/deps build
	@$(CONFIGURE) >/dev/null
	@cmake --build build -j$(JOBS)

web/node_modules/.done: web/package-lock.json
	@tools/deps web build
	npm --prefix web ci --no-audit --no-fund
	@touch $@

demo: all
	@tools/demo

test:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@tools/run-tests build -E '$(REAL)'

test-all:
	@tools/deps all
	@$(MAKE) test
	@tools/run-tests build -R '$(REAL)'
	@tools/test-all

fault:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@tools/test-fault

eval-alarms:
	@tools/deps web build test
	@$(MAKE) all TESTS=ON
	@build/tests/alarm_eval

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

.PHONY: bench-python
bench-python: all
	@tools/deps all
	@python=$$(tests/python/environment build/python-env) && RWKVMON_LIBRARY=build/librwkvmon.so.0 \
		PYTHONPATH=tests/python/setup:python $$python bench/python_bench.py

docs: all
	@build/rwkvmon export log-format >docs/LOG-FORMAT.md
	@build/rwkvmon export metrics >docs/METRICS.md
	@build/rwkvmon export rules >docs/RULES.md
	@build/rwkvmon export schema >docs/log.schema.json
	@build/rwkvmon export alerts >docs/PROMETHEUS-ALERTS.md
	@build/rwkvmon export prometheus-rules --lang en --docs-url file:///usr/local/share/doc/rwkvmon >deploy/prometheus/rwkvmon-rules.yml
	@build/rwkvmon export grafana --lang en >deploy/grafana/dashboards/rwkv-monitor.json
	@build/rwkvmon export grafana --lang zh >deploy/grafana/dashboards/rwkv-monitor.zh.json
	@build/rwkvmon export diagnosis >docs/DIAGNOSIS.md
	@build/rwkvmon export man >docs/rwkvmon.1
bench-analyze: PATH := $(CURDIR)/build/bench-python/bin:$(PATH)
bench-analyze: all
	@cmake --build build -j$(JOBS) --target analyze_bench
	@build/bench/analyze_bench 1 21
	@build/bench/analyze_bench 100 9
	@build/bench/analyze_bench 1000 3

install: all
	DESTDIR=$(DESTDIR) cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build web/node_modules tests/page/node_modules

.PHONY: eval-alarms all demo test test-all fault soak bench bench-collect bench-analyze bench-runtime docs install clean
