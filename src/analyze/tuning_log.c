/* tuning_log.c - sessions by model and strategy. */
#include "analyze/tuning_log.h"

#include <math.h>
#include <string.h>

/* NULL when there are too many. */
static struct tuning_group *group_of(struct tuning_log *log, const struct session_findings *s)
{
	for (size_t i = 0; i < log->n; i++)
		if (!strcmp(log->of[i].model, s->model_name) && !strcmp(log->of[i].strategy, s->strategy))
			return &log->of[i];
	if (log->n == TUNING_GROUPS)
		return NULL;
	log->of[log->n] = (struct tuning_group){
		.model = s->model_name, .strategy = s->strategy, .fastest_ms = INFINITY, .memory_mb = NAN, .kl = NAN
	};
	return &log->of[log->n++];
}

void tuning_log_gather(struct tuning_log *out, const struct findings *f)
{
	out->n = 0;
	for (size_t i = 0; i < f->n_sessions; i++) {
		const struct session_findings *s = &f->session[i];
		struct summary latency = session_metric(s, M_TOKEN_LATENCY_MS);
		struct summary memory = session_metric(s, M_PROCESS_MEMORY_MB), kl = session_metric(s, M_QUANT_KL_NATS);
		struct tuning_group *g;

		if (!latency.count || !s->strategy || !*s->strategy || !s->model_name || !(g = group_of(out, s)))
			continue;
		g->sessions++;
		g->tokens += s->tokens;
		g->fastest_ms = fmin(g->fastest_ms, latency.p50);
		g->slowest_ms = fmax(g->slowest_ms, latency.p50);
		g->memory_mb = memory.count ? fmax(g->memory_mb, memory.max) : g->memory_mb;
		g->kl = kl.count ? fmax(g->kl, kl.mean) : g->kl;
	}
}

bool tuning_log_faster(const struct tuning_group *a, const struct tuning_group *b)
{
	return a->sessions >= TUNING_SESSIONS_LEAST && b->sessions >= TUNING_SESSIONS_LEAST &&
	       a->slowest_ms < b->fastest_ms;
}
