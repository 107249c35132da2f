/* board.h - what the dashboard shows; it is made from findings of logs, or from scraped /metrics.
 *
 * Ownership  plain value; texts are copies, cut to their arrays.
 * Unknown    NAN.
 */
#ifndef RWKVMON_TUI_BOARD_H
#define RWKVMON_TUI_BOARD_H

#include "analyze/judgement.h"
#include "base/buf.h"

enum { BOARD_METRICS = 12, BOARD_POINTS = 64, BOARD_ROWS = 64, BOARD_ALARMS = 100, BOARD_TEXT = 128 };

/* Of a histogram only the bucket is known in which a quantile lies: `value` is then taken as if values were spread
 * evenly between its bounds, and NAN when it has only one. */
struct board_quantile {
	double value;
	bool between;     /* low and high are bounds of a bucket */
	double low, high; /* infinite: no such bound */
};

struct board_metric {
	enum metric_id metric;
	double now; /* mean of the latest bucket of time */
	struct board_quantile p50, p95;
	double limit;               /* the nearer one to what is usual */
	bool bad;                   /* now is beyond a limit */
	double point[BOARD_POINTS]; /* means over time, the latest last */
};

/* One instance, or one session when there is one instance. */
struct board_row {
	char name[BOARD_TEXT]; /* "": unknown */
	uint64_t records, tokens, events;
	double throughput, vram;
	struct board_quantile latency_p50, latency_p95;
	double point[BOARD_POINTS]; /* of latency; all NAN unknown */
	bool bad; /* it has gone wrong: non-finite values, a loop, a jump, a leak; an instance: a fault */
};

struct board_alarm {
	enum alarm_type type;
	enum severity severity;
	enum metric_id metric;
	char session[BOARD_TEXT];
	int64_t from_us, to_us;
	uint64_t records;
	double worst, limit;
	bool firing; /* it went on up to the end of what was seen */
};

struct board {
	char source[BOARD_TEXT];
	char trouble[2 * BOARD_TEXT]; /* why the numbers are old; "" when they are not */
	enum verdict verdict;
	bool not_judged; /* undecided, since what is scraped shows no alarm and cannot show more */
	bool diagnosed;  /* by a log: the verdict has a cause and a sentence, and records were judged by rules */
	enum cause_id cause;
	char sentence[8 * BOARD_TEXT]; /* why; of scrapes: by what it was judged, and what was not; "" nothing to say */
	uint64_t violating;            /* steps that break a rule */
	uint64_t records, tokens, sessions, dropped, skipped;
	int64_t from_us, to_us; /* of the steps */
	double point_seconds;   /* between two points; NAN */

	struct board_metric metric[BOARD_METRICS];
	size_t n_metrics;
	double vram_used, vram_limit; /* MiB */
	bool by_instance;
	struct board_row row[BOARD_ROWS]; /* sessions: the busiest first; instances: those in the worst trouble */
	size_t n_rows;
	uint64_t rows_total;
	struct board_alarm alarm[BOARD_ALARMS]; /* the latest first; of scrapes: those that are on before them */
	size_t n_alarms;
	uint64_t alarms_total;
};

/* lang: of the verdict's sentence. */
void board_from_findings(struct board *out, const struct findings *f, const char *source, enum lang lang);

/* One JSON object with all of it. */
void board_json(struct buf *out, const struct board *b);

#endif
