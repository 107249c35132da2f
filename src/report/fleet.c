/* fleet.c - which instances are listed and in which order, and the sentences about one. */
#include "report/fleet.h"

#include "base/clock.h"
#include "report/terminal.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

const char *const fleet_order_ids[FLEET_ORDERS] = { "trouble", "name", "latency", "speed", "alarms", "seen" };

enum text_id instance_state_word(enum instance_state state)
{
	static const enum text_id words[INSTANCE_STATE_COUNT] = { TEXT_FLEET_RUNNING, TEXT_FLEET_ENDED,
								  TEXT_FLEET_SILENT };

	return words[state];
}

static const char BY_CHANCE[] = "by_chance";

/* --- which --------------------------------------------------------------------------------- */

static bool has(const char *text, const char *wanted)
{
	const size_t n = strlen(wanted);

	for (; strlen(text) >= n; text++)
		if (!strncasecmp(text, wanted, n))
			return true;
	return false;
}

static bool matches(const struct instance_findings *in, const char *wanted, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[in->cause];
	const char *const texts[] = { in->instance,
				      in->model_name,
				      in->strategy,
				      in->device,
				      instance_state_ids[in->state],
				      text(instance_state_word(in->state), lang),
				      verdict_ids[in->verdict],
				      cause->id,
				      cause->title[lang] };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (has(texts[i], wanted))
			return true;
	for (int c = 0; c < CAUSE_COUNT; c++)
		if (in->by_chance >> c & 1 && (has(BY_CHANCE, wanted) || has(cause_specs[c].id, wanted) ||
					       has(cause_specs[c].title[lang], wanted)))
			return true;
	return false;
}

/* --- in which order -------------------------------------------------------------------------- */

/* Unknown values come last. */
static int more(double x, double y)
{
	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return (x < y) - (x > y);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct instance_findings *const *)a)->instance,
		      (*(const struct instance_findings *const *)b)->instance);
}

#define ORDER(name, x_value, y_value)                                                                                  \
	static int name(const void *a, const void *b)                                                                  \
	{                                                                                                              \
		const struct instance_findings *x = *(const struct instance_findings *const *)a,                       \
					       *y = *(const struct instance_findings *const *)b;                       \
		int order = more(x_value, y_value);                                                                    \
                                                                                                                       \
		return order ? order : by_name(a, b);                                                                  \
	}

ORDER(by_latency, x->decode_latency.p50, y->decode_latency.p50)
ORDER(by_speed, -x->metric[M_THROUGHPUT_TPS].p50, -y->metric[M_THROUGHPUT_TPS].p50)
ORDER(by_alarms, (double)x->alarms, (double)y->alarms)
ORDER(by_seen, -(double)x->to_us, -(double)y->to_us)

size_t fleet_rows(const struct findings *f, const struct fleet_options *opts, const struct instance_findings **out)
{
	static int (*const orders[FLEET_ORDERS])(const void *, const void *) = {
		[FLEET_BY_NAME] = by_name,     [FLEET_BY_LATENCY] = by_latency, [FLEET_BY_SPEED] = by_speed,
		[FLEET_BY_ALARMS] = by_alarms, [FLEET_BY_SEEN] = by_seen,
	};
	size_t n = 0;

	instances_by_trouble(f, out);
	for (size_t i = 0; i < f->n_instances; i++)
		if (!opts->match || matches(out[i], opts->match, opts->report.lang))
			out[n++] = out[i];
	if (n && orders[opts->order])
		qsort(out, n, sizeof *out, orders[opts->order]);
	return n;
}

/* --- what is said ------------------------------------------------------------------------------ */

size_t fleet_unlike_peers(const struct findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_instances; i++)
		n += f->instance[i].outlier != NULL || f->instance[i].cause == CAUSE_UNLIKE_PEERS;
	return n;
}

/* The day only where the log has more than one. */
static const char *moment(char out[TIME_TEXT_BYTES], const struct findings *f, int64_t time_us)
{
	time_format(out, time_us);
	out[10] = ' ';
	out[19] = 0;
	return f->from_us / 86400000000 == f->to_us / 86400000000 ? out + 11 : out + 5;
}

