# begin.sh - what the shell tests begin with: the program, a folder that is gone afterwards, and a count of what was checked.
#     . "$(dirname "$0")/begin.sh" # in sh or bash, with BUILD_DIR as the script's argument
# Sets build, rwkvmon, here (this folder), root (the project's) and dir (the folder that goes), all of them absolute paths.
# A test that starts processes defines leave() anew: it runs before the folder goes.
set -u
build=$(cd "${1:?usage: ${0##*/} BUILD_DIR}" && pwd) || exit 1
rwkvmon=$build/rwkvmon
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
passed=0 failed=0

leave() { :; }
skip() { # REASON: the test ends as skipped
	echo "SKIPPED: ${0##*/}: $1" >&2
	exit 77
}
no_sanitizer() { # WHAT: it is skipped in a build for a sanitizer
	! grep -q '^RWKVMON_SANITIZE:STRING=.' "$build/CMakeCache.txt" || skip "$1: this build is for a sanitizer"
}
pass() { passed=$((passed + 1)); }
fail() { # TEXT
	printf 'FAILED: %s\n' "$*"
	failed=$((failed + 1))
}
await() { # WHAT COMMAND...: until it succeeds; two minutes are a deadline for broken runs, never a measure
	awaited=$1
	shift
	for _ in $(seq 2400); do
		"$@" && return 0
		sleep 0.05
	done
	fail "waited in vain for: $awaited"
	return 1
}
handles() { # PID SIGNAL_NUMBER...: it has handlers of its own for them
	mask=$(sed -n 's/^SigCgt:[^0-9a-f]*//p' "/proc/$1/status" 2>/dev/null)
	shift
	for signal in "$@"; do [ $((0x${mask:-0} >> (signal - 1) & 1)) = 1 ] || return 1; done
}
result() { # NAME STATUS; of a command that wrote the files out and err of the folder
	if [ "$2" = 0 ]; then pass; else
		fail "$1"
		sed 's/^/    /' "$dir/err" "$dir/out" | tail -40
	fi
}
check() { # NAME COMMAND...
	name=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err"
	result "$name" $?
}
finish() { # the last line of a test
	echo "${0##*/}: $passed passed, $failed failed"
	exit $((failed > 0))
}

dir=$(mktemp -d) || exit 1
trap 'leave; rm -rf "$dir"' EXIT
