/* fleet_text.c - the list of instances for a terminal. */
#include "report/fleet.h"

#include "base/clock.h"
#include "report/text_trends.h"
#include "report/unusual_words.h"
#include "report/verdict_text.h"

#include <math.h>
#include <stdlib.h>

enum { MARK = 2, GROUP = 3, SPEED = 9, LATENCY = 9, TIMES = 8, ALARMS = 8, STATE = 9, SEEN = 10, NAME_LEAST = 22 };
enum { REST = MARK + GROUP + SPEED + LATENCY + TIMES + ALARMS + STATE + SEEN, HEAT_LEAST = 12, UNUSUAL_SHOWN = 10 };

/* Of the width: the name, and a heat map where there is room for one. */
struct layout {
	size_t name, heat;
};

static struct layout layout_of(const struct term *t)
{
	const size_t room = t->columns - REST - NAME_LEAST;

	if (room < HEAT_LEAST + 2)
		return (struct layout){ .name = t->columns - REST };
	return (struct layout){ .name = NAME_LEAST + room / 4,
				.heat = room - room / 4 < INSTANCE_SLICES + 2 ? room - room / 4 : INSTANCE_SLICES + 2 };
}

static const char *dot(const struct term *t, enum verdict v)
{
	static const char *const ascii[VERDICT_COUNT] = { ".", "?", "!", "X" };

	return t->ascii ? ascii[v] : v == VERDICT_UNDECIDED ? "\xe2\x97\x8b" : "\xe2\x97\x8f";
}

