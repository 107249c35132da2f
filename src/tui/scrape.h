/* scrape.h - expositions (/metrics) that were fetched one after the other become a board: ours, and those of other
 * servers (scraped.def says which series mean what).
 *
 * Gauges come from a target's latest text, rates from the difference of two texts. A counter that fell was reset: the
 * process was restarted.
 *
 * Ownership  a zeroed struct has seen nothing; plain value.
 * Bounds     SCRAPE_ROWS instances or models a target; the last one, named "other", stands for all that found no row.
 */
#ifndef RWKVMON_TUI_SCRAPE_H
#define RWKVMON_TUI_SCRAPE_H

#include "tui/board.h"

/* SCRAPE_ROWS: all that `rwkvmon serve` keeps apart, and its "other". */
enum { SCRAPE_ROWS = 65, SCRAPE_BOUNDS = 24, SCRAPE_TARGETS = 16 };

enum scrape_histogram {
	SCRAPE_LATENCY,
	SCRAPE_FIRST_TOKEN,
	SCRAPE_CHUNK,
	SCRAPE_ENTROPY,
	SCRAPE_DISTANCE,
	SCRAPE_KL,
	SCRAPE_HISTOGRAMS
};
enum scrape_number {
	SCRAPE_DECODE_TOKENS,
	SCRAPE_PREFILL_TOKENS,
	SCRAPE_DROPPED,
	SCRAPE_NONFINITE,
	SCRAPE_UP,
	SCRAPE_VRAM_PROCESS,
	SCRAPE_VRAM_DEVICE,
	SCRAPE_VRAM_LIMIT,
	SCRAPE_GPU,
	SCRAPE_MEMORY,
	SCRAPE_REPETITION,
	SCRAPE_RUNNING,
	SCRAPE_WAITING,
	SCRAPE_NUMBERS
};

struct scrape_counts {
	double bound[SCRAPE_BOUNDS], count[SCRAPE_BOUNDS]; /* (n), cumulative; the last bound may be +Inf */
	size_t n;
	double sum, total;
};

/* What one text says of one instance or model. */
struct scrape_values {
	struct scrape_counts histogram[SCRAPE_HISTOGRAMS];
	double number[SCRAPE_NUMBERS]; /* NAN: not there */
	bool alarm[ALARM_TYPE_COUNT];
};

struct scrape_row {
	char name[BOARD_TEXT];
	struct scrape_values now, before;
	double latency[BOARD_POINTS];                                           /* the latest last */
	int64_t alarm_from_us[ALARM_TYPE_COUNT], alarm_to_us[ALARM_TYPE_COUNT]; /* seen on; 0: never */
};

struct scrape {
	struct scrape_row row[SCRAPE_ROWS]; /* (n_rows) */
	size_t n_rows;
	int verdict;                          /* that it publishes (enum verdict); -1: none */
	bool tells_alarms;                    /* its series say whether alarms are on */
	uint64_t summed_up;                   /* instances in the last row, "other", as the server counts them */
	int64_t first_us, time_us, before_us; /* of the texts; 0: none */
	double point[BOARD_METRICS][BOARD_POINTS];
	uint64_t texts;
	char trouble[2 * BOARD_TEXT]; /* the last fetch failed: why */
	char name[BOARD_TEXT];        /* set by the caller: of a server whose series name no model or instance */
};

/* Takes one text. False when there is nothing in it that the table knows; *s is then as it was. */
bool scrape_take(struct scrape *s, struct slice text, int64_t time_us);

/* What happened between the last two texts of a row, as a step of a log would say it; NAN: unknown, 0: nothing. */
struct scrape_step {
	double decode_tokens, decode_seconds, prefill_tokens;
	double running, waiting; /* requests, now */
};
struct scrape_step scrape_step(const struct scrape_row *row);

/* All targets together, n = 0..SCRAPE_TARGETS; the rows with the worst alarms first. A target that publishes a verdict
 * (rwkv_verdict, of `serve`) is judged by it, any other by the alarms that are on: a log may show more, so that none is
 * ever called healthy for want of an alarm. */
void board_from_scrapes(struct board *out, const struct scrape *s, size_t n, const char *source, enum lang lang);

#endif
