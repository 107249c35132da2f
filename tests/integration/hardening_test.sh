#!/bin/sh
# What was built is hardened: looked up in the files themselves.
#     hardening_test.sh BUILD_DIR
build=$1
said=$(mktemp)
trap 'rm -f "$said"' EXIT
failures=0
fail() {
	echo "FAILED: $*"
	failures=$((failures + 1))
}
command -v readelf >/dev/null || {
	echo "SKIPPED: hardening_test: binutils are not installed"
	exit 77
}
if readelf -Ws "$build/rwkvmon" | grep -qE "__(asan|tsan|ubsan)_"; then
	echo "SKIPPED: hardening_test: this build has sanitizers instead"
	exit 77
fi
for file in "$build/rwkvmon" "$build/librwkvmon.so"; do
	name=$(basename "$file")
	readelf -Wl "$file" >"$said" || exit 1
	grep -q GNU_RELRO "$said" || fail "$name: no RELRO"
	grep GNU_STACK "$said" | grep -q RWE && fail "$name: a stack that can be run"
	grep LOAD "$said" | grep -q "RWE" && fail "$name: memory that can be written and run"
	readelf -Wd "$file" | grep -qE "BIND_NOW|FLAGS_1.*NOW" || fail "$name: no BIND_NOW"
	readelf -Wh "$file" | grep -q "Type:.*DYN" || fail "$name: not position-independent"
	readelf -Ws "$file" >"$said"
	grep -q __stack_chk_fail "$said" || fail "$name: no guarded stacks"
	grep -qE "__(mem|str|sn|vsn)[a-z]*_chk" "$said" || fail "$name: no checked copies"
	readelf -Wd "$file" | grep -qE "RPATH|RUNPATH" && [ "$name" = librwkvmon.so ] && fail "$name: looks for libraries elsewhere"
done
rm -f "$said"
case $(uname -m) in
x86_64)
	if grep -q "HAS_CF_PROTECTION:INTERNAL=1" "$build/CMakeCache.txt"; then
		objdump -d --no-show-raw-insn --disassemble=rwkvmon_open "$build/librwkvmon.so" | grep -q endbr64 ||
			fail "librwkvmon.so: rwkvmon_open begins without a mark for branches"
	fi
	;;
esac
[ $failures = 0 ] && echo "hardening_test: passed"
exit $failures
