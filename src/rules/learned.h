/* learned.h - what is normal here: the level and the spread of a metric, learned from past records.
 *
 * Normal depends on where and how a model runs, so levels are kept per scope (instance, model, strategy), and within
 * it per phase and band: streams that share the machine when decoding (the batch, or else the sessions of which records
 * came last), tokens of the call when prefilling. All sessions of a scope learn together.
 *
 * Throughput is measured over the last 100 tokens: in the first 100 tokens after a prompt it still includes the prompt,
 * so it is compared with no level.
 *
 * A level is robust and allows for correlation. Records are grouped into blocks of LEVEL_BLOCK, and only the medians of
 * blocks count, so rare slow calls do not affect them. The spread is that of the blocks' medians; the effective number
 * of independent blocks is estimated from the correlation of neighbours. While that number is small, the spread is
 * widened, so that a slow variation of the machine does not count as a change. A new block waits before it counts, so
 * that the beginning of a slowdown does not become part of what it is compared with; waiting blocks are dropped when a
 * rule is violated. In a long session most blocks are left out, and nothing is computed of these.
 *
 * Ownership  a store owns its scopes; beyond LEARNED_SCOPES, the least recently used ones are discarded.
 * Threads    a store belongs to one thread, records must come in the order of the log: what is learned depends on it.
 * Cost       a record O(1), a block O(LEVEL_BLOCK) and a short move, the first limit after it O(LEVEL_ENTRIES).
 * Memory     is taken when a scope, a phase or a band of it is new: about 2 KiB per metric.
 */
#ifndef RWKVMON_RULES_LEARNED_H
#define RWKVMON_RULES_LEARNED_H

#include "record/record.h"

enum {
	LEVEL_BLOCK = 16,              /* records */
	LEVEL_ENTRIES = 128,           /* blocks that are kept */
	LEVEL_WAITING = 32,            /* blocks that do not count yet, at most */
	LEVEL_BANDS = 8,               /* of streams, or of tokens in a call */
	LEVEL_CELLS = 2 * LEVEL_BANDS, /* of decoding, then of prefill */
	LEVEL_STREAMS = 32,            /* number of recent records among which streams are counted */
	LEARNED_SCOPES = 1024,
	LEARNED_SLOTS = 256,     /* of streams */
	LEARNED_THROUGHPUT = 100 /* tokens */
};

/* How many blocks a level keeps: it depends on how many have come, not on their values, so it is known beforehand which
 * of those that come will be kept. */
struct level_kept {
	uint32_t n;
	uint32_t every, skipped; /* only every so many blocks are kept, once the session is long */
};

/* Of one metric in one phase and band. */
struct level {
	double normal; /* the median; NAN: nothing is known yet */
	uint32_t n_block;
	uint32_t n_waiting, n_held, first; /* blocks that do not count yet; those of them that will be kept */
	double block[LEVEL_BLOCK]; /* (n_block) the latest records: a block, once it is full and another one comes */
	float median[LEVEL_ENTRIES], noise[LEVEL_ENTRIES]; /* (kept.n) of blocks: median, spread of the records */
	float waiting[LEVEL_WAITING], waiting_noise[LEVEL_WAITING]; /* (n_held) the same of those that wait and will be
								       kept, a ring from `first` on */
	float sorted[LEVEL_ENTRIES];                                /* (kept.n) the medians in order */
	struct level_kept kept, later;                              /* later: when those that wait have come, too */

	/* While settled, which level_limit sees to. */
	bool settled;
	double spread;        /* of blocks, as a share of it, widened while little is known */
	double high, low;     /* beyond these only a tenth of the past was, as shares of it */
	double record_spread; /* of single records within a block, as a share */
};

struct scope {
	struct learned *of;
	uint64_t life, used;
	struct level **cell; /* (LEVEL_CELLS) of each metric that is learned, in their order; NULL: no record came there
				yet */
	struct level **at;   /* those of the present record */
	bool after_prompt;   /* its throughput is still that of a prompt */
	uint32_t next, streams;
	uint16_t stream[LEVEL_STREAMS];  /* the slots of the streams of recent records; LEARNED_SLOTS: of none */
	uint8_t seen[LEARNED_SLOTS + 1]; /* how many of these are of a stream; of none, there is always one more */
};

