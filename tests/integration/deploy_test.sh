#!/bin/sh
# The files of deploy/ are what the tables say, and start as they are: deploy_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
deploy=$root/deploy
children=
leave() {
	for c in $children; do kill "$c" 2>/dev/null; done
	wait 2>/dev/null
}
missing() { echo "SKIPPED: deploy_test: $*"; }
same() { # FILE WORDS of `export`
	file=$deploy/$1
	shift
	"$rwkvmon" export "$@" >"$dir/is" && cmp "$dir/is" "$file"
}

check "rules are up to date (make docs)" same prometheus/rwkvmon-rules.yml prometheus-rules --lang en \
	--docs-url file:///usr/local/share/doc/rwkvmon
check "dashboard is up to date (make docs)" same grafana/dashboards/rwkv-monitor.json grafana --lang en
check "Chinese dashboard is up to date (make docs)" same grafana/dashboards/rwkv-monitor.zh.json grafana --lang zh

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
	check "promtool check config, remote write" promtool check config "$deploy/fleet/prometheus-remote-write.yml"
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
	for unit in "$deploy"/fleet/*.service; do
		name=$(basename "$unit" | sed 's/@/@1/') # an instance of a template
		sed "s|/usr/local/bin/rwkvmon|$(readlink -f "$rwkvmon")|; s|=/usr/[a-z/]*bin/victoria-[a-z]*|=/bin/true|" "$unit" >"$dir/$name"
		check "systemd-analyze verify $name" systemd-analyze verify --man=no "$dir/$name"
	done
	sed "s|/var/lib/rwkv/venv/bin/python|$(command -v python3)|" "$deploy/systemd/rwkv-model.service" >"$dir/rwkv-model.service"
	check "systemd-analyze verify: the model" systemd-analyze verify --man=no "$dir/rwkv-model.service"
else
	missing "systemd-analyze verify (systemd)"
fi

# Who may write and who may read: the model's account and serve meet in one group, which sysusers makes.
group=$(sed -n 's/^g \([a-z]*\) .*/\1/p' "$deploy/systemd/rwkvmon-sysusers.conf")
check "the model writes as the group" grep -q "^Group=$group$" "$deploy/systemd/rwkv-model.service"
check "serve reads as the group" grep -q "^SupplementaryGroups=$group$" "$deploy/systemd/rwkvmon-serve.service"
check "the folder is the group's" grep -Eq "^d /var/log/rwkvmon 27[0-9]{2} root $group " "$deploy/systemd/rwkvmon-tmpfiles.conf"
if command -v systemd-sysusers >/dev/null; then
	check "systemd-sysusers takes the file" systemd-sysusers --dry-run "$deploy/systemd/rwkvmon-sysusers.conf"
fi

# What the container copies is there, and what it installs is what the build asks for.
for path in $(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' "$deploy/container/Containerfile"); do
	check "Containerfile: $path" test -e "$root/$path"
done
for package in $(grep -o '[a-z0-9.+-]*-dev' "$deploy/container/Containerfile"); do
	check "Containerfile: $package is one of the build's" grep -q " $package " "$root/tools/deps"
done

# A fleet's containers: what the format knows, and the engine that tests start.
if command -v check-jsonschema >/dev/null; then
	check "compose.yaml" check-jsonschema --builtin-schema vendor.compose-spec "$deploy/fleet/compose.yaml"
else
	missing "compose.yaml by its schema (pip install check-jsonschema)"
fi
check "compose.yaml has the tested engine" grep -q "victoria-logs:$(sed -n 's/^version=//p' "$root/tools/engines")$" "$deploy/fleet/compose.yaml"

# The unit's command line is one that the program takes.
mkdir "$dir/logs"
port=$(free_port)
command=$(sed -n 's|^ExecStart=/usr/local/bin/rwkvmon ||p' "$deploy/systemd/rwkvmon-serve.service" | sed "s|:8000|:$port|; s|/var/log/rwkvmon|$dir/logs|")
if "$rwkvmon" --version | grep -q 'live page: libmicrohttpd'; then
	# shellcheck disable=SC2086 # words of a command line
	"$rwkvmon" $command 2>"$dir/serve.log" &
	children="$children $!"
	check "the unit's command serves" ready "http://127.0.0.1:$port/healthz"
	. "$(dirname "$0")/deploy_tls.sh"
else
	missing "the unit's command: this build has no HTTP server"
fi
finish
