/* doctor_plans.c - computes how much memory the package rwkv needs for a model and a strategy. */
#include "cli/doctor.h"
#include "runtime/strategy.h"

#include <math.h>
#include <string.h>

static const double MIB = 1048576;
static const double RAM_BESIDES = 300 * 1048576.0;  /* Python and torch */
static const double VRAM_BESIDES = 600 * 1048576.0; /* the CUDA context and what a forward call takes */

static bool is_7(const struct set_up *f)
{
	return !strncmp(f->model.version, "7", 1);
}

static bool on_gpu(const struct strategy_layer *l)
{
	return !strncmp(l->device, "cuda", 4);
}

static double width(const struct strategy_layer *l)
{
	return l->int8 ? 1.02 : l->dtype == STRATEGY_FP32 ? 4 : 2;
}

static void add(const struct strategy_layer *l, double parameters, double *ram, double *vram)
{
	if (!on_gpu(l) || l->stream)
		*ram += parameters * width(l);
	else
		*vram += parameters * width(l);
}

/* The embedding stays in RAM in v4 to v6, whatever the strategy says. Those load the whole file first; v7 maps it. */
static void weigh(struct plan *out, const struct set_up *f, const struct strategy *s)
{
	const struct model_facts *m = &f->model;
	double emb = (double)m->n_vocab * (double)m->n_embd, ram = 0, vram = 0;
	double block = fmax(0, ((double)m->parameters - 2 * emb) / (double)m->n_layer);
	struct strategy_layer first = s->layers[0];

	for (size_t i = 0; i < m->n_layer; i++)
		add(&s->layers[i], block, &ram, &vram);
	for (size_t i = 0; i < s->n; i++) {
		out->mps |= !strcmp(s->layers[i].device, "mps");
		out->dml |= !strcmp(s->layers[i].device, "dml");
		out->half_on_cpu |= !strcmp(s->layers[i].device, "cpu") && s->layers[i].dtype == STRATEGY_FP16;
	}
	add(&s->layers[m->n_layer], emb, &ram, &vram);
	first.int8 = false;
	if (!is_7(f))
		snprintf(first.device, sizeof first.device, "cpu");
	add(&first, emb, &ram, &vram);
	if (!is_7(f))
		ram = fmax(ram, (double)m->file_bytes);
	out->ram = (uint64_t)(ram + RAM_BESIDES);
	out->vram = vram > 0 ? (uint64_t)(vram + VRAM_BESIDES) : 0;
	out->fits = (double)out->ram <= f->free_ram_mb * MIB &&
		    (!out->vram || (f->gpu.works && (double)out->vram <= f->gpu.free_mb * MIB));
	out->unknown = !out->fits && !((double)out->ram > f->free_ram_mb * MIB) &&
		       !(out->vram && (!f->gpu.works || (double)out->vram > f->gpu.free_mb * MIB));
}

int plan_of(struct plan *out, const struct set_up *f, const char *strategy, struct err *err)
{
	struct strategy s;
	int rc = strategy_parse(&s, strategy, f->model.n_layer, err);

	if (rc)
		return rc;
	*out = (struct plan){ 0 };
	snprintf(out->strategy, FACT, "%s", s.text);
	weigh(out, f, &s);
	strategy_free(&s);
	return 0;
}

/* As many layers as the free GPU memory holds. */
static size_t layers_that_fit(const struct set_up *f)
{
	double emb = (double)f->model.n_vocab * (double)f->model.n_embd;
	double block = ((double)f->model.parameters - 2 * emb) / (double)f->model.n_layer * 2;
	double room = f->gpu.free_mb * MIB - VRAM_BESIDES;

	return block > 0 && room > 0 ? (size_t)fmin(room / block, (double)f->model.n_layer) : 0;
}

size_t plans_make(struct plan out[PLANS_MAX], const struct set_up *f)
{
	/* fp16 is not for the processor, and int8 not for RWKV-7 (the package has neither). */
	static const struct {
		const char *strategy;
		bool gpu, only_older;
	} known[] = { { "cuda fp16", true, false }, { "cuda fp16i8", true, true }, { "", true, true },
		      { "cpu fp32", false, false }, { "cpu bf16", false, false },  { "cpu fp32i8", false, true } };
	char split[FACT];
	size_t n = 0, layers = layers_that_fit(f);
	struct err err;

	snprintf(split, sizeof split, "cuda fp16 *%zu -> cpu fp32", layers);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		bool is_split = !*known[i].strategy;

		if ((known[i].gpu && !f->gpu.works) || (known[i].only_older && is_7(f)) || (is_split && !layers))
			continue;
		n += !plan_of(&out[n], f, is_split ? split : known[i].strategy, &err);
	}
	return n;
}
