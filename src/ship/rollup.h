/* rollup.h - sums of a minute of a stream or an instance: added up from steps, and written as `rollup` lines.
 *
 * A step belongs to the roll-up that its stream has open when the step is taken, if that began at most a minute (and
 * ROLLUP_SLACK_US for clocks that differ) before; otherwise to one of its own minute. So each step is in exactly one.
 * When they are closed, streams younger than a minute, and those that do not fit, go into their instance's: what is
 * written of an instance and a minute has at most ROLLUP_MOST_BYTES.
 *
 * Ownership  rollups_open creates, rollups_close destroys.
 * Threads    one at a time.
 * Bounds     ROLLUP_STREAMS streams are told apart; all others count for their instance alone.
 * Errors     what memory has no room for is counted (rollups_lost); what comes later is summed up again.
 */
#ifndef RWKVMON_SHIP_ROLLUP_H
#define RWKVMON_SHIP_ROLLUP_H

#include "analyze/metric_stats.h"
#include "base/buf.h"

enum {
	ROLLUP_MOST_BYTES = 64 << 10,
	ROLLUP_SKETCH_BYTES = 256, /* of one metric, at most */
	ROLLUP_STREAMS = 65536,
};
static const int64_t ROLLUP_US = INT64_C(60000000), ROLLUP_SLACK_US = INT64_C(5000000);

/* Of which steps a roll-up keeps metrics apart. */
enum rollup_part { ROLLUP_STEPS /* all except prefill */, ROLLUP_PREFILL, ROLLUP_PARTS };

struct rollup {
	char *instance, *model_name, *strategy; /* never NULL */
	char *session_id;                       /* NULL: of the instance */
	int64_t from_us, to_us; /* first and last step; of a roll-up without one: when something was said */
	uint64_t streams, records, tokens, dropped, alarms;
	uint64_t prefill_tokens; /* of the tokens */
	struct metric_stats part[ROLLUP_PARTS];
};

/* Appends its line, with sketches of at most sketch_bytes each (0: none). False: no memory. */
bool rollup_write(struct buf *out, const struct rollup *r, const char *id, size_t sketch_bytes);

struct rollups;

/* NULL: no memory. */
struct rollups *rollups_open(void);
void rollups_close(struct rollups *t);

/* [hot] Steps are summed up; alarms and gaps are counted. `source` stands for the instance of lines that name none. */
void rollups_take(struct rollups *t, const struct columns *c, const char *source);

/* Closes all that are open, oldest minutes first. `put` gets each that is to be written, and how large its sketches may
 * be; it lasts for the call. False: there was no memory to write it. */
typedef bool rollup_put(void *ctx, const struct rollup *r, size_t sketch_bytes);
void rollups_flush(struct rollups *t, rollup_put *put, void *ctx);

size_t rollups_open_count(const struct rollups *t);

/* What was lost since the last call: roll-ups (steps for which none could be opened count as one), and their steps. */
struct rollups_lost {
	uint64_t rollups, steps;
};
struct rollups_lost rollups_lost(struct rollups *t);

#endif
