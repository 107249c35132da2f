#!/bin/bash
# The HTTP proxy before a stand-in of a server: what passes, what is written, who misbehaves.
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=$1/rwkvmon
"$program" --version | grep -q 'libmicrohttpd' || { echo "SKIPPED: the proxy, since this build has no HTTP server"; exit 77; }
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
python3 "$here/proxy_check.py" "$program" "$dir"
