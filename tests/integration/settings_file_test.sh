#!/bin/sh
# Options from a file: what is given beside it comes first, and what cannot be is refused with its line.
#     settings_file_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
cd "$dir" || exit 1
refused() { # NAME CODE TEXT CONTENT
	printf '%b' "$4" >bad.yaml
	"$rwkvmon" run --settings bad.yaml --prompt hi --lang en >out 2>err </dev/null
	[ $? = "$2" ] && grep -qF -- "$3" err
	result "$1" $?
}
run() { "$rwkvmon" run --settings good.yaml --prompt hi --json "$@" >out 2>err </dev/null; }

printf 'strategy: cpu fp32i8\nskip-zeros: yes\nlog-tokens: no\ntokens: 5\nseed: 3\nlog: of-file.log\nquiet: on\n' >good.yaml
run && grep -q '"tokens":5,.*"seed":3,.*"log":"of-file.log"' out && grep -q '"strategy":"cpu fp32i8"' of-file.log && [ ! -s err ]
result "options and settings of a file" $?
run --tokens 4 && grep -q '"tokens":4,' out
result "an option beside it" $?
RWKVMON_LOG=of-variable.log run && grep -q '"log":"of-variable.log"' out
result "a variable beside it" $?
refused "an unknown name" 2 'bad.yaml:2:1: there is no option "thread"' 'seed: 1\nthread: 1\n'
refused "two values" 2 'bad.yaml:1:10: expected one value for threads' 'threads: [1, 2]\n'
refused "a flag's value" 2 'bad.yaml:1: quiet: found "perhaps", expected yes or no' 'quiet: perhaps\n'
refused "a setting's value" 2 'bad.yaml:1: fsync: found "now"' 'fsync: now\n'
refused "no options" 2 'expected options, one a line' '- threads\n'
refused "a file that names another" 2 'there is no option "settings"' 'settings: good.yaml\n'

finish