/* A letter for each of the first groups, a number for the others. */
static const char *group_name(char out[TERM_TEXT], size_t group, size_t n_groups)
{
	if (group >= n_groups)
		snprintf(out, TERM_TEXT, "-");
	else if (group < 26)
		snprintf(out, TERM_TEXT, "%c", (int)('A' + group));
	else
		snprintf(out, TERM_TEXT, "%zu", group);
	return out;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void put_counts(struct term *t, const struct findings *f)
{
	size_t of[VERDICT_COUNT] = { 0 }, silent = 0;
	char total[TERM_TEXT], bad[TERM_TEXT], open[TERM_TEXT], fine[TERM_TEXT], quiet[TERM_TEXT], outliers[TERM_TEXT];

	for (size_t i = 0; i < f->n_instances; i++) {
		of[f->instance[i].verdict]++;
		silent += f->instance[i].state == INSTANCE_SILENT;
	}
	term_say(t, TINT_PLAIN, MARK, TEXT_FLEET_COUNTS,
		 (const char *const[]){ term_count(total, f->instances_total),
					term_count(bad, of[VERDICT_CRITICAL] + of[VERDICT_ATTENTION]),
					term_count(outliers, fleet_unlike_peers(f)), term_count(quiet, silent),
					term_count(open, of[VERDICT_UNDECIDED]),
					term_count(fine, of[VERDICT_HEALTHY]) });
	term_newline(t);
}

static void put_group(struct term *t, const struct findings *f, size_t i)
{
	const struct peer_group *g = &f->peers.group[i];
	char name[TERM_TEXT], model[TERM_TEXT], strategy[TERM_TEXT], device[TERM_TEXT], n[TERM_TEXT], ms[TERM_TEXT];

	term_left(t, TINT_PLAIN, "", MARK);
	term_left(t, TINT_BOLD, group_name(name, i, f->peers.n_groups), GROUP);
	term_say(t, TINT_PLAIN, MARK + GROUP, isnan(g->latency_ms) ? TEXT_FLEET_SMALL_GROUP : TEXT_FLEET_GROUP,
		 (const char *const[]){ term_clean(model, t, *g->model_name ? g->model_name : "-", 40, true),
					term_clean(strategy, t, *g->strategy ? g->strategy : "-", 24, false),
					term_clean(device, t, *g->device ? g->device : "-", 32, false),
					term_count(n, g->instances), term_number(ms, g->latency_ms) });
	term_newline(t);
}

/* --- the rows ------------------------------------------------------------------------------------ */

static void put_heads(struct term *t, const struct layout *l)
{
	term_left(t, TINT_PLAIN, "", MARK);
	term_left(t, TINT_DIM, term_word(t, TEXT_PAGE_INSTANCE), l->name);
	term_left(t, TINT_DIM, term_word(t, TEXT_FLEET_GROUP_HEAD), GROUP);
	term_right(t, TINT_DIM, term_word(t, TEXT_TERM_SPEED), SPEED);
	term_right(t, TINT_DIM, term_word(t, TEXT_TERM_LATENCY_P50), LATENCY);
	term_right(t, TINT_DIM, term_word(t, t->ascii ? TEXT_FLEET_PEERS_ASCII : TEXT_FLEET_PEERS_HEAD), TIMES);
	term_right(t, TINT_DIM, term_word(t, TEXT_FLEET_ALARMS_HEAD), ALARMS);
	if (l->heat) {
		term_left(t, TINT_PLAIN, "", 2);
		term_left(t, TINT_DIM, term_word(t, TEXT_FLEET_HEAT_HEAD), l->heat - 2);
	}
	term_right(t, TINT_DIM, term_word(t, TEXT_FLEET_STATE_HEAD), STATE);
	term_right(t, TINT_DIM, term_word(t, TEXT_FLEET_SEEN_HEAD), SEEN);
	term_newline(t);
}

/* Eight steps, from half of the group's usual value to twice that value. */
static const char *level(const struct term *t, double ms, double usual)
{
	static const char *const unicode[] = { "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
					       "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const ascii[] = { "_", ".", "-", "~", "=", "+", "*", "#" };
	const double at = 8 * (log2(ms / usual) + 1) / 2;

	return isnan(at) ? " " : (t->ascii ? ascii : unicode)[(size_t)fmin(fmax(at, 0), 7)];
}

static void put_heat(struct term *t, const struct findings *f, const struct instance_findings *in, size_t n)
{
	double usual = in->decode_latency.p50;
	struct buf line = { 0 };

	if (in->group < f->peers.n_groups && isfinite(f->peers.group[in->group].latency_ms))
		usual = f->peers.group[in->group].latency_ms;
	for (size_t c = 0; c < n; c++) {
		double sum = 0, known = 0;

		for (size_t i = c * INSTANCE_SLICES / n; i < (c + 1) * INSTANCE_SLICES / n; i++) {
			sum += isnan(in->course[i]) ? 0 : log(in->course[i]);
			known += !isnan(in->course[i]);
		}
		buf_str(&line, level(t, known > 0 ? exp(sum / known) : (double)NAN, usual));
	}
	term_left(t, TINT_PLAIN, "", 2);
	term_put(t, TINT_PLAIN, buf_text(&line));
	buf_free_into(&line, t->out);
}

static const char *seen(char out[TIME_TEXT_BYTES], const struct findings *f, int64_t time_us)
{
	time_format(out, time_us);
	out[10] = ' ';
	out[19] = 0;
	if (f->to_us - time_us < INT64_C(86400000000))
		return out + 11;
	out[10] = 0; /* days ago: which day */
	return out;
}

/* The instance's problem, in words. */
static void put_why(struct term *t, const struct findings *f, const struct instance_findings *in)
{
	const bool bad = cause_is_bad(cause_specs[in->cause].kind);
	struct buf line = { 0 }, clean = { 0 };
	char when[TIME_TEXT_BYTES];

	if (in->outlier)
		peer_words(&line, f, in->outlier, t->lang);
	if (isfinite(in->times_slower)) {
		char times[TERM_TEXT];

		snprintf(times, sizeof times, "%.2g", in->times_slower);
		buf_str(&line, line.used ? term_word(t, TEXT_SEMICOLON) : "");
		text_fill(&line, t->lang, TEXT_FLEET_SLOWER, times, seen(when, f, in->slower_us));
	}
	if (bad && in->cause != CAUSE_UNLIKE_PEERS) {
		buf_str(&line, line.used ? term_word(t, TEXT_SEMICOLON) : "");
		buf_str(&line, cause_specs[in->cause].title[t->lang]);
		if (in->since_us)
			text_fill(&line, t->lang, TEXT_FLEET_SINCE, seen(when, f, in->since_us));
		if (*in->session_id)
			text_fill(&line, t->lang, TEXT_IN_BRACKETS, in->session_id);
	}
	if (in->by_chance) {
		buf_str(&line, line.used ? term_word(t, TEXT_SEMICOLON) : "");
		by_chance_words(&line, in, t->lang);
	}
	term_clean_all(&clean, t, buf_text(&line));
	if (clean.used) {
		term_left(t, TINT_PLAIN, "", 2 * MARK);
		term_wrap(t, verdict_tint(in->verdict), clean.p, 2 * MARK);
		term_newline(t);
	}
	buf_free_into(&line, t->out);
	buf_free_into(&clean, t->out);
}

static void put_row(struct term *t, const struct findings *f, const struct instance_findings *in,
		    const struct layout *l)
{
	char v[TERM_TEXT], name[TERM_TEXT], when[TIME_TEXT_BYTES];
	const enum tint state = in->state == INSTANCE_SILENT ? TINT_WARN : TINT_DIM;

	term_put(t, verdict_tint(in->verdict), dot(t, in->verdict));
	term_put(t, TINT_PLAIN, " ");
	term_clean(name, t, instance_shown(in->instance), l->name - 1, true);
	term_left(t, in->verdict >= VERDICT_ATTENTION ? TINT_BOLD : TINT_PLAIN, name, l->name);
	term_left(t, TINT_DIM, group_name(v, in->group, f->peers.n_groups), GROUP);
	term_right(t, TINT_PLAIN, term_number(v, in->metric[M_THROUGHPUT_TPS].p50), SPEED);
	term_right(t, TINT_PLAIN, term_number(v, in->decode_latency.count ? in->decode_latency.p50 : (double)NAN),
		   LATENCY);
	snprintf(v, sizeof v, isnan(in->slower) ? "-" : "%.2f", in->slower);
	term_right(t, in->outlier ? TINT_WARN : TINT_PLAIN, v, TIMES);
	term_right(t, in->alarms ? TINT_WARN : TINT_DIM, term_count(v, in->alarms), ALARMS);
	if (l->heat)
		put_heat(t, f, in, l->heat - 2);
	term_right(t, state, term_word(t, instance_state_word(in->state)), STATE);
	term_right(t, state, seen(when, f, in->to_us), SEEN);
	term_newline(t);
	put_why(t, f, in);
}

/* What the rows do not show, and how to see it. */
static void put_left_out(struct term *t, const struct findings *f, enum fleet_order order, size_t matching,
			 size_t shown)
{
	char n[TERM_TEXT], all[TERM_TEXT];

	if (matching < f->n_instances) {
		term_left(t, TINT_PLAIN, "", MARK);
		term_say(t, TINT_DIM, MARK, TEXT_FLEET_NO_MATCH,
			 (const char *const[]){ term_count(n, f->n_instances - matching),
						term_count(all, f->n_instances) });
		term_newline(t);
	}
	term_more(t, MARK, order == FLEET_BY_TROUBLE ? TEXT_FLEET_MORE : TEXT_FLEET_MORE_ROWS, matching - shown);
}

void fleet_text(struct buf *out, const struct findings *f, const struct fleet_options *opts)
{
	const struct instance_findings **row = malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));
	const size_t n = row ? fleet_rows(f, opts, row) : 0, shown = opts->most && opts->most < n ? opts->most : n;
	struct term t = term_begin(out, &opts->report);
	const struct layout l = layout_of(&t);

	out->failed |= !row;
	verdict_line(&t, f);
	put_counts(&t, f);
	fleet_causes_text(&t, f);
	if (f->peers.n_groups)
		term_heading(&t, TEXT_FLEET_GROUPS, term_word(&t, TEXT_FLEET_GROUPS_REMARK));
	for (size_t i = 0; i < f->peers.n_groups; i++)
		put_group(&t, f, i);
	text_mixtures(&t, f);
	text_unusual(&t, f, UNUSUAL_SHOWN);
	term_heading(&t, TEXT_TERM_INSTANCES,
		     opts->order == FLEET_BY_TROUBLE ? term_word(&t, TEXT_FLEET_REMARK) : NULL);
	put_heads(&t, &l);
	for (size_t i = 0; i < shown; i++)
		put_row(&t, f, row[i], &l);
	put_left_out(&t, f, opts->order, n, shown);
	free(row);
}
