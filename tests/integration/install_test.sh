#!/bin/sh
# The library as other programs get it: installed, found by pkg-config and CMake, loaded at
# run time; the examples run; only rwkvmon_* is visible.
#     install_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
steps() { grep -c '^{"timestamp":"[^"]*","session_id":"[^"]*","event_type":"inference_step"' "$1"; }

no_sanitizer "the installed library and the examples"
check "install" cmake --install "$build" --prefix "$dir/prefix"
lib=$(dirname "$(find "$dir/prefix" -name 'librwkvmon.so' | head -n 1)")
export LD_LIBRARY_PATH="$lib" PKG_CONFIG_PATH="$lib/pkgconfig"

# --- symbols -------------------------------------------------------------------------
foreign=$(nm -D --defined-only "$lib/librwkvmon.so" | awk '{ print $3 }' | grep -v '^rwkvmon_')
[ -z "$foreign" ] && pass || fail "the library shows more than rwkvmon_*: $foreign"
declared=$(grep -o 'RWKVMON_API [^(]*(' "$root/include/rwkvmon.h" | grep -o 'rwkvmon_[a-z_]*(' | tr -d '(' | sort)
shown=$(nm -D --defined-only "$lib/librwkvmon.so" | awk '{ print $3 }' | sort)
[ "$declared" = "$shown" ] && pass || fail "header and library differ: $declared / $shown"

# --- examples through pkg-config and CMake -------------------------------------------
flags=$(pkg-config --define-variable=prefix="$dir/prefix" --cflags --libs rwkvmon)
cd "$dir" || exit 1
# shellcheck disable=SC2086 # a list of words
check "smallest example compiles" "${CC:-cc}" -std=c99 -Wall -Wextra -Wpedantic -Werror "$root/examples/smallest.c" -o smallest $flags
check "smallest example runs" ./smallest
[ "$(steps smallest.log)" = 200 ] && pass || fail "the smallest example's log lacks steps"
lines=$(awk '/^int main/ { on = 1 } on' "$root/examples/smallest.c" | wc -l)
[ "$lines" -le 20 ] && pass || fail "the smallest example has $lines lines"
if command -v c++ >/dev/null; then
	check "CMake finds the library" cmake -S "$root/examples" -B "$dir/examples" -DCMAKE_PREFIX_PATH="$dir/prefix"
	check "examples build with CMake" cmake --build "$dir/examples"
	check "threads example runs" "$dir/examples/threads"
	[ "$(steps threads.log)" = 800 ] && pass || fail "four threads of 200 steps gave $(steps threads.log)"
	check "streams example runs" "$dir/examples/streams"
	[ "$(grep -c '"event_type":"session_end"' streams.log)" = 13 ] && pass || fail "twelve streams and their handle gave not as many sessions"
	looping=$(sed -n 's/.*"session_id":"\([^"]*\)".*"request_id":"request-3".*/\1/p' streams.log)
	[ "$(sed -n 's/.*"session_id":"\([^"]*\)","event_type":"alarm".*/\1/p' streams.log)" = "$looping" ] && pass || fail "the loop is not told of request-3 alone"
	check "C++ example runs" "$dir/examples/cpp"
	[ "$(grep -c '"request":"r-17"}' cpp.log)" = 200 ] && pass || fail "the C++ example's own field is missing"
else
	echo "SKIPPED: the examples through CMake: no C++ compiler"
fi

# --- loaded and unloaded at run time ---------------------------------------------------
cat >load.c <<'C'
#include <dlfcn.h>
#include <rwkvmon.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define GET(name) __typeof__(name) *name##_ = 0; { void *p = dlsym(lib, #name); if (!p) return 2; memcpy(&name##_, &p, sizeof p); }
static int once(int leave_open)
{
	void *lib = dlopen("librwkvmon.so.0", RTLD_NOW | RTLD_LOCAL);
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "load.log" };
	unsigned token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	rwkvmon *mon;

	if (!lib)
		return 1;
	GET(rwkvmon_open) GET(rwkvmon_end) GET(rwkvmon_close) GET(rwkvmon_abi)
	if (rwkvmon_abi_() != RWKVMON_ABI || rwkvmon_open_(&mon, &cfg, 0))
		return 3;
	rwkvmon_end_(mon, &step);
	if (!leave_open && rwkvmon_close_(mon, 0))
		return 4;
	return dlclose(lib) ? 5 : 0;
}
int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 10; i++) {
		int rc = once(argc > 1), status = 0;
		if (rc)
			return rc;
		if (!fork())
			_exit(0); /* no handler of the unloaded library may run */
		wait(&status);
		if (status)
			return 6;
	}
	usleep(argc > 1 ? 300000 : 0); /* the threads of handles left open go on meanwhile */
	return 0;
}
C
check "loader compiles" "${CC:-cc}" load.c -o load -I"$dir/prefix/include" -ldl
check "dlopen, use, dlclose, fork, ten times" ./load
[ "$(steps load.log)" = 10 ] && pass || fail "a loaded library's log lacks steps"
check "dlclose with a handle left open, ten times" ./load open
[ "$(steps load.log)" = 20 ] && pass || fail "handles left open lost their steps: $(steps load.log)"

finish
