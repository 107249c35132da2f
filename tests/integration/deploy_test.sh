#!/bin/sh
# The files of deploy/ are what the tables say, and start as they are: deploy_test.sh BUILD_DIR
set -u
rwkvmon=$1/rwkvmon
root=$(cd "$(dirname "$0")/../.." && pwd)
deploy=$root/deploy
dir=$(mktemp -d)
failed=0 passed=0 children=
trap 'for c in $children; do kill "$c" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT

check() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then passed=$((passed + 1)); else
		printf 'FAILED: %s\n' "$name"
		cat "$dir/out"
		failed=$((failed + 1))
	fi
}
missing() { echo "SKIPPED: deploy_test: $*"; }
same() { "$rwkvmon" export "$1" --lang "$2" --docs-url file:///usr/local/share/doc/rwkvmon >"$dir/is" && cmp "$dir/is" "$deploy/$3"; }

check "rules are up to date (make docs)" same prometheus-rules en prometheus/rwkvmon-rules.yml
check "dashboard is up to date (make docs)" same grafana en grafana/dashboards/rwkv-monitor.json
check "Chinese dashboard is up to date (make docs)" same grafana zh grafana/dashboards/rwkv-monitor.zh.json

# Ready within two minutes: a deadline for what never starts.
ready() { # URL
	for _ in $(seq 600); do
		python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null && return 0
		sleep 0.2
	done
	return 1
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
	check "promtool check config" promtool check config "$deploy/prometheus/prometheus.yml"
	port=$(free_port)
	prometheus --config.file="$deploy/prometheus/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
		--web.listen-address="127.0.0.1:$port" >"$dir/prometheus.log" 2>&1 &
	children="$children $!"
	check "Prometheus starts with it" ready "http://127.0.0.1:$port/-/ready"
else
	missing "promtool check config, Prometheus' start (prometheus)"
fi
if command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null; then
	check "amtool check-config" amtool check-config "$deploy/alertmanager/alertmanager.yml"
	port=$(free_port)
	prometheus-alertmanager --config.file="$deploy/alertmanager/alertmanager.yml" --storage.path="$dir/am" \
		--web.listen-address="127.0.0.1:$port" --cluster.listen-address= >"$dir/alertmanager.log" 2>&1 &
	children="$children $!"
	check "Alertmanager starts with it" ready "http://127.0.0.1:$port/-/ready"
else
	missing "amtool check-config, Alertmanager's start (prometheus-alertmanager)"
fi
if command -v systemd-analyze >/dev/null; then
	# The program is where the build put it, not yet installed.
	sed "s|/usr/local/bin/rwkvmon|$(readlink -f "$rwkvmon")|" "$deploy/systemd/rwkvmon-serve.service" >"$dir/rwkvmon-serve.service"
	check "systemd-analyze verify" systemd-analyze verify --man=no "$dir/rwkvmon-serve.service"
else
	missing "systemd-analyze verify (systemd)"
fi

# The unit's command line is one that the program takes.
mkdir "$dir/logs"
port=$(free_port)
command=$(sed -n 's|^ExecStart=/usr/local/bin/rwkvmon ||p' "$deploy/systemd/rwkvmon-serve.service" | sed "s|:8000|:$port|; s|/var/log/rwkvmon|$dir/logs|")
if "$rwkvmon" --version | grep -q 'live page: libmicrohttpd'; then
	# shellcheck disable=SC2086 # words of a command line
	"$rwkvmon" $command 2>"$dir/serve.log" &
	children="$children $!"
	check "the unit's command serves" ready "http://127.0.0.1:$port/healthz"
else
	missing "the unit's command: this build has no HTTP server"
fi
echo "deploy_test: $passed passed, $failed failed"
[ $failed = 0 ]
