/* scrape.h - expositions (/metrics) that were fetched one after the other become a board.
 *
 * What is known of a target is what its text says; what happens is the difference of two texts. Counters that fell
 * began anew: the process was started again.
 *
 * Ownership  a zeroed struct has seen nothing; plain value.
 * Bounds     SCRAPE_ROWS instances or models a target; more count in the last of them.
 */
#ifndef RWKVMON_TUI_SCRAPE_H
#define RWKVMON_TUI_SCRAPE_H

#include "tui/board.h"

enum { SCRAPE_ROWS = 32, SCRAPE_BOUNDS = 24, SCRAPE_TARGETS = 16 };

enum scrape_histogram { SCRAPE_LATENCY, SCRAPE_FIRST_TOKEN, SCRAPE_CHUNK, SCRAPE_ENTROPY, SCRAPE_DISTANCE, SCRAPE_KL,
			SCRAPE_HISTOGRAMS };
enum scrape_number { SCRAPE_DECODE_TOKENS, SCRAPE_PREFILL_TOKENS, SCRAPE_DROPPED, SCRAPE_NONFINITE, SCRAPE_UP,
		     SCRAPE_VRAM_PROCESS, SCRAPE_VRAM_DEVICE, SCRAPE_VRAM_LIMIT, SCRAPE_GPU, SCRAPE_MEMORY, SCRAPE_REPETITION,
		     SCRAPE_NUMBERS };

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
	double latency[BOARD_POINTS]; /* the latest last */
	int64_t alarm_from_us[ALARM_TYPE_COUNT], alarm_to_us[ALARM_TYPE_COUNT]; /* seen on; 0: never */
};

struct scrape {
	struct scrape_row row[SCRAPE_ROWS]; /* (n_rows) */
	size_t n_rows;
	int64_t first_us, time_us, before_us; /* of the texts; 0: none */
	double point[BOARD_METRICS][BOARD_POINTS];
	uint64_t texts;
	char trouble[2 * BOARD_TEXT]; /* the last fetch failed: why */
};

/* Takes one text. False when there is nothing of ours in it; *s is then as it was. */
bool scrape_take(struct scrape *s, struct slice text, int64_t time_us);

/* All targets (n) together. */
void board_from_scrapes(struct board *out, const struct scrape *s, size_t n, const char *source);

#endif
