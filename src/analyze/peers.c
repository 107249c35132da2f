/* peers.c - groups instances by model, strategy and device, and finds those that stand out. */
#include "analyze/peers.h"

#include "spec/diagnosis.h"
#include "stats/median.h"
#include "stats/student.h"

#include <math.h>
#include <stdlib.h>

/* What is compared, as a logarithm. Entropy, repetition and similarity are not: they follow the text, and what hosts
 * are asked for differs. Surprisal follows it as entropy does: a model knows how unsure it is, whatever it reads or
 * writes. */
static const struct peer_metric {
	enum metric_id metric;
	bool recent; /* of the latest sessions alone: a fault may be new */
	enum phase phase;
	bool beyond_entropy; /* the mean, over the mean entropy, and only more is told; else the median, either way */
	double floor;        /* of the spread: instances that are alike differ by this much */
	double least;        /* that anybody would care about; of surprisal in nats beyond what its entropy leads to */
	double least_z;      /* what texts are about is no bell curve */
} compared[] = {
	{ M_TOKEN_LATENCY_MS, false, PHASE_DECODE, false, 0.03, 0.15, 0 },
	{ M_TOKEN_LATENCY_MS, true, PHASE_DECODE, false, 0.03, 0.15, 0 },
	{ M_PROCESS_MEMORY_MB, false, PHASE_DECODE, false, 0.03, 0.25, 0 },
	{ M_PROCESS_VRAM_MB, false, PHASE_DECODE, false, 0.03, 0.20, 0 },
	{ M_SURPRISAL_NATS, false, PHASE_DECODE, true, 0.03, 1, 5 },
	{ M_SURPRISAL_NATS, true, PHASE_DECODE, true, 0.03, 1, 5 },
	{ M_SURPRISAL_NATS, false, PHASE_PREFILL, true, 0.05, 1.5, 5 },
};

enum { COMPARED = sizeof compared / sizeof *compared };

/* Who is far out is told from a tail heavier than a normal one: hosts drift, and some are new or old. */
static const double FREEDOM_MOST = 24;

/* A session that decodes; borrowed. */
struct piece {
	const struct session *session;
	const struct metric_stats *steps, *prompts; /* of decoding; of prefill, NULL: none */
	const char *device; /* its own, or what another session of the instance says; "" unknown */
};

/* Sessions of one instance with one model, strategy and device. */
struct member {
	const struct piece *piece; /* (n), by time */
	size_t n;
	uint64_t noted;                          /* bits of metrics in which it is an outlier */
	double level[COMPARED], error[COMPARED]; /* NAN unknown */
	double entropy[COMPARED];                /* that surprisal is held against, nats; 1 where none is */
};

static const char *known(const char *text)
{
	return text ? text : "";
}

static int by_group(const struct piece *x, const struct piece *y)
{
	int order = strcmp(known(x->session->model_name), known(y->session->model_name));

	order = order ? order : strcmp(known(x->session->strategy), known(y->session->strategy));
	return order ? order : strcmp(x->device, y->device);
}

static int by_instance(const void *a, const void *b)
{
	return strcmp(((const struct piece *)a)->session->instance, ((const struct piece *)b)->session->instance);
}

static int by_member(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int order = by_group(x, y);

	order = order ? order : by_instance(x, y);
	return order ? order
		     : (x->session->from_us > y->session->from_us) - (x->session->from_us < y->session->from_us);
}

/* Of one instance, or of one of its sessions. */
struct measured {
	double level, error, entropy;
	uint64_t count;
};

/* Steps until two of them are taken as independent; the chunks of a prompt are few, and each the mean of many tokens.
 */
static double memory_of(enum phase phase)
{
	return phase == PHASE_PREFILL ? 2 : PEER_MEMORY;
}

/* The median, and its standard error. */
static struct measured measure_median(const struct peer_metric *m, const struct summary *s)
{
	const double independent = fmax(1, (double)s->count / memory_of(m->phase));
	const double spread = 1.253 * log(s->p90 / s->p50) / 1.2816; /* of a normal median */

	return (struct measured){ .level = s->p50 > 0 ? log(s->p50) : (double)NAN,
				  .error = isfinite(spread) ? spread / sqrt(independent) : 0,
				  .entropy = 1,
				  .count = s->count };
}

