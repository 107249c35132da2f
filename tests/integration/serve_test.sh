#!/bin/sh
# `rwkvmon serve` without a browser.
#     serve_test.sh BUILD_DIR
exec python3 "$(dirname "$0")/serve.py" "$1"
