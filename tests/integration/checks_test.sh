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
MESSAGE("Permission denied", "权限不足")
C
cat >"$dir/src/log/ring.c" <<'C'
int f(void) { return err_set(err, ERR_READ, "%s: " /* comment */ "%d lines", a, g(b, "x")) + err_hint(err, "new, %s", x); }
int g(void) { return err_set(err, ERR_NOMEM, "no memory for it"); }
C
"$here/tools/check-messages" "$dir" >"$dir/out" 2>&1 && fail "wrong rows of errors are passed"
for line in 'values differ: %s: %d lines' 'no format: nobody says this' 'src/log/ring.c: no row: new, %s'; do
	grep -qxF "$line" "$dir/out" || fail "not said: $line"
done
[ "$(wc -l <"$dir/out")" = 3 ] || fail "more is said: $(cat "$dir/out")"

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
exit $failed