/* The mean surprisal in mean entropies. */
static struct measured measure_beyond(const struct peer_metric *m, const struct summary *s,
				      const struct summary *entropy)
{
	const double independent = fmax(1, (double)s->count / memory_of(m->phase));
	const double spread = hypot(s->stddev / s->mean, entropy->stddev / entropy->mean);
	const bool known = entropy->count && s->mean > 0 && entropy->mean > 0;

	return (struct measured){ .level = known ? log(s->mean / entropy->mean) : (double)NAN,
				  .error = isfinite(spread) ? spread / sqrt(independent) : 0,
				  .entropy = entropy->mean,
				  .count = s->count < entropy->count ? s->count : entropy->count };
}

static struct measured measure(const struct peer_metric *m, const struct metric_stats *steps)
{
	struct summary s, entropy;

	metric_stats_summary(steps, m->metric, &s);
	if (!s.count)
		return (struct measured){ .level = (double)NAN, .error = (double)NAN };
	if (!m->beyond_entropy)
		return measure_median(m, &s);
	metric_stats_summary(steps, M_LOGITS_ENTROPY, &entropy);
	return measure_beyond(m, &s, &entropy);
}

static void weigh(struct member *m, const struct metric_stats *steps, bool recent, enum phase phase)
{
	const uint64_t least = phase == PHASE_PREFILL ? PEER_PROMPTS : PEER_RECORDS;

	for (size_t k = 0; k < COMPARED; k++) {
		struct measured of;

		if (compared[k].recent != recent || compared[k].phase != phase)
			continue;
		of = steps ? measure(&compared[k], steps) : (struct measured){ .count = 0 };
		m->level[k] = of.count >= least ? of.level : (double)NAN;
		m->error[k] = isfinite(m->level[k]) ? of.error : (double)NAN;
		m->entropy[k] = of.entropy;
	}
}

static const struct metric_stats *steps_of(const struct piece *p, enum phase phase)
{
	return phase == PHASE_PREFILL ? p->prompts : p->steps;
}

/* The sessions from `from` on. */
static bool weigh_from(struct member *m, size_t from, bool recent, enum phase phase)
{
	struct metric_stats whole = { .records = 0 };
	bool fine;

	if (from + 1 == m->n) {
		weigh(m, steps_of(&m->piece[from], phase), recent, phase);
		return true;
	}
	for (size_t i = from; i < m->n; i++)
		if (steps_of(&m->piece[i], phase))
			metric_stats_merge(&whole, steps_of(&m->piece[i], phase));
	fine = !metric_stats_failed(&whole);
	weigh(m, &whole, recent, phase);
	metric_stats_free(&whole);
	return fine;
}

static bool weigh_member(struct member *m)
{
	size_t latest = m->n - 1;

	for (uint64_t steps = m->piece[latest].steps->records; latest && steps < 2 * PEER_RECORDS;)
		steps += m->piece[--latest].steps->records;
	return weigh_from(m, 0, false, PHASE_DECODE) && weigh_from(m, latest, true, PHASE_DECODE) &&
	       weigh_from(m, 0, false, PHASE_PREFILL);
}

/* Sessions that do not say on what they ran, ran on what another one of their instance says. */
static void fill_devices(struct piece *piece, size_t n)
{
	qsort(piece, n, sizeof *piece, by_instance);
	for (size_t from = 0, to; from < n; from = to) {
		const char *device = "";

		for (to = from; to < n && !by_instance(&piece[from], &piece[to]); to++)
			device = *piece[to].device ? piece[to].device : device;
		for (size_t i = from; i < to; i++)
			piece[i].device = *piece[i].device ? piece[i].device : device;
	}
}

static size_t find_pieces(const struct analysis *a, struct piece *out)
{
	size_t n = 0;

	for (size_t i = 0; i < a->sessions.n_listed && i < a->gather.n; i++) {
		struct metric_stats *const *phase = a->gather.session[i].phase;
		const struct metric_stats *steps = phase[PHASE_DECODE] ? phase[PHASE_DECODE] : phase[PHASE_UNKNOWN];

		if (steps && a->sessions.listed[i]->instance && *a->sessions.listed[i]->instance)
			out[n++] = (struct piece){ a->sessions.listed[i], steps, phase[PHASE_PREFILL],
						   known(a->sessions.listed[i]->device) };
	}
	fill_devices(out, n);
	qsort(out, n, sizeof *out, by_member);
	return n;
}

static bool find_members(const struct piece *piece, size_t n, struct member *out, size_t *n_out)
{
	bool fine = true;

	*n_out = 0;
	for (size_t i = 0; i < n; i++) {
		if (!i || by_group(&piece[i], &piece[i - 1]) || by_instance(&piece[i], &piece[i - 1]))
			out[(*n_out)++] = (struct member){ .piece = &piece[i] };
		out[*n_out - 1].n++;
	}
	for (size_t i = 0; i < *n_out; i++)
		fine &= weigh_member(&out[i]);
	return fine;
}

