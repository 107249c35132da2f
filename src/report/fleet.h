/* fleet.h - many instances as one list, the worst first: for the terminal and for programs.
 *
 * Ownership  as report.h says.
 */
#ifndef RWKVMON_REPORT_FLEET_H
#define RWKVMON_REPORT_FLEET_H

#include "report/report.h"

enum fleet_order {
	FLEET_BY_TROUBLE,
	FLEET_BY_NAME,
	FLEET_BY_LATENCY,
	FLEET_BY_SPEED,
	FLEET_BY_ALARMS,
	FLEET_BY_SEEN,
	FLEET_ORDERS
};

extern const char *const fleet_order_ids[FLEET_ORDERS]; /* "trouble", "name", "latency", "speed", "alarms", "seen" */

struct fleet_options {
	struct report_options report;
	const char *match; /* only instances of which a name, the cause or the state has this text, whatever its case;
			    * NULL: all */
	enum fleet_order order;
	size_t most; /* rows of the terminal; 0: all. What is left out is counted there. */
};

void fleet_text(struct buf *out, const struct findings *f, const struct fleet_options *opts);
void fleet_json(struct buf *out, const struct findings *f, const struct fleet_options *opts);

/* (n_instances) into `out`: those that match, in order; returns how many. */
size_t fleet_rows(const struct findings *f, const struct fleet_options *opts, const struct instance_findings **out);

/* As members of the JSON object that is open. */
void peer_json(struct json *out, const struct peer_outlier *o);

/* "Token latency 2.5 × the median of its 49 peers, since 10:42": of decode steps. */
void peer_words(struct buf *out, const struct findings *f, const struct peer_outlier *o, enum lang lang);

/* "The first calls are slow (may be chance)": what its log shows, but does not count; nothing if there is none. */
void by_chance_words(struct buf *out, const struct instance_findings *in, enum lang lang);

/* Says whether one instance became slower, a group that shares something, or all at the same time; nothing if none
 * did. */
void slowdown_words(struct buf *out, const struct findings *f, enum lang lang);

/* Names the groups in which so many instances differ that there are two kinds of hosts. */
void mixture_words(struct buf *out, const struct findings *f, const struct peer_mixture *m, enum lang lang);

/* The number of instances with each cause, and their names; then what is not known of some. For a log of several
 * instances. False: there was no memory for all of them. */
struct term;
typedef void fleet_line_fn(void *ctx, const char *words, enum verdict verdict); /* words of a log: not escaped */
bool fleet_causes_each(const struct findings *f, enum lang lang, fleet_line_fn *line, void *ctx);
void fleet_causes_text(struct term *t, const struct findings *f);
void fleet_causes_json(struct json *out, const struct findings *f, enum lang lang); /* a value */

/* Instances that are worse than their peers in any way. */
size_t fleet_unlike_peers(const struct findings *f);

enum text_id instance_state_word(enum instance_state state);

#endif
