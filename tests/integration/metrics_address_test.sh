#!/bin/sh
# `watch` and `serve` over the /metrics of another server: one that says what llama-server --metrics says, whose counters
# move with every answer.
#     metrics_address_test.sh BUILD_DIR
exec python3 "$(dirname "$0")/metrics_address.py" "$1"