/* One metric of one group. */
struct spread {
	size_t n, inner; /* members that have it; those that the scale is of */
	double middle, scale, error;
};

static size_t gather(const struct member *m, size_t n, size_t k, double *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(m[i].level[k]))
			out[found++] = m[i].level[k];
	return found;
}

/* Standard deviation of the values within 2.5 median deviations, as of a whole normal distribution: nearly all of them
 * have a say, and those far out have none. */
static double inner_scale(const double *v, struct spread *s, double rough)
{
	const double cut = 2.5 * rough, kept_share = 0.9546; /* of the deviation, of a normal cut there */
	double squares = 0;

	for (size_t i = 0; i < s->n; i++)
		if (fabs(v[i] - s->middle) <= cut) {
			squares += (v[i] - s->middle) * (v[i] - s->middle);
			s->inner++;
		}
	return s->inner > 1 ? sqrt(squares / (double)(s->inner - 1)) / kept_share : 0;
}

static struct spread spread_of(const struct member *m, size_t n, size_t k, double *scratch)
{
	struct spread s = { .n = gather(m, n, k, scratch) };
	double rough;

	if (s.n < PEERS_LEAST)
		return s;
	s.middle = median_sort(scratch, s.n);
	for (size_t i = 0; i < s.n; i++)
		scratch[i] = fabs(scratch[i] - s.middle);
	rough = fmax(1.4826 * median_sort(scratch, s.n), compared[k].floor);
	gather(m, n, k, scratch);
	s.scale = fmax(inner_scale(scratch, &s, rough), compared[k].floor);
	s.n = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(m[i].level[k]))
			scratch[s.n++] = m[i].error[k];
	s.error = median_sort(scratch, s.n);
	return s;
}

/* Robust z. What a member's own steps leave open beyond what is usual widens the spread. */
static double score(const struct spread *s, const struct member *m, size_t k)
{
	const double more = m->error[k] > s->error ? m->error[k] * m->error[k] - s->error * s->error : 0;

	return (m->level[k] - s->middle) / sqrt(s->scale * s->scale + more);
}

/* The first session from which on all lie on the member's side of the middle between it and its peers; 0: from the
 * first one on, or there is only one. */
static int64_t since(const struct member *m, size_t k, double middle)
{
	const double half = (m->level[k] + middle) / 2;
	size_t first = m->n;

	while (first) {
		const struct metric_stats *steps = steps_of(&m->piece[first - 1], compared[k].phase);
		const double level = steps ? measure(&compared[k], steps).level : (double)NAN;

		if (isfinite(level) && (level > half) != (m->level[k] > middle))
			break;
		first--;
	}
	return first && first < m->n ? m->piece[first].session->from_us : 0;
}

static int by_score(const void *a, const void *b)
{
	double x = fabs(((const struct peer_outlier *)a)->z), y = fabs(((const struct peer_outlier *)b)->z);

	return (x < y) - (x > y);
}

static const char *copied(struct arena *arena, const char *text)
{
	return arena_copy(arena, slice_of(known(text)));
}

/* A level as it is told: of surprisal, what its entropy makes of it. */
static double value_of(const struct member *m, size_t k, double level)
{
	return m->entropy[k] * exp(level);
}

static void note(struct findings *f, struct member *m, size_t k, const struct spread *s, double z)
{
	const struct session *of = m->piece->session;
	const struct peer_metric *c = &compared[k];

	m->noted |= metric_bit(c->metric); /* by all its sessions; the latest add nothing */
	f->peers.outlier[f->peers.n_outliers++] = (struct peer_outlier){
		.instance = copied(&f->arena, of->instance),
		.model_name = copied(&f->arena, of->model_name),
		.strategy = copied(&f->arena, of->strategy),
		.device = copied(&f->arena, m->piece->device),
		.metric = c->metric,
		.is_worse = z > 0,
		.value = value_of(m, k, m->level[k]),
		.usual = value_of(m, k, s->middle),
		.is_ratio = !c->beyond_entropy,
		.z = z,
		.peers = s->n - 1,
		.since_us = since(m, k, s->middle),
	};
}

static size_t group_end(const struct member *m, size_t n, size_t from)
{
	size_t to = from + 1;

	while (to < n && !by_group(m[from].piece, m[to].piece))
		to++;
	return to;
}

