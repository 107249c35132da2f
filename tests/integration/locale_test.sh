#!/bin/bash
# Words for people go out in the terminal's characters, whatever the locale; what programs read stays UTF-8.
#     locale_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
log=$root/tests/logs/worked.log
cd "$dir" || exit 1
unset LC_ALL LC_CTYPE LC_MESSAGES LANG LANGUAGE RWKVMON_LANG
sed 's/rwkv-sess-/rwkv-sess-名/' "$log" >names.log

commands=("analyze names.log" "diagnose names.log" "compare names.log names.log" "doctor" "--help" "analyze --help" "rules list"
	"rules replay thresholds names.log" "log check names.log" "watch --once names.log" "analyze /nonexistent" "nonsense" "--version"
	"run --prompt It --tokens 4 --log none")

# Every byte of what is said is a character of the set, and words of the language are among them.
check() { # SET WORD VARIABLE=VALUE...
	set=$1 word=$2
	shift 2
	: >all
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086 # words
		env "$@" "$rwkvmon" $command >said 2>&1 </dev/null
		[ -s said ] || fail "$*: $command says nothing"
		iconv -f "$set" -t UTF-8 said >back || fail "$*: $command: not in $set"
		cat back >>all
	done
	grep -qF -- "$word" all || fail "$*: lacks $word"
	grep -q $'\xef\xbf\xbd' all && fail "$*: replacement characters"
	env "$@" "$rwkvmon" analyze names.log --format json -q | grep -q 'rwkv-sess-名' || fail "$*: JSON is no UTF-8"
	env "$@" "$rwkvmon" analyze names.log --format text -q -o file.txt && iconv -f UTF-8 -t UTF-8 file.txt >/dev/null ||
		fail "$*: a file is no UTF-8"
}
check ASCII "sessions"
check ASCII "sessions" LC_ALL=C
check ASCII "sessions" LC_ALL=POSIX LANG=zh_CN.UTF-8
check ASCII "sessions" LANG=xx_YY
check ISO-8859-1 "sessions" LC_ALL=de_DE.ISO-8859-1
check ISO-8859-15 "sessions" LC_CTYPE=de_DE.ISO-8859-15@euro
check GBK "会话" LC_ALL=zh_CN.GBK
check GB18030 "会话" LANG=zh_CN.GB18030
check BIG5 "sessions" LC_ALL=zh_TW.BIG5 RWKVMON_LANG=en
check UTF-8 "会话" LC_ALL=zh_CN.UTF-8
check UTF-8 "会话" LC_ALL=C RWKVMON_LANG=zh # asked for where there are no characters for it
check UTF-8 "sessions" LC_CTYPE=UTF-8
check UTF-8 "sessions" LC_ALL=en_US.unknown
finish
