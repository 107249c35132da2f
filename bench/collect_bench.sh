#!/bin/sh
# The naive way of taking the same numbers, for comparison with collect_bench.
if command -v python3 >/dev/null; then
	python3 bench/collect_bench_python.py
else
	echo "SKIPPED: the Python way: python3 is not installed"
fi