/* Of one metric of a group; the latest sessions of an instance that has no earlier ones are no comparison of their own.
 * Each recent row of `compared` stands after the whole one. */
static double comparisons_of(const struct member *m, size_t n, size_t k)
{
	size_t found = 0, own = 0;

	for (size_t i = 0; i < n; i++) {
		const bool known = isfinite(m[i].level[k]),
			   again = compared[k].recent && m[i].level[k] == m[i].level[k - 1];

		found += known;
		own += known && !again;
	}
	return found < PEERS_LEAST ? 0 : (double)own;
}

/* How many comparisons the whole log makes: each has its share of the chance to be wrong. */
static double comparisons(const struct member *m, size_t n)
{
	double all = 0;

	for (size_t from = 0, to; from < n; from = to) {
		to = group_end(m, n, from);
		for (size_t k = 0; k < COMPARED; k++)
			all += comparisons_of(&m[from], to - from, k);
	}
	return all;
}

/* Far enough for anybody to care. */
static bool matters(const struct member *m, size_t k, double middle)
{
	if (!isfinite(m->level[k]))
		return false;
	if (!compared[k].beyond_entropy)
		return fabs(m->level[k] - middle) >= compared[k].least;
	return value_of(m, k, m->level[k]) - value_of(m, k, middle) >= compared[k].least &&
	       value_of(m, k, m->level[k]) - m->entropy[k] >= limit_of(T_PEER_SURPRISED);
}

static bool is_out(const struct member *m, size_t k, const struct spread *s, double all)
{
	const double freedom = fmin(fmax(1, (double)s->inner - 1), FREEDOM_MOST);
	double z;

	if (!matters(m, k, s->middle))
		return false;
	z = score(s, m, k);
	return fabs(z) >= compared[k].least_z && student_chance(z, freedom) * all < limit_of(T_FALSE_FLEETS);
}

/* So many stand apart that they are no outliers: what the group is, and what these have in the middle. */
static void note_mixed(struct findings *f, const struct member *m, size_t n, size_t k, const struct spread *s,
		       double all, double *scratch)
{
	const struct peer_metric *c = &compared[k];
	const double middle = s->middle;
	double entropy = 1;
	size_t out = 0;

	f->peers.mixed++;
	for (size_t i = 0; i < f->peers.n_mixtures; i++)
		if (f->peers.mixture[i].metric == c->metric && f->peers.mixture[i].group == f->peers.n_groups - 1)
			return;
	for (size_t i = 0; i < n; i++)
		if (is_out(&m[i], k, s, all)) {
			scratch[out++] = m[i].level[k];
			entropy = m[i].entropy[k];
		}
	f->peers.mixture[f->peers.n_mixtures++] = (struct peer_mixture){
		.group = f->peers.n_groups - 1,
		.metric = c->metric,
		.apart = out,
		.of = s->n,
		.value = entropy * exp(median_sort(scratch, out)),
		.usual = entropy * exp(middle),
	};
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct instance_findings *const *)a)->instance,
		      (*(const struct instance_findings *const *)b)->instance);
}

/* Instances by name. */
struct roll {
	struct instance_findings **in; /* (n) */
	size_t n;
};

static struct instance_findings *find_instance(const struct roll *roll, const char *name)
{
	const struct instance_findings wanted = { .instance = name }, *key = &wanted;
	struct instance_findings **in = bsearch(&key, roll->in, roll->n, sizeof *roll->in, by_name);

	return in ? *in : NULL;
}

static bool call_roll(struct roll *roll, struct findings *f)
{
	roll->in = malloc((f->n_instances + 1) * sizeof(struct instance_findings *));
	for (roll->n = 0; roll->in && roll->n < f->n_instances; roll->n++)
		roll->in[roll->n] = &f->instance[roll->n];
	if (roll->n)
		qsort(roll->in, roll->n, sizeof *roll->in, by_name);
	return roll->in;
}

/* When nearly all became slower together, they are compared by how slow they are since then: how much of what each did
 * came before says nothing of it. Of the few others it is not known what they did since. */
static void weigh_slower(const struct findings *f, const struct roll *roll, struct member *m, size_t n)
{
	for (size_t i = 0; f->slowdown.scope == SLOWDOWN_COMMON && i < n; i++) {
		const struct instance_findings *in = find_instance(roll, m[i].piece->session->instance);
		const bool known = in && in->slower_part.together;

		for (size_t k = 0; k < COMPARED; k++)
			if (compared[k].metric == M_TOKEN_LATENCY_MS && isfinite(m[i].level[k]))
				m[i].level[k] = known ? log(in->slower_part.decode_ms) : (double)NAN;
	}
}

