/* record.h - one log line as data: what moves through ring, rules, sinks, reader and analysis.
 *
 * Ownership  a record owns nothing; what it points to lives as long as its maker says
 *            (collector: until the sinks returned; reader: until the next line).
 */
#ifndef RWKVMON_RECORD_RECORD_H
#define RWKVMON_RECORD_RECORD_H

#include "spec/fields.h"
#include "spec/metrics.h"

/* Where fields of the caller's own stand: at the end of these objects, or of the line. */
enum own_place {
	OWN_PERFORMANCE,
	OWN_RESOURCES,
	OWN_ACCURACY,
	OWN_METADATA,
	OWN_TOP,
	OWN_PLACE_COUNT
};

extern const char *const own_place_keys[OWN_PLACE_COUNT]; /* "performance", …, "" */

struct record {
	int64_t time_us; /* Unix time of the end of the forward call */
	enum event_type event;
	enum phase phase;
	uint32_t sequence;	  /* from 0 */
	uint32_t token_count;	  /* tokens of this call */
	uint32_t sampled_every;	  /* expensive metrics are taken every so many calls; 0, 1: every call */
	uint64_t sequence_length; /* tokens of the sequence so far */
	uint64_t have;		  /* bit m: metric[m] is known */
	uint64_t nonfinite;	  /* bit m: the log held NaN or Infinity; `have` is then 0 */
	double metric[METRIC_COUNT];

	const uint32_t *tokens; /* (n_tokens); NULL unless asked for */
	size_t n_tokens;
	struct slice text; /* p is NULL unless asked for */
	const float *layer_norm; /* (n_layer_norm); NULL unless asked for */
	size_t n_layer_norm;
	const char *own;			 /* "key":value,… by place, one after the other; or NULL */
	uint16_t own_bytes[OWN_PLACE_COUNT];

	const struct field_values *session; /* SESSION fields; never NULL once it leaves its maker */
	const struct field_values *extra;   /* EXTRA fields of alarms, gaps and session_end, or NULL */
	const struct record *details;	    /* an alarm's record, or NULL */
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

#endif