void peer_words(struct buf *out, const struct findings *f, const struct peer_outlier *o, enum lang lang)
{
	const char *label = metric_specs[o->metric].label[lang];
	char far[TERM_TEXT], peers[TERM_TEXT], when[TIME_TEXT_BYTES];

	if (o->is_ratio)
		snprintf(far, sizeof far, "%.2g", o->value / o->usual);
	else
		term_value(far, o->metric, o->value - o->usual);
	term_count(peers, o->peers);
	text_fill(out, lang, o->is_ratio ? TEXT_FLEET_TIMES : TEXT_FLEET_ABOVE, label, far, peers);
	if (o->since_us)
		text_fill(out, lang, TEXT_FLEET_SINCE, moment(when, f, o->since_us));
}

void by_chance_words(struct buf *out, const struct instance_findings *in, enum lang lang)
{
	struct buf causes = { 0 };

	for (int c = 0; c < CAUSE_COUNT; c++)
		if (in->by_chance >> c & 1)
			buf_printf(&causes, "%s%s", causes.used ? text(TEXT_LIST_COMMA, lang) : "",
				   cause_specs[c].title[lang]);
	if (causes.used)
		text_fill(out, lang, TEXT_FLEET_CHANCE, causes.p);
	buf_free_into(&causes, out);
}

static void say_shared(struct buf *out, const struct slowdown *s, enum lang lang)
{
	static const enum text_id words[SHARED_COUNT] = { TEXT_FLEET_HOST, TEXT_FLEET_MODEL, TEXT_FLEET_STRATEGY,
							  TEXT_FLEET_DEVICE };
	bool any = false;

	for (int what = 0; what < SHARED_COUNT; what++) {
		if (!s->shared[what])
			continue;
		buf_str(out, any ? text(TEXT_LIST_COMMA, lang) : "");
		text_fill(out, lang, words[what], s->shared[what]);
		any = true;
	}
}

static void say_slowest(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct slowdown *s = &f->slowdown;
	const struct instance_findings *in = f->instance;
	char n[TERM_TEXT], of[TERM_TEXT], times[TERM_TEXT], buffer[TIME_TEXT_BYTES];
	const char *since;

	while (in->instance != s->instance)
		in++;
	since = moment(buffer, f, in->slower_us);
	snprintf(times, sizeof times, "%.2g", in->times_slower);
	if (s->slowed == 1)
		text_fill(out, lang, TEXT_FLEET_ONE, term_count(of, s->of), instance_shown(in->instance), times, since);
	else
		text_fill(out, lang, TEXT_FLEET_LOCAL, term_count(n, s->slowed), term_count(of, s->of),
			  instance_shown(in->instance), times, since);
}

void slowdown_words(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct slowdown *s = &f->slowdown;
	char n[TERM_TEXT], of[TERM_TEXT], times[TERM_TEXT], when[TIME_TEXT_BYTES];
	struct buf shared = { 0 };

	snprintf(times, sizeof times, "%.2g", s->times);
	switch (s->scope) {
	case SLOWDOWN_COMMON:
		text_fill(out, lang, TEXT_FLEET_COMMON, term_count(n, s->together), term_count(of, s->of),
			  moment(when, f, s->from_us), times);
		break;
	case SLOWDOWN_GROUP:
		say_shared(&shared, s, lang);
		text_fill(out, lang, TEXT_FLEET_TOGETHER, term_count(n, s->together), term_count(of, s->of),
			  moment(when, f, s->from_us), times, buf_text(&shared));
		break;
	case SLOWDOWN_LOCAL:
		say_slowest(out, f, lang);
		break;
	default:
		break;
	}
	buf_free_into(&shared, out);
}

void mixture_words(struct buf *out, const struct findings *f, const struct peer_mixture *m, enum lang lang)
{
	const struct peer_group *g = &f->peers.group[m->group];
	char apart[TERM_TEXT], of[TERM_TEXT], value[TERM_TEXT], usual[TERM_TEXT];

	text_fill(out, lang, TEXT_FLEET_MIXED, metric_specs[m->metric].label[lang], term_count(apart, m->apart),
		  term_count(of, m->of), *g->model_name ? g->model_name : "-", *g->strategy ? g->strategy : "-",
		  *g->device ? g->device : "-", term_value(value, m->metric, m->value),
		  term_value(usual, m->metric, m->usual));
}
