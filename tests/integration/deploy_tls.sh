# deploy_tls.sh - TLS as docs/DEPLOY.md sets it up: its nginx configuration before `serve`. Part of deploy_test.sh, whose words it uses.
behind_tls() { # STATUS CURL_OPTION...
	want=$1
	shift
	got=$(curl -s -o "$dir/answer" -w '%{http_code}' --max-time 60 --cacert "$dir/tls/cert.pem" "$@")
	[ "$got" = "$want" ] || { echo "status $got instead of $want: $*"; return 1; }
}
stream_flows() { # the first event of the live page's stream comes through at once; curl is ended then
	curl -s -N --max-time 120 --cacert "$dir/tls/cert.pem" -H "Authorization: Bearer $token" "$1" >"$dir/stream" &
	reader=$!
	await "the first event" grep -qs '^event: hello' "$dir/stream"
	came=$?
	kill $reader 2>/dev/null
	wait $reader 2>/dev/null
	return $came
}
if command -v nginx >/dev/null && command -v openssl >/dev/null && command -v curl >/dev/null; then
	mkdir "$dir/tls"
	inner=$(free_port) outer=$(free_port) token=$(openssl rand -hex 24)
	echo "$token" >"$dir/tls/token"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$dir/tls/key.pem" -out "$dir/tls/cert.pem" 2>"$dir/tls/openssl.log"
	{
		echo "daemon off; pid $dir/tls/pid; error_log stderr; events {} http { access_log off;"
		for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $dir/tls/$kind;"; done
		sed -n '/```nginx/,/```/p' "$root/docs/DEPLOY.md" | grep -v '```' |
			sed "s|8443|127.0.0.1:$outer|; s|127.0.0.1:8000|127.0.0.1:$inner|; s|/etc/rwkvmon|$dir/tls|"
		echo "}"
	} >"$dir/tls/nginx.conf"
	"$rwkvmon" serve --listen "127.0.0.1:$inner" --listen-token "@$dir/tls/token" "$dir/logs" 2>"$dir/tls/serve.log" &
	children="$children $!"
	nginx -p "$dir/tls" -c "$dir/tls/nginx.conf" 2>"$dir/tls/nginx.log" &
	children="$children $!"
	healthy() { behind_tls 200 -H "Authorization: Bearer $token" "https://127.0.0.1:$outer/healthz" >/dev/null; }
	await "nginx and serve behind it" healthy
	check "TLS: /metrics with the token" behind_tls 200 -H "Authorization: Bearer $token" "https://127.0.0.1:$outer/metrics"
	check "TLS: the answer is /metrics" grep -q rwkv_build_info "$dir/answer"
	check "TLS: nothing without the token" behind_tls 401 "https://127.0.0.1:$outer/metrics"
	check "TLS: the browser's first visit" behind_tls 303 "https://127.0.0.1:$outer/?token=$token"
	check "TLS: the live page's stream" stream_flows "https://127.0.0.1:$outer/events"
	check "TLS: no plain HTTP" behind_tls 400 "http://127.0.0.1:$outer/metrics"
else
	missing "TLS behind nginx, as docs/DEPLOY.md says (nginx-light, openssl, curl)"
fi
