/* snapshot_inside.h - the internals of an exporter, shared by snapshot.c (which fills it) and exposition.c (which
 * writes it). */
#ifndef RWKVMON_EXPORT_SNAPSHOT_INSIDE_H
#define RWKVMON_EXPORT_SNAPSHOT_INSIDE_H

#include "export/snapshot.h"

#include <pthread.h>

enum {
	GROUPS_MAX = 64,
	OTHERS_MAX = 1024,
	LIVE_SESSIONS_MAX = 512,
	WINDOW_SECONDS = 60, /* fixed, because a gauge must not depend on how often it is scraped */
	LABEL_TEXT_MAX = 128,
	INFO_LABELS = 5,
};

struct histogram_counts {
	uint64_t bucket[BOUNDS_MAX + 1]; /* each its own, not cumulated; the last is above all bounds */
	double sum;
};

/* What fell into one second; `second` says which. */
struct window_slot {
	int64_t second;
	double sum;
	uint64_t count;
};

struct window_gauge {
	struct window_slot slot[WINDOW_SECONDS];
};

/* One label set: counters and histograms since the exporter was opened. */
struct group {
	char instance[LABEL_TEXT_MAX], model[LABEL_TEXT_MAX], backend[LABEL_TEXT_MAX], gpu[LABEL_TEXT_MAX];
	char info[INFO_LABELS][LABEL_TEXT_MAX]; /* of rwkv_model_info */
	uint64_t have[2];                       /* bit s: counter or window s has a value */
	double counter[SERIES_COUNT];
	struct histogram_counts *histogram[FAMILY_COUNT]; /* NULL until needed */
	struct window_gauge *window[FAMILY_COUNT];
};

/* A request, as far as it has come. */
struct request {
	bool open, decoding, first_token_told;
	uint32_t sequence;
	int64_t begin_us, prefill_end_us, end_us;
	uint64_t decoded; /* tokens */
};

struct export_session {
	bool used, live;
	uint64_t id_hash, instance_hash; /* instance_hash 0: it has not said it */
	char id[LABEL_TEXT_MAX];
	struct group *group;
	int64_t last_us;  /* time of its latest record: what is old is silent, whenever it is read */
	int64_t seen_us;  /* when that came, by our clock */
	uint64_t have[2]; /* bit s: gauge s has a value */
	double gauge[SERIES_COUNT];
	unsigned alarms_on[ALARM_TYPE_COUNT]; /* rules that fire it */
	double log_vocab;                     /* ln(vocabulary size); 0: unknown */
	double n_layer;                       /* 0: unknown */
	double overhead_told, undelivered_told, lost_critical_told;
	uint64_t finished_told[FINISH_COUNT];
	struct request request;
};

struct exporter {
	struct exporter_options opts;
	pthread_mutex_t lock;
	struct group *group[GROUPS_MAX + 1]; /* the last one: "other" */
	size_t n_groups;
	uint64_t others[2 * OTHERS_MAX]; /* hashes of the label sets in it: open addressing, 0: free */
	size_t n_others;
	struct export_session session[LIVE_SESSIONS_MAX];
	int verdict; /* of LABEL(VERDICT); -1: nobody has judged */
	size_t last; /* session that the latest record belonged to */
};

static inline bool series_have(const uint64_t have[2], size_t s)
{
	return have[s / 64] >> (s % 64) & 1;
}

static inline void series_set(uint64_t have[2], size_t s)
{
	have[s / 64] |= UINT64_C(1) << (s % 64);
}

_Static_assert(SERIES_COUNT <= 128, "`have` is two words");

/* Is the session alive, as far as one can tell at that time of our clock? */
static inline bool session_is_live(const struct exporter *e, const struct export_session *s, int64_t now_us)
{
	return s->used && s->live && !(e->opts.silent_us && now_us - s->last_us > e->opts.silent_us);
}

#endif
