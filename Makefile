# rwkvmon: the short commands. CMake and its presets (CMakePresets.json) do the work.
#
#   make            build the program and the library          build/rwkvmon
#   make demo       run the built-in model under monitoring, print the analysis, write report.html
#   make test       unit, golden and integration tests
#   make test-all   the same, and under sanitizers, with clang, in a real browser, fuzz seeds
#   make bench      speed and cost, measured on this machine
#   make install    PREFIX=/usr/local DESTDIR=
#   make clean
#
# What is missing on a Debian machine is named, explained and installed (see tools/deps).

PREFIX ?= /usr/local
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= OFF
CMAKE   = cmake -DRWKVMON_WERROR=$(WERROR)
BUILD   = cmake --build

all: build/Makefile
	$(BUILD) build -j$(JOBS)

# Configures once; CMake reconfigures by itself when its own files change.
build/Makefile: web/node_modules/.done
	@tools/deps build
	$(CMAKE) --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DRWKVMON_TESTS=$(if $(filter test%,$(MAKECMDGOALS)),ON,OFF)

web/node_modules/.done: web/package-lock.json
	@tools/deps web
	npm --prefix web ci --no-audit --no-fund
	@touch $@

demo: all
	@tools/demo

test: deps-test all
	@$(CMAKE) --preset release -DRWKVMON_TESTS=ON >/dev/null
	$(BUILD) build -j$(JOBS)
	@tools/run-tests build

deps-test:
	@tools/deps build test

test-all: deps-all test
	@tools/test-all

deps-all:
	@tools/deps all

bench: all
	@$(CMAKE) --preset release >/dev/null
	$(BUILD) build -j$(JOBS) --target bench
	@bench/run

install: all
	cmake --install build --prefix $(DESTDIR)$(PREFIX)

clean:
	rm -rf build web/node_modules tests/page/node_modules

.PHONY: all demo test test-all bench install clean deps-test deps-all
