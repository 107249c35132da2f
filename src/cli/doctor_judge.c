/* doctor_judge.c - one function per check: facts in, a finding and its words out. */
#include "base/buf.h"
#include "cli/doctor.h"
#include "report/terminal.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

/* The finding, then its words, then NULL. */
static void say(struct answer *a, enum finding_id found, ...)
{
	va_list words;
	const char *word;

	a->found = found;
	va_start(words, found);
	for (int i = 0; i < ANSWER_WORDS && (word = va_arg(words, const char *)); i++)
		snprintf(a->word[i], ANSWER_WORD, "%s", word);
	va_end(words);
}

/* Numbers as texts, for say(). */
struct figure {
	char text[32];
};

static struct figure whole(double value)
{
	struct figure f;

	snprintf(f.text, sizeof f.text, "%.0f", value);
	return f;
}

static struct figure gib(double bytes)
{
	struct figure f;

	snprintf(f.text, sizeof f.text, "%.*f", bytes < 10 * 1073741824.0 ? 2 : 1, bytes / 1073741824);
	return f;
}

/* "12.1" against 9, "2.1.0+cu118" against 2.1: the first two numbers decide. */
static bool older(const char *version, int major, int minor)
{
	char *end;
	long a = strtol(version, &end, 10), b = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

	return a < major || (a == major && b < minor);
}

static bool strategy_wants_gpu(const struct facts *f)
{
	return f->opts->strategy && strstr(f->opts->strategy, "cuda");
}

/* The custom kernel can be meant: then its tools matter. */
static bool kernel_matters(const struct facts *f)
{
	return f->gpu.works || f->tool.kernel;
}

static void judge_GPU(struct answer *a, const struct facts *f)
{
	const struct gpu_facts *g = &f->gpu;

	if (g->works)
		say(a, FOUND_GPU_FINE, g->name, isnan(g->total_mb) ? "?" : whole(g->total_mb).text, g->driver, NULL);
	else if (g->smi)
		say(a, FOUND_GPU_DRIVER_FAILS, g->error, NULL);
	else if (g->card)
		say(a, FOUND_GPU_NO_DRIVER, NULL);
	else if (strategy_wants_gpu(f))
		say(a, FOUND_GPU_ASKED, f->opts->strategy, NULL);
	else
		say(a, FOUND_GPU_NONE, NULL);
}

static void judge_CUDA_TOOLKIT(struct answer *a, const struct facts *f)
{
	const struct tool_facts *t = &f->tool;

	if (*t->cuda_home && !*t->nvcc)
		say(a, FOUND_CUDA_HOME_WRONG, t->cuda_home, NULL);
	else if (*t->nvcc)
		say(a, FOUND_NVCC_FINE, *t->nvcc_version ? t->nvcc_version : "?", t->nvcc, NULL);
	else
		say(a, t->kernel ? FOUND_NVCC_NONE : FOUND_UNUSED_KERNEL, NULL);
}

static void judge_NINJA(struct answer *a, const struct facts *f)
{
	if (*f->tool.ninja)
		say(a, FOUND_NINJA_FINE, f->tool.ninja, NULL);
	else
		say(a, f->tool.kernel ? FOUND_NINJA_NONE : FOUND_UNUSED_KERNEL, NULL);
}

static void judge_COMPILER(struct answer *a, const struct facts *f)
{
	const struct tool_facts *t = &f->tool;
	bool old = *t->compiler_version && older(t->compiler_version, 9, 0);

	if (*t->compiler_version && !old)
		say(a, FOUND_COMPILER_FINE, t->compiler, t->compiler_version, NULL);
	else if (!kernel_matters(f) || (!old && !t->kernel))
		say(a, FOUND_UNUSED_KERNEL, NULL);
	else
		say(a, old ? FOUND_COMPILER_OLD : FOUND_COMPILER_NONE, t->compiler, t->compiler_version, NULL);
}

static void judge_KERNEL(struct answer *a, const struct facts *f)
{
	const char *capability = f->gpu.capability;

	if (!f->tool.kernel)
		say(a, FOUND_UNUSED_KERNEL, NULL);
	else if (!f->gpu.works)
		say(a, FOUND_KERNEL_NO_GPU, NULL);
	else
		say(a, *capability && older(capability, 7, 0) ? FOUND_KERNEL_OLD : FOUND_KERNEL_FINE, *capability ? capability : "?", NULL);
}

static void judge_PYTHON(struct answer *a, const struct facts *f)
{
	const struct python_facts *p = &f->python;

	if (!*p->version)
		say(a, FOUND_PYTHON_NONE, p->program, p->error, NULL);
	else
		say(a, older(p->version, 3, 9) ? FOUND_PYTHON_OLD : FOUND_PYTHON_FINE, p->version, p->program, NULL);
}

