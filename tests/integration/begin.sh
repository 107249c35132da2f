# common.sh - what the analyzer's tests begin with: the program, Python, a folder that is gone afterwards.
#     . "$(dirname "$0")/common.sh" # with BUILD_DIR as the script's argument
# Sets build, rwkvmon, here and dir; skip REASON ends the test as skipped.
build=$1
rwkvmon=$build/rwkvmon
here=$(dirname "$0")

skip() {
	echo "SKIPPED: ${0##*/}: $1" >&2
	exit 77
}
[ -x "$rwkvmon" ] || skip "$rwkvmon is not built"
command -v python3 >/dev/null || skip "python3 is not installed: it makes the logs and checks the answers"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
