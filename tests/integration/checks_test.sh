#!/usr/bin/env bash
# The checks of make check: they find what they are for, and nothing else.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAILED: $1" && failed=1; }

mkdir -p "$dir/src/log" "$dir/docs"
cat >"$dir/src/log/ring.h" <<'C'
/* ring.h - see docs/RING.md and log/ring.h; no comment: */
static const char *name = "src/log/none.c";
C
printf 'A ring: [ring.h](../src/log/ring.h), `src/log/`.\n' >"$dir/docs/RING.md"
"$here/tools/check-names" "$dir" >"$dir/out" 2>&1 || fail "names that exist: $(cat "$dir/out")"
printf 'See `log/gone.c` and src/none/.\n' >>"$dir/docs/RING.md"
printf '// as tools/none says, and other.h\n' >>"$dir/src/log/ring.h"
mkdir "$dir/tools" && touch "$dir/tools/some"
"$here/tools/check-names" "$dir" >"$dir/out" 2>&1 && fail "names that do not exist are passed"
for line in 'docs/RING.md:2: there is no log/gone.c' 'docs/RING.md:2: there is no src/none/' \
	'src/log/ring.h:3: there is no tools/none' 'src/log/ring.h:3: there is no other.h'; do
	grep -qF "$line" "$dir/out" || fail "not said: $line"
done

"$here/tools/check-messages" >"$dir/out" 2>&1 || fail "errors without Chinese: $(cat "$dir/out")"
mkdir "$dir/src/spec"
cat >"$dir/src/spec/messages.def" <<'C'
MESSAGE("%s: %d lines", "%d 行：%s")
MESSAGE("nobody says this", "无人使用")
MESSAGE("what, %s?", "什么，%s？")
C
cat >"$dir/src/log/ring.c" <<'C'
int f(void) { return err_set(err, ERR_READ, "%s: " /* comment */ "%d lines", a, g(b, "x")) + err_hint(err, "new, %s", x); }
int g(void) { return err_set(err, ERR_NOMEM, "no memory for it"); }
const char *h(int a) { return err_words(a ? "what, %s?" : "of %d things"); }
C
mkdir -p "$dir/src/runtime"
echo 'int f(void) { return refuse("is no such model") + err_set(err, ERR_NOMEM, "no memory for a model"); }' >"$dir/src/runtime/open.c"
"$here/tools/check-messages" "$dir" >"$dir/out" 2>&1 && fail "wrong rows of errors are passed"
for line in 'values differ: %s: %d lines' 'no format: nobody says this' 'src/log/ring.c: no row: new, %s' \
	'src/log/ring.c: no row: of %d things' 'src/runtime/open.c: no row: is no such model'; do
	grep -qxF "$line" "$dir/out" || fail "not said: $line"
done
[ "$(wc -l <"$dir/out")" = 5 ] || fail "more is said: $(cat "$dir/out")"

if command -v clang-format-14 >/dev/null; then
	cp "$here/.clang-format" "$dir"
	printf 'static int a;\n' >"$dir/fine.c"
	printf 'static  int a ;\n' >"$dir/odd.c"
	"$here/tools/check-format" "$dir/fine.c" 2>"$dir/out" || fail "a file that is fine: $(cat "$dir/out")"
	"$here/tools/check-format" "$dir/odd.c" 2>"$dir/out" && fail "an odd layout is passed"
	grep -q "odd.c:1:" "$dir/out" || fail "an odd layout: not said where"
else
	echo "SKIPPED: layout of the sources: no clang-format-14"
fi
# Tools that try what may be missing: a failure is none of what was skipped.
mkdir "$dir/bin" "$dir/build"
stub() { # NAME TEXT
	printf '#!/bin/sh\n%s\n' "$2" >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
ends() { # CODE LINE WHAT COMMAND...
	code=$1 line=$2 what=$3
	shift 3
	PATH="$dir/bin:$PATH" "$@" >"$dir/out" 2>&1
	[ $? = "$code" ] && grep -q "^$line" "$dir/out" || fail "$what: $(cat "$dir/out")"
}
checks() { # CODE LINE WHAT TEXT: all parts of gpu-check end so
	stub python "$4"
	ends "$1" "$2" "$3" env PYTHON=python WHEELS= "$here/tools/gpu-check" "$dir/build"
}
checks 77 'SKIPPED: gpu-check' "no card, and gpu-check says that all is well" '[ $# -gt 3 ] && [ "$1" != - ] && echo "SKIPPED: no card" && exit 77; exit 0'
checks 1 'FAILED ' "a part of gpu-check fails" '[ $# -gt 3 ] && [ "$1" != - ] && exit 3; exit 0'
checks 0 'PASSED ' "gpu-check finds all as it should be" 'exit 0'

containers() { # CODE LINE WHAT TEXT: docker that does so, and all else
	stub docker "$4"'
exit 0'
	ends "$1" "$2" "$3" "$here/tools/test-containers" "$dir/build"
}
containers 77 'SKIPPED: test-containers' "docker without a daemon" '[ "$1" = info ] && exit 1'
containers 77 'SKIPPED: test-containers.*cannot be had' "images that cannot be pulled" '[ "$1" = image ] || [ "$1" = pull ] && exit 1'
containers 77 'SKIPPED: test-containers.*packages' "an image without a network" '[ "$1" = build ] || [ "$1" = run ] && exit 1'
containers 1 'FAILED: the image' "an image that cannot be built is skipped" '[ "$1" = build ] && echo "make: *** [all] Error 2" && exit 1'
containers 1 'FAILED: the containers' "containers that do not start are skipped" \
	'[ "$1" = compose ] && case "$*" in *up*) echo "Pulling: permission denied, timeout" && exit 1 ;; esac'

mkdir -p "$dir/build/packages/bin" "$dir/llama/lib"
touch "$dir/llama/lib/libllama.so"
stub npm 'exit 1'
cp "$dir/bin/python" "$dir/build/packages/bin/python"
stub cmake 'exit 1'
ends 1 'FAILED: the tests with llama.cpp' "tests that cannot be built are run" "$here/tools/test-llama" "$dir/build" "$dir/llama"
exit $failed
