#include "analyze/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- lines through sums --------------------------------------------------------------- */

double line_correlation(const struct ledger_line *l)
{
	double xx = l->n * l->xx - l->x * l->x, yy = l->n * l->yy - l->y * l->y, xy = l->n * l->xy - l->x * l->y;

	return l->n >= 2 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

/* Least squares of pause on length and time together. */
static void pauses_of(struct pauses *out, const struct ledger *c)
{
	const struct ledger_line *l = &c->pause_length, *t = &c->pause_time;
	double n = l->n, ll = l->xx - l->x * l->x / n, tt = t->xx - t->x * t->x / n, lt = c->length_time - l->x * t->x / n;
	double lp = l->xy - l->x * l->y / n, tp = t->xy - t->x * t->y / n, det = ll * tt - lt * lt, by_length, by_time;

	if (n < 16 || !(ll > 0) || !(tt > 0) || lt * lt / (ll * tt) > 0.95)
		return;
	out->apart = true;
	out->per_1000_tokens = (lp * tt - tp * lt) / det;
	out->per_minute = (tp * ll - lp * lt) / det;
	by_length = fmax(out->per_1000_tokens, 0) * sqrt(ll / n);
	by_time = fmax(out->per_minute, 0) * sqrt(tt / n);
	out->length_share = by_length + by_time > 0 ? by_length / (by_length + by_time) : 0;
}

/* --- slow part and fast part ------------------------------------------------------------- */

enum { GROUPS_MAX = LEDGER_POINTS_MAX, GROUPS_WANTED = 48, GROUP_CALLS_MIN = 8, GROUPS_MIN = 6 };
enum { SLOW_LASTS_MS = 500 };

enum part { PART_NEITHER, PART_FAST, PART_SLOW, PART_COUNT };

struct group {
	int64_t from_us, to_us;
	double calls, decode_ms, pause_ms; /* ms: sums */
	enum part part;
};

static double period(const struct group *g)
{
	return (g->decode_ms + fmax(g->pause_ms, 0)) / g->calls;
}

/* Neighbouring points until each group has calls enough to mean something. */
static size_t group_points(const struct ledger *c, struct group out[GROUPS_MAX])
{
	double least = fmax((double)c->decode_calls / GROUPS_WANTED, GROUP_CALLS_MIN);
	size_t n = 0;

	for (size_t i = 0; i < c->n_points; i++) {
		const struct ledger_point *p = &c->point[i];
		struct group *g = &out[n];

		if (!(g->calls > 0))
			g->from_us = p->from_us;
		g->to_us = p->to_us;
		g->calls += (double)p->calls;
		g->decode_ms += p->decode_ms * (double)p->calls;
		g->pause_ms += isfinite(p->pause_ms) ? p->pause_ms * (double)p->calls : 0;
		n += g->calls >= least;
	}
	return n; /* what is left over is too little to count */
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double fast_period(const struct group *g, size_t n)
{
	double sorted[GROUPS_MAX];

	for (size_t i = 0; i < n; i++)
		sorted[i] = period(&g[i]);
	qsort(sorted, n, sizeof *sorted, ascending);
	return sorted[n / 4];
}

/* Marks the parts; true when a slow part lasts: half a second in all, and three groups in a row, or two that take three
 * times as long. */
static bool mark_parts(struct group *g, size_t n)
{
	double fast = fast_period(g, n), slow_ms = 0, slow_calls = 0;
	size_t run = 0, longest = 0;

	for (size_t i = 0; i < n; i++) {
		bool slow = i > 0 && period(&g[i]) > 1.35 * fast;

		g[i].part = slow ? PART_SLOW : period(&g[i]) < 1.15 * fast ? PART_FAST : PART_NEITHER;
		run = slow ? run + 1 : 0;
		longest = run > longest ? run : longest;
		slow_ms += slow ? period(&g[i]) * g[i].calls : 0;
		slow_calls += slow ? g[i].calls : 0;
	}
	return slow_ms >= SLOW_LASTS_MS && longest >= (slow_ms > 3 * fast * slow_calls ? 2 : 3);
}

static void times_of_part(const struct group *g, size_t n, enum part part, double *decode_ms, double *pause_ms)
{
	double calls = 0, decode = 0, pause = 0;

	for (size_t i = 0; i < n; i++)
		if (g[i].part == part) {
			calls += g[i].calls;
			decode += g[i].decode_ms;
			pause += g[i].pause_ms;
		}
	*decode_ms = decode / calls;
	*pause_ms = fmax(pause / calls, 0);
}

static enum part part_at(const struct group *g, size_t n, int64_t time_us)
{
	for (size_t i = 0; i < n; i++)
		if (time_us >= g[i].from_us && time_us < g[i].to_us)
			return g[i].part;
	return PART_NEITHER;
}

static struct level metric_in_parts(const struct findings *f, enum metric_id m, const struct group *g, size_t n)
{
	double sum[PART_COUNT] = { 0 }, count[PART_COUNT] = { 0 };
	const struct series *s = &f->series;

	for (size_t i = 0; s->metric[m] && i < s->n; i++) {
		const struct bucket *b = &s->metric[m][i];
		enum part part = part_at(g, n, s->from_us + (int64_t)i * s->width_us + s->width_us / 2);

		if (!b->count)
			continue;
		sum[part] += b->mean * (double)b->count;
		count[part] += (double)b->count;
	}
	return (struct level){ count[PART_SLOW] > 0 && count[PART_FAST] > 0, sum[PART_SLOW] / count[PART_SLOW],
			       sum[PART_FAST] / count[PART_FAST] };
}

static double seconds_of_part(const struct group *g, size_t n, enum part part)
{
	double us = 0;

	for (size_t i = 0; i < n; i++)
		us += g[i].part == part ? (double)(g[i].to_us - g[i].from_us) : 0;
	return us / 1e6;
}

static void levels_of(struct shift *out, const struct findings *f, const struct group *g, size_t n)
{
	out->cpu = metric_in_parts(f, M_CPU_UTILIZATION_PCT, g, n);
	out->machine = metric_in_parts(f, M_MACHINE_CPU_UTILIZATION_PCT, g, n);
	out->waiting = metric_in_parts(f, M_CPU_WAITING_PCT, g, n);
	out->stopped = metric_in_parts(f, M_CPU_QUOTA_STOPPED_PCT, g, n);
	out->clock = metric_in_parts(f, M_CPU_CLOCK_MHZ, g, n);
	out->hot = metric_in_parts(f, M_CPU_THERMAL_THROTTLES, g, n);
	out->gpu = metric_in_parts(f, M_GPU_UTILIZATION_PCT, g, n);
	out->gpu_clock = metric_in_parts(f, M_GPU_CLOCK_MHZ, g, n);
	out->gpu_hot = metric_in_parts(f, M_GPU_THERMAL_THROTTLED_PCT, g, n);
	out->gpu_power = metric_in_parts(f, M_GPU_POWER_THROTTLED_PCT, g, n);
}

static void shift_of(struct shift *out, const struct findings *f, const struct ledger *c)
{
	struct group group[GROUPS_MAX + 1] = { { 0 } };
	size_t n = group_points(c, group);

	if (n < GROUPS_MIN)
		return;
	out->fell = mark_parts(group, n);
	times_of_part(group, n, PART_SLOW, &out->slow_decode, &out->slow_pause);
	times_of_part(group, n, PART_FAST, &out->fast_decode, &out->fast_pause);
	out->known = isfinite(out->slow_decode) && isfinite(out->fast_decode);
	out->fell &= out->known;
	out->slow_s = seconds_of_part(group, n, PART_SLOW);
	levels_of(out, f, group, n);
}

/* --- growth -------------------------------------------------------------------------------- */

enum { TENTHS = 10 };

static void growth_of(struct growth *out, const struct findings *f, enum metric_id m)
{
	const struct bucket *b = f->series.metric[m];
	double mean[TENTHS];
	size_t n = 0;

	for (size_t k = 1; b && k <= TENTHS; k++) { /* the first eleventh is warm-up */
		size_t from = k * f->series.n / (TENTHS + 1), to = (k + 1) * f->series.n / (TENTHS + 1);
		double sum = 0, count = 0;

		for (size_t i = from; i < to; i++) {
			sum += b[i].count ? b[i].mean * (double)b[i].count : 0;
			count += (double)b[i].count;
		}
		if (count > 0)
			mean[n++] = sum / count;
	}
	if (n < 4)
		return;
	out->known = true;
	out->from = mean[0];
	out->to = mean[n - 1];
	for (size_t i = 1; i < n; i++)
		out->rises += mean[i] > mean[i - 1] * 1.001 ? 1 : 0;
	out->rises /= (double)(n - 1);
}

/* --- what the session said about itself ------------------------------------------------------ */

static const char *text_of(const struct ledger *c, enum field_id f)
{
	struct slice text = fields_text(&c->about, f);

	return text.n ? text.p : "";
}

static void strategy_of(struct facts *x, const struct findings *f, const struct ledger *c)
{
	const char *runtime = text_of(c, F_RUNTIME_NAME);

	x->strategy = text_of(c, F_STRATEGY);
	if (!*x->strategy && f->n_sessions)
		x->strategy = f->session[0].strategy;
	x->flags = text_of(c, F_RUNTIME_FLAGS);
	x->gpu = text_of(c, F_HOST_GPU);
	x->cuda = strstr(x->strategy, "cuda") != NULL;
	x->fp16 = strstr(x->strategy, "fp16") != NULL;
	x->offloaded = x->cuda && (strstr(x->strategy, "cpu") || strchr(x->strategy, '+'));
	x->kernel_off = strstr(x->flags, "RWKV_CUDA_ON=0") != NULL;
	x->kernel_unsaid = *x->flags && !strstr(x->flags, "RWKV_CUDA_ON") &&
			   (!strcmp(runtime, "rwkv") || !strcmp(runtime, "ChatRWKV"));
}

/* The embedding is looked up, not read through; it stays in two or four bytes. */
static double read_per_token(const struct ledger *c, const char *strategy)
{
	double bytes = fields_number(&c->about, F_MODEL_BYTES, NAN), width = strstr(strategy, "fp32") ? 4 : 2;
	double embedding = fields_number(&c->about, F_VOCAB_SIZE, 0) * fields_number(&c->about, F_N_EMBD, 0) * width;

	return bytes - embedding > 0.5 * bytes ? bytes - embedding : bytes;
}

static double vendor_bandwidth(const char *gpu)
{
	static const struct {
		const char *name;
		double gb_s;
	} gpus[] = {
#define GPU(name_, gb_s_) { name_, gb_s_ },
#include "spec/gpus.def"
	};

	for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
		if (strstr(gpu, gpus[i].name))
			return gpus[i].gb_s;
	return NAN;
}

static void bandwidth_of(struct facts *x, const struct ledger *c, const struct diagnose_options *opts)
{
	x->bytes_per_token = read_per_token(c, x->strategy);
	x->achieved_gb_s = x->bytes_per_token / x->decode_token_ms / 1e6;
	x->bandwidth_gb_s = opts->bandwidth_gb_s;
	x->bandwidth_source = opts->bandwidth_is_measured ? BANDWIDTH_MEASURED : BANDWIDTH_GIVEN;
	if (isfinite(x->bandwidth_gb_s))
		return;
	if (x->cuda)
		x->bandwidth_gb_s = vendor_bandwidth(x->gpu);
	x->bandwidth_source = isfinite(x->bandwidth_gb_s) ? BANDWIDTH_VENDOR : BANDWIDTH_UNKNOWN;
}

/* Weights, and a runtime's own 1 GiB; a whole card's figure says less about this process. */
static void vram_of(struct facts *x, const struct findings *f, const struct ledger *c)
{
	const struct summary *own = &f->metric[M_PROCESS_VRAM_MB], *card = &f->metric[M_VRAM_USED_MB];
	double bytes = fields_number(&c->about, F_MODEL_BYTES, NAN);

	x->vram_mb = card->count && card->max > 0 ? card->p50 : (double)NAN;
	x->vram_plan_mb = x->cuda && !x->offloaded && own->count && own->max > 0 ? bytes / 1048576 + 1024 : (double)NAN;
	if (isfinite(x->vram_plan_mb))
		x->vram_mb = own->p50;
}

/* --- time and its shares ----------------------------------------------------------------------- */

static void shares_of(struct facts *x, const struct ledger *c)
{
	double pause = fmax(c->pause_ms, 0), all = c->prefill_ms + c->decode_ms + pause;

	x->prefill_share = all > 0 ? c->prefill_ms / all : 0;
	x->decode_share = all > 0 ? c->decode_ms / all : 0;
	x->pause_share = all > 0 ? pause / all : 0;
	x->prefill_token_ms = c->prefill_ms / (double)c->prefill_tokens;
	x->decode_token_ms = c->decode_ms / (double)c->decode_tokens;
}

static void chunks_of(struct facts *x, const struct ledger *c)
{
	double tokens = 0, weighted = 0;
	int biggest = LEDGER_BINS - 1;

	for (int i = 0; i < LEDGER_BINS; i++) {
		const struct ledger_bin *b = &c->by_chunk[i];

		tokens += (double)b->tokens;
		weighted += b->calls ? b->length / (double)b->calls * (double)b->tokens : 0;
	}
	x->chunk_tokens = weighted / tokens;
	x->big_chunk_token_ms = x->small_chunk_token_ms = NAN;
	while (biggest > 0 && c->by_chunk[biggest].calls < 3)
		biggest--;
	for (int i = 3; i < biggest; i++) /* fewer than 8 tokens are no chunk to compare with */
		if (c->by_chunk[i].calls >= 3) {
			x->small_chunk_token_ms = c->by_chunk[i].ms / (double)c->by_chunk[i].tokens;
			x->big_chunk_token_ms = c->by_chunk[biggest].ms / (double)c->by_chunk[biggest].tokens;
		}
}

static void repetition_of(struct repetition *out, const struct ledger *c)
{
	const struct ledger_bin *early = NULL, *late = NULL;

	for (int i = 0; i < LEDGER_BINS; i++)
		if (c->by_length[i].repetitions >= 16) {
			early = early ? early : &c->by_length[i];
			late = &c->by_length[i];
		}
	if (early == late)
		return;
	*out = (struct repetition){
		.known = true,
		.early_pct = early->repetition_pct / (double)early->repetitions,
		.early_tokens = early->length / (double)early->calls,
		.late_pct = late->repetition_pct / (double)late->repetitions,
		.late_tokens = late->length / (double)late->calls,
	};
}

void facts_of(struct facts *out, const struct findings *f, const struct diagnose_options *opts)
{
	const struct ledger *c = f->ledger;
	const struct summary *gpu = &f->metric[M_GPU_UTILIZATION_PCT];

	*out = (struct facts){ .strategy = "", .flags = "", .gpu = "", .bandwidth_gb_s = NAN, .achieved_gb_s = NAN,
			       .bytes_per_token = NAN, .gpu_idle_pct = gpu->count ? 100 - gpu->mean : (double)NAN };
	if (!c)
		return;
	strategy_of(out, f, c);
	shares_of(out, c);
	chunks_of(out, c);
	bandwidth_of(out, c, opts);
	vram_of(out, f, c);
	shift_of(&out->shift, f, c);
	growth_of(&out->memory, f, M_PROCESS_MEMORY_MB);
	pauses_of(&out->pauses, c);
	repetition_of(&out->repetition, c);
}
