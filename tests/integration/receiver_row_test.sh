#!/bin/bash
# A new kind of receiver is one row and one file: a program is built with a table that has one row more, and alarms arrive.
#     receiver_row_test.sh BUILD_DIR
. "$(dirname "$0")/begin.sh"
no_sanitizer "a new kind of receiver"
mkdir -p "$dir/export"

# The row …
cp "$root/src/export/receivers.def" "$dir/export/"
echo 'RECEIVER(carrier, "PIGEON", "One line per alarm, by pigeon", "每个告警一行,由信鸽送达")' >>"$dir/export/receivers.def"

# … and the file.
cat >"$dir/deliver_carrier.c" <<'C'
#include "export/deliver_receiver.h"

#include <stdio.h>
#include <stdlib.h>

static void format(const struct receiver *r, struct buf *out, const struct record *alarm)
{
	(void)r;
	buf_printf(out, "coo %.*s", SLICE_ARG(fields_text(alarm->extra, F_ALARM_TYPE)));
}

static enum sent fly(struct receiver *r, const struct message *m, struct attempt *a)
{
	(void)a;
	printf("%s: %.*s\n", r->label, SLICE_ARG(m->text));
	return SENT;
}

static void rest(struct receiver *r)
{
	free(r->label);
	free(r);
}

int receiver_carrier_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	*out = calloc(1, sizeof **out);
	if (!*out)
		return err_set(err, ERR_NOMEM, "no pigeon");
	**out = (struct receiver){
		.label = strdup(setup->address), .format = format, .send = fly, .close = rest, .resend_ns = UINT64_MAX
	};
	return 0;
}
C
cat >"$dir/program.c" <<'C'
#include <rwkvmon.h>
#include <stdio.h>

int main(int n, char **argv)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	const uint32_t token = 1;
	const float logits[2] = { 1e300 * 1e300, 0 }; /* infinity: a critical alarm */
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (n != 2 || rwkvmon_config_set(&cfg, "alarm-to", argv[1], why) || rwkvmon_open(&mon, &cfg, why)) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	rwkvmon_config_free(&cfg);
	for (int i = 0; i < 3; i++) {
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step), .tokens = &token,
							 .n_tokens = 1, .logits = logits, .n_logits = 2 });
	}
	return rwkvmon_close(mon, &totals) || totals.undelivered;
}
C
libraries=$(sed -nE 's/^(YAML|ZSTD|MICROHTTPD|ZLIB|JANSSON|UTF8PROC)_LIBRARIES:INTERNAL=(.*)/\2/p' "$build/CMakeCache.txt" | tr ';' '\n' | sort -u | sed 's/^/-l/' | tr '\n' ' ')
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -DRWKVMON_VERSION='"test"' -Wno-overflow -I"$dir" -I"$root/src" -I"$root/include" -o "$dir/program" "$dir/program.c" \
	"$dir/deliver_carrier.c" "$root/src/export/receivers.c" "$build/librwkvmon_core.a" $libraries -lpthread -ldl -lm || exit 1

failed=0
said=$("$dir/program" carrier+Bertie) || failed=1
[ "$said" = "Bertie: coo non_finite" ] || { echo "FAILED: the new receiver got: $said"; failed=1; }
"$dir/program" file+"$dir/alarms" && [ "$(wc -l <"$dir/alarms")" = 1 ] || { echo "FAILED: the others are gone"; failed=1; }
"$dir/program" carier+Bertie 2>&1 | grep -q 'did you mean carrier+' || { echo "FAILED: its name is not suggested"; failed=1; }
exit $failed