/* Whom the group consists of, and how fast each of them is beside its middle. */
static void tell_group(struct findings *f, const struct roll *roll, const struct member *m, size_t n, double *scratch)
{
	const struct session *first = m->piece->session;
	const size_t timed = gather(m, n, 0, scratch);
	const double middle = timed >= PEERS_LEAST ? median_sort(scratch, timed) : (double)NAN;

	f->peers.group[f->peers.n_groups] = (struct peer_group){ .model_name = copied(&f->arena, first->model_name),
								 .strategy = copied(&f->arena, first->strategy),
								 .device = copied(&f->arena, m->piece->device),
								 .instances = n,
								 .latency_ms = exp(middle) };
	for (size_t i = 0; i < n; i++) {
		struct instance_findings *in = find_instance(roll, m[i].piece->session->instance);

		if (!in || strcmp(in->model_name, known(first->model_name)) ||
		    strcmp(in->strategy, known(first->strategy)))
			continue;
		in->group = f->peers.n_groups;
		in->slower = exp(m[i].level[0] - middle);
	}
	f->peers.n_groups++;
}

static void compare_group(struct findings *f, struct member *m, size_t n, double all, double *scratch)
{
	f->peers.groups += n >= PEERS_LEAST;
	*(n >= PEERS_LEAST ? &f->peers.compared : &f->peers.alone) += n;
	for (size_t k = 0; k < COMPARED; k++) {
		struct spread s = spread_of(m, n, k, scratch);
		size_t out = 0;

		for (size_t i = 0; s.n >= PEERS_LEAST && i < n; i++)
			out += is_out(&m[i], k, &s, all);
		if (out > 1 && out > s.n / PEERS_KIND) {
			note_mixed(f, m, n, k, &s, all, scratch);
			continue;
		}
		for (size_t i = 0; out && i < n; i++)
			if (!(m[i].noted & metric_bit(compared[k].metric)) && is_out(&m[i], k, &s, all))
				note(f, &m[i], k, &s, score(&s, &m[i], k));
	}
}

/* What an instance is worst at, and how far out that is. The outliers come in their order: the first is the worst. */
static void mark_instances(struct findings *f, const struct roll *roll)
{
	for (size_t k = 0; k < f->peers.n_outliers; k++) {
		const struct peer_outlier *o = &f->peers.outlier[k];
		struct instance_findings *in = o->is_worse ? find_instance(roll, o->instance) : NULL;

		if (!in || in->outlier)
			continue;
		in->outlier = o;
		in->trouble = fabs(o->z);
	}
}

static void tell_groups(struct findings *f, const struct roll *roll, struct member *m, size_t n, double *scratch)
{
	double all;

	weigh_slower(f, roll, m, n);
	all = comparisons(m, n);
	for (size_t from = 0, to; from < n; from = to) {
		to = group_end(m, n, from);
		tell_group(f, roll, &m[from], to - from, scratch);
		compare_group(f, &m[from], to - from, all, scratch);
	}
	if (f->peers.n_outliers)
		qsort(f->peers.outlier, f->peers.n_outliers, sizeof *f->peers.outlier, by_score);
	mark_instances(f, roll);
}

bool peers_tell(struct findings *f, const struct analysis *a)
{
	struct piece *piece = calloc(a->sessions.n_listed + 1, sizeof *piece);
	struct member *m = calloc(a->sessions.n_listed + 1, sizeof *m);
	double *scratch = calloc(a->sessions.n_listed + 1, sizeof *scratch);
	struct roll roll = { .n = 0 };
	bool fine = piece && m && scratch && call_roll(&roll, f);
	size_t n = 0;

	fine = fine && find_members(piece, find_pieces(a, piece), m, &n);
	if (fine) {
		f->peers.outlier = arena_alloc(&f->arena, n * COMPARED + 1, sizeof *f->peers.outlier);
		f->peers.group = arena_alloc(&f->arena, n + 1, sizeof *f->peers.group);
		f->peers.mixture = arena_alloc(&f->arena, n / PEERS_LEAST * COMPARED + 1, sizeof *f->peers.mixture);
	}
	if (fine && f->peers.outlier && f->peers.group && f->peers.mixture)
		tell_groups(f, &roll, m, n, scratch);
	free(piece);
	free(m);
	free(scratch);
	free(roll.in);
	return fine;
}