struct learned {
	uint64_t metrics, clock;
	size_t n_metrics, n_cells;
	size_t throughput;            /* which of them it is; METRIC_COUNT: none */
	uint8_t metric[METRIC_COUNT]; /* (n_metrics) */
	uint32_t streams;
	size_t n;
	struct level **spare; /* (n_spare) of scopes that have given way */
	size_t n_spare, spare_cap;
	uint64_t key[LEARNED_SCOPES];
	struct scope *scope[LEARNED_SCOPES]; /* (n), made as they come: most stores have a few */
};

struct learned *learned_open(uint64_t metrics); /* bits of the metrics to be learned; NULL: no memory */
void learned_close(struct learned *l);          /* NULL is fine */
uint64_t learned_metrics(const struct learned *l);
uint32_t learned_stream(struct learned *l); /* a number for one more stream */

/* Where a session learns: a scope, and which life of its place that was, since scopes give way to others. */
struct scope_place {
	struct scope *scope; /* NULL: not known yet, or no memory */
	uint64_t life;
};

/* Identifies the instance; 0: the fields name none. */
uint64_t learned_instance(const struct field_values *session);

/* The scope of a session with these fields on that instance. */
struct scope_place learned_scope(struct learned *l, uint64_t instance, const struct field_values *session);

/* The scope if it still exists, otherwise NULL. */
static inline struct scope *learned_again(struct learned *l, const struct scope_place *place)
{
	if (!place->scope || place->scope->life != place->life)
		return NULL;
	place->scope->used = ++l->clock;
	return place->scope;
}

/* 1 or less, 2, 3 to 4, 5 to 8, …: without a branch, since the next one's cannot be foreseen. */
static inline unsigned learned_band(uint32_t n)
{
	unsigned band = 63 - (unsigned)__builtin_clzll(2 * ((uint64_t)n + !n) - 1);

	return band < LEVEL_BANDS ? band : LEVEL_BANDS - 1;
}

/* A record of the stream comes, of a call of so many sequences, after so many records of decoding in a row (it
 * included; 0: it is prefill, of prompt_tokens). */
static inline void scope_note(struct scope *s, uint32_t stream, uint32_t batch_size, uint64_t decoded,
			      uint32_t prompt_tokens)
{
	const uint16_t slot = stream % LEARNED_SLOTS, before = s->stream[s->next];

	if (before != slot) {
		s->streams -= !--s->seen[before];
		s->streams += !s->seen[slot]++;
		s->stream[s->next] = slot;
	}
	s->next = (s->next + 1) % LEVEL_STREAMS;
	s->at = &s->cell[s->of->n_metrics * (decoded ? learned_band(batch_size > 1 ? batch_size : s->streams)
						     : LEVEL_BANDS + learned_band(prompt_tokens / 4))];
	s->after_prompt = decoded < LEARNED_THROUGHPUT;
}

/* What is normal for a record's metric. */
struct normal {
	struct level *level; /* with which it is compared, and which will include it; NULL: it is not yet valid after
				the prompt, or no memory */
	double value,
		times; /* the record's, and as a multiple of what is normal; NAN: it has none; that is not known yet */
};

struct level *learned_level(struct learned *l); /* a new one; NULL: no memory */

/* That of the record that came last, of the store's metric of that number; NULL as in struct normal. */
static inline struct level *scope_level(const struct scope *s, size_t number)
{
	struct level **level = &s->at[number];

	if (s->after_prompt && number == s->of->throughput)
		return NULL;
	if (__builtin_expect(!*level, 0))
		*level = learned_level(s->of);
	return *level;
}

void level_learn_block(struct level *level); /* one that is complete */

/* What is unknown is 0 or less, or NAN. */
static inline bool level_counts(double value)
{
	return value > 1e-30 && value <= 1e30;
}

/* [hot] Takes in a record. Only what comes after it is held against it; returns what it is itself, as a multiple of
 * what is normal, NAN: one of them is not known. */
static inline double level_learn(struct level *level, double value)
{
	if (__builtin_expect(level->n_block == LEVEL_BLOCK, 0))
		level_learn_block(level);
	level->block[level->n_block] = value;
	if (level_counts(value))
		level->n_block++;
	return value / level->normal;
}

/* A rule is violated: what waits is dropped. `value`: the record's, which came last. */
void level_doubt(struct level *level, double value);

static inline bool level_is_known(const struct level *level)
{
	return level && level->normal > 0;
}

/* The limit for an aggregate of `over` records, as a multiple of the normal level: so many spreads away from it, at
 * least `times` of it, and beyond what was seen in a tenth of the past. `above` says on which side. */
double level_limit(struct level *level, bool above, double times, double deviations, size_t over);

#endif
