#!/bin/sh
# `rwkvmon ship`: what leaves the host, what waits, what arrives; and `rwkvmon fleet URL`, which asks for it again.
#     shipping_test.sh BUILD_DIR
exec python3 "$(dirname "$0")/ship.py" "$1"
