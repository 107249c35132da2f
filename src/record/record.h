/* record.h - one log line as data: the record that passes through ring, rules, sinks, reader and analysis.
 *
 * Ownership  a record owns nothing; what it points to lives as long as its maker says
 *            (collector: until the sinks returned; reader: until the next line).
 */
#ifndef RWKVMON_RECORD_RECORD_H
#define RWKVMON_RECORD_RECORD_H

#include "spec/fields.h"
#include "spec/gpu_values.h"
#include "spec/metrics.h"

/* Where the caller's own fields are written: at the end of these objects, or of the line. */
enum own_place { OWN_PERFORMANCE, OWN_RESOURCES, OWN_ACCURACY, OWN_METADATA, OWN_TOP, OWN_PLACE_COUNT };

extern const char *const own_place_keys[OWN_PLACE_COUNT]; /* "performance", …, "" */

struct record {
	int64_t time_us; /* Unix time of the end of the forward call */
	enum event_type event;
	enum phase phase;
	uint32_t sequence;      /* from 0 */
	uint32_t token_count;   /* tokens of this call */
	uint32_t sampled_every; /* expensive metrics are measured once in this many calls; 0, 1: every call */
	uint32_t batch_size;    /* streams in this call; 0, 1: one */
	uint8_t finish;   /* of a request that ends with it: 1 + enum rwkvmon_finish; 0: unknown. Not in the log */
	uint64_t ordinal; /* 1 for the session's first line, 2 for the next: `record` + 1; 0: it has no number */
	uint64_t sequence_length; /* tokens of the sequence so far */
	uint64_t have;            /* bit m: metric[m] is known */
	uint64_t nonfinite;       /* bit m: the log held NaN or Infinity; `have` is then 0 */
	double metric[METRIC_COUNT];

	const uint32_t *tokens; /* (n_tokens); NULL unless asked for */
	size_t n_tokens;
	struct slice text;       /* p is NULL unless asked for */
	const float *layer_norm; /* (n_layer_norm); NULL unless asked for */
	size_t n_layer_norm;
	const struct gpu_sample *gpu; /* (n_gpus) of several GPUs each; NULL: none, or not sampled since the last */
	size_t n_gpus;
	const char *own; /* "key":value,… by place, one after the other; or NULL */
	uint16_t own_bytes[OWN_PLACE_COUNT];

	const struct field_values *session; /* SESSION fields; never NULL once it leaves its maker */
	const struct field_values
		*instance; /* of a stream's session_start: what is the same there is not written; or NULL */
	const struct field_values *extra; /* EXTRA fields of alarms, gaps and session_end, or NULL */
	const struct record *details;     /* an alarm's record, or NULL */
};

static inline bool record_has(const struct record *r, enum metric_id m)
{
	return r->have >> m & 1;
}

static inline void record_set(struct record *r, enum metric_id m, double value)
{
	r->have |= metric_bit(m);
	r->metric[m] = value;
}

static inline void record_unset(struct record *r, enum metric_id m)
{
	r->have &= ~metric_bit(m);
	r->nonfinite &= ~metric_bit(m);
}

/* Rounds metrics and time to what the log keeps, so that rules see the same values live and in replay. */
static inline void record_as_logged(struct record *r)
{
	for (uint64_t left = r->have; left; left &= left - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(left);

		r->metric[m] = metric_as_logged(m, r->metric[m]);
	}
	r->time_us -= (r->time_us % 1000 + 1000) % 1000;
}

#endif