static bool is_7(const struct facts *f)
{
	return f->model.readable && !strcmp(f->model.version, "7");
}

/* A torch for a newer CUDA than the driver knows; within one major version they get along. */
static bool driver_too_old(const struct facts *f)
{
	return *f->python.torch_cuda && *f->gpu.cuda && older(f->gpu.cuda, (int)strtol(f->python.torch_cuda, NULL, 10), 0);
}

static void judge_TORCH(struct answer *a, const struct facts *f)
{
	const struct python_facts *p = &f->python;

	if (!*p->version)
		say(a, FOUND_NO_PYTHON, NULL);
	else if (!*p->torch)
		say(a, FOUND_TORCH_NONE, p->torch_error, NULL);
	else if (is_7(f) && older(p->torch, 2, 1))
		say(a, FOUND_TORCH_MMAP, p->torch, NULL);
	else if (f->gpu.works && !*p->torch_cuda)
		say(a, FOUND_TORCH_CPU, p->torch, NULL);
	else if (f->gpu.works && driver_too_old(f))
		say(a, FOUND_TORCH_DRIVER, p->torch, p->torch_cuda, f->gpu.cuda, NULL);
	else if (f->gpu.works && !p->torch_sees_gpu)
		say(a, FOUND_TORCH_BLIND, p->torch, p->torch_cuda, NULL);
	else
		say(a, *p->torch_cuda ? FOUND_TORCH_FINE : FOUND_TORCH_FINE_CPU, p->torch, p->torch_cuda, NULL);
}

static void judge_RWKV(struct answer *a, const struct facts *f)
{
	const struct python_facts *p = &f->python;

	if (!*p->version)
		say(a, FOUND_NO_PYTHON, NULL);
	else if (!*p->rwkv)
		say(a, FOUND_RWKV_NONE, p->rwkv_error, NULL);
	else
		say(a, is_7(f) && !p->rwkv_knows_7 ? FOUND_RWKV_OLD : FOUND_RWKV_FINE, p->rwkv, NULL);
}

/* What needs a model that can be read: true when there is none, and that is said. */
static bool no_model(struct answer *a, const struct facts *f)
{
	if (!f->model.readable)
		say(a, f->model.named ? FOUND_UNREADABLE : FOUND_NO_MODEL, NULL);
	return !f->model.readable;
}

static void judge_MODEL_FILE(struct answer *a, const struct facts *f)
{
	const struct model_facts *m = &f->model;
	char size[TERM_TEXT];
	enum finding_id bad = m->err.code == ERR_OPEN ? FOUND_MODEL_NONE :
			      m->err.code == ERR_TRUNCATED || m->err.code == ERR_FORMAT ? FOUND_MODEL_BAD_COPY : FOUND_MODEL_BAD;

	if (m->readable)
		say(a, FOUND_MODEL_FINE, m->version, whole((double)m->n_layer).text, whole((double)m->n_embd).text,
		    whole((double)m->n_vocab).text, term_bytes(size, (double)m->file_bytes), NULL);
	else if (!m->named)
		say(a, FOUND_NO_MODEL, NULL);
	else if (*m->converted)
		say(a, FOUND_CONVERSION_LOCKED, m->converted, NULL);
	else
		say(a, bad, m->err.text, m->err.hint, NULL);
}

static void judge_V7_ON(struct answer *a, const struct facts *f)
{
	bool on = !strcmp(f->v7_on, "1");
	const char *value = *f->v7_on ? f->v7_on : f->lang == LANG_ZH ? "未设置" : "not set";

	if (no_model(a, f))
		return;
	if (is_7(f) != on)
		say(a, on ? FOUND_V7_WRONG : FOUND_V7_MISSING, on ? f->model.version : value, NULL);
	else
		say(a, FOUND_V7_FINE, value, f->model.version, NULL);
}

/* The file that models of this vocabulary are trained with. */
static const char *expected_tokenizer(size_t n_vocab, enum lang lang)
{
	if (n_vocab == 65536)
		return "rwkv_vocab_v20230424.txt";
	if (n_vocab == 50277)
		return "20B_tokenizer.json";
	if (n_vocab <= 272)
		return lang == LANG_ZH ? "无需文件,Token 即字节" : "none, tokens are bytes";
	return lang == LANG_ZH ? "见模型说明" : "see the model's page";
}

/* Vocabularies are rounded up, but by no more than a hundredth or 300 rows. */
static void judge_TOKENIZER(struct answer *a, const struct facts *f)
{
	const char *expected = expected_tokenizer(f->model.n_vocab, f->lang);
	double vocab = (double)f->model.n_vocab, tokens = (double)f->tokenizer.tokens;

	if (no_model(a, f))
		return;
	if (!f->tokenizer.named)
		say(a, FOUND_TOKENIZER_UNNAMED, whole(vocab).text, expected, NULL);
	else if (!f->tokenizer.readable)
		say(a, FOUND_TOKENIZER_BAD, f->tokenizer.err.text, expected, NULL);
	else
		say(a, tokens > vocab || vocab - tokens > fmax(300, vocab / 100) ? FOUND_TOKENIZER_OTHER : FOUND_TOKENIZER_FINE,
		    whole(tokens).text, whole(vocab).text, expected, NULL);
}

static void needs(char out[ANSWER_WORD], const struct plan *p, const struct facts *f)
{
	const double mib = 1048576;
	const struct figure figures[4] = { gib((double)p->ram), gib(f->free_ram_mb * mib), gib((double)p->vram), gib(f->gpu.works ? f->gpu.free_mb * mib : 0) };
	const char *text = finding_specs[p->vram ? FOUND_NEEDS_BOTH : FOUND_NEEDS_RAM].text[f->lang];
	struct buf b = { 0 };
	int next = 0;

	for (; *text; text++)
		if (text[0] == '%' && text[1] == 's' && next < 4)
			buf_str(&b, figures[next++].text), text++;
		else
			buf_char(&b, *text);
	snprintf(out, ANSWER_WORD, "%s", b.p ? b.p : "");
	buf_free(&b);
}

/* Strategies of RWKV-7 have no parts, no counts, no int8. */
static bool too_much_for_7(const char *strategy)
{
	return strstr(strategy, "->") || strchr(strategy, '*') || strstr(strategy, "i8");
}

static void judge_given(struct answer *a, const struct facts *f, const struct plan *best)
{
	const char *given = f->opts->strategy, *instead = best ? best->strategy : "cpu fp32";
	char how_much[ANSWER_WORD];
	struct plan p;
	struct err err;

	if (plan_of(&p, f, given, &err)) {
		say(a, FOUND_STRATEGY_BAD, err.text, instead, NULL);
	} else if (is_7(f) && too_much_for_7(given)) {
		say(a, FOUND_STRATEGY_V7, given, instead, NULL);
	} else {
		needs(how_much, &p, f);
		say(a, p.fits ? FOUND_MEMORY_FINE : best ? FOUND_MEMORY_SHORT : FOUND_MEMORY_NONE, p.strategy, how_much, instead, NULL);
	}
}

static void judge_MEMORY(struct answer *a, const struct facts *f)
{
	struct plan plans[PLANS_MAX];
	const struct plan *best = NULL, *smallest = NULL;
	char how_much[ANSWER_WORD];
	size_t n;

	if (no_model(a, f))
		return;
	n = plans_make(plans, f);
	for (size_t i = n; i-- > 0;) {
		best = plans[i].fits ? &plans[i] : best;
		smallest = !smallest || plans[i].ram + plans[i].vram < smallest->ram + smallest->vram ? &plans[i] : smallest;
	}
	if (f->opts->strategy || !smallest) {
		judge_given(a, f, best);
		return;
	}
	needs(how_much, best ? best : smallest, f);
	say(a, best ? FOUND_MEMORY_FINE : FOUND_MEMORY_NONE, (best ? best : smallest)->strategy, how_much, NULL);
}

static void judge_DISK(struct answer *a, const struct facts *f)
{
	double speed = f->model.read_mb_s, limit = f->opts->disk_mb_s == UINT64_MAX ? 100 : (double)f->opts->disk_mb_s;
	struct figure seconds;

	if (!f->model.named || isnan(speed)) {
		say(a, f->model.named ? FOUND_DISK_SMALL : FOUND_NO_MODEL, NULL);
		return;
	}
	snprintf(seconds.text, sizeof seconds.text, "%.1f", (double)f->model.file_bytes / 1e6 / speed);
	say(a, speed < limit ? FOUND_DISK_SLOW : FOUND_DISK_FINE, whole(speed).text, seconds.text, NULL);
}

static void judge_CONVERSION(struct answer *a, const struct facts *f)
{
	const struct model_facts *m = &f->model;

	if (!m->named)
		say(a, FOUND_NO_MODEL, NULL);
	else if (!*m->source)
		say(a, FOUND_CONVERSION_NONE, NULL);
	else
		say(a, m->stale ? FOUND_CONVERSION_STALE : FOUND_CONVERSION_FINE, m->source, m->source, f->opts->model, NULL);
}

void doctor_judge(struct answer out[CHECK_COUNT], const struct facts *f)
{
	static void (*const judges[CHECK_COUNT])(struct answer *, const struct facts *) = {
#define CHECK(name, ...) [CHECK_##name] = judge_##name,
#define FINDING(...)
#include "spec/doctor.def"
#undef CHECK
#undef FINDING
	};

	memset(out, 0, CHECK_COUNT * sizeof *out);
	for (int i = 0; i < CHECK_COUNT; i++)
		judges[i](&out[i], f);
}
