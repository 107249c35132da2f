/* doctor_judge.c - one function per check: facts in, a finding and its words out. */
#include "base/buf.h"
#include "cli/doctor.h"
#include "report/terminal.h"
#include "spec/text.h"

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

static bool strategy_wants_gpu(const struct set_up *f)
{
	return f->opts->strategy && strstr(f->opts->strategy, "cuda");
}

/* The custom kernel can be meant: then its tools matter. */
static bool kernel_matters(const struct set_up *f)
{
	return f->gpu.works || f->tool.kernel;
}

static void judge_GPU(struct answer *a, const struct set_up *f)
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

/* The newest g++ that an nvcc takes; 0: unknown. */
static int newest_compiler(const char *nvcc)
{
	static const struct {
		int major, minor, compiler;
	} known[] = { { 13, 0, 15 }, { 12, 8, 14 }, { 12, 4, 13 }, { 12, 0, 12 },
		      { 11, 5, 11 }, { 11, 1, 10 }, { 11, 0, 9 } };

	for (size_t i = 0; *nvcc && i < sizeof known / sizeof *known; i++)
		if (!older(nvcc, known[i].major, known[i].minor))
			return known[i].compiler;
	return 0;
}

/* torch builds kernels with an nvcc of its own major version only. */
static bool nvcc_is_of_another_cuda(const struct set_up *f)
{
	const char *nvcc = f->tool.nvcc_version, *torch = f->python.torch_cuda;

	return f->tool.kernel && *nvcc && *torch && strtol(nvcc, NULL, 10) != strtol(torch, NULL, 10);
}

static void judge_CUDA_TOOLKIT(struct answer *a, const struct set_up *f)
{
	const struct tool_facts *t = &f->tool;

	if (*t->cuda_home && !*t->nvcc)
		say(a, FOUND_CUDA_HOME_WRONG, t->cuda_home, NULL);
	else if (*t->nvcc && nvcc_is_of_another_cuda(f))
		say(a, FOUND_NVCC_OTHER, t->nvcc_version, f->python.torch_cuda, t->nvcc_version, NULL);
	else if (*t->nvcc)
		say(a, FOUND_NVCC_FINE, *t->nvcc_version ? t->nvcc_version : "?", t->nvcc, NULL);
	else
		say(a, t->kernel ? FOUND_NVCC_NONE : FOUND_UNUSED_KERNEL, NULL);
}

static void judge_NINJA(struct answer *a, const struct set_up *f)
{
	if (*f->tool.ninja)
		say(a, FOUND_NINJA_FINE, f->tool.ninja, NULL);
	else
		say(a, f->tool.kernel ? FOUND_NINJA_NONE : FOUND_UNUSED_KERNEL, NULL);
}

static void judge_COMPILER(struct answer *a, const struct set_up *f)
{
	const struct tool_facts *t = &f->tool;
	bool old = *t->compiler_version && older(t->compiler_version, 9, 0);

	int newest = t->kernel ? newest_compiler(t->nvcc_version) : 0;

	if (newest && *t->compiler_version && !older(t->compiler_version, newest + 1, 0))
		say(a, FOUND_COMPILER_NEW, t->compiler, t->compiler_version, t->nvcc_version, whole(newest).text,
		    whole(newest).text, NULL);
	else if (*t->compiler_version && !old)
		say(a, FOUND_COMPILER_FINE, t->compiler, t->compiler_version, NULL);
	else if (!kernel_matters(f) || (!old && !t->kernel))
		say(a, FOUND_UNUSED_KERNEL, NULL);
	else
		say(a, old ? FOUND_COMPILER_OLD : FOUND_COMPILER_NONE, t->compiler, t->compiler_version, NULL);
}

static void judge_KERNEL(struct answer *a, const struct set_up *f)
{
	const char *capability = f->gpu.capability;

	if (!f->tool.kernel)
		say(a, FOUND_UNUSED_KERNEL, NULL);
	else if (!f->gpu.works)
		say(a, FOUND_KERNEL_NO_GPU, NULL);
	else
		say(a, *capability && older(capability, 7, 0) ? FOUND_KERNEL_OLD : FOUND_KERNEL_FINE,
		    *capability ? capability : "?", NULL);
}

static void judge_PYTHON(struct answer *a, const struct set_up *f)
{
	const struct python_facts *p = &f->python;

	if (!*p->version)
		say(a, FOUND_PYTHON_NONE, p->program, p->error, NULL);
	else
		say(a, older(p->version, 3, 9) ? FOUND_PYTHON_OLD : FOUND_PYTHON_FINE, p->version, p->program, NULL);
}

static bool is_7(const struct set_up *f)
{
	return f->model.readable && !strncmp(f->model.version, "7", 1);
}

/* torch was built for a newer CUDA than the driver supports. Within one major version, both work together. */
static bool driver_too_old(const struct set_up *f)
{
	return *f->python.torch_cuda && *f->gpu.cuda &&
	       older(f->gpu.cuda, (int)strtol(f->python.torch_cuda, NULL, 10), 0);
}

/* "12.0" is served by sm_120, by an sm_12x below it, or by compute_X of any architecture up to it. */
static bool has_kernels(const char *list, const char *capability)
{
	char *end;
	long major = strtol(capability, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

	for (const char *at = list; at && *at; at = strchr(at, ' '), at += at ? 1 : 0) {
		bool source = !strncmp(at, "compute_", 8);
		long arch = source ? strtol(at + 8, NULL, 10) : !strncmp(at, "sm_", 3) ? strtol(at + 3, NULL, 10) : 0;

		if (arch && (source ? arch <= 10 * major + minor : arch / 10 == major && arch % 10 <= minor))
			return true;
	}
	return false;
}

/* Where torch does not list its architectures: those of 10.0 and newer came with CUDA 12.8. */
static bool not_built_for_gpu(const struct set_up *f)
{
	const struct python_facts *p = &f->python;

	if (!f->gpu.works || !*f->gpu.capability || !*p->torch_cuda)
		return false;
	if (*p->torch_arch)
		return !has_kernels(p->torch_arch, f->gpu.capability);
	return !older(f->gpu.capability, 10, 0) && older(p->torch_cuda, 12, 8);
}

static void judge_TORCH(struct answer *a, const struct set_up *f)
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
	else if (not_built_for_gpu(f))
		say(a, FOUND_TORCH_ARCH, p->torch, f->gpu.capability, *p->torch_arch ? p->torch_arch : "?",
		    older(f->gpu.capability, 10, 0) ? "12.1" : "12.8", NULL);
	else if (f->gpu.works && driver_too_old(f))
		say(a, FOUND_TORCH_DRIVER, p->torch, p->torch_cuda, f->gpu.cuda, NULL);
	else if (f->gpu.works && !p->torch_sees_gpu)
		say(a, FOUND_TORCH_BLIND, p->torch, p->torch_cuda, NULL);
	else
		say(a, *p->torch_cuda ? FOUND_TORCH_FINE : FOUND_TORCH_FINE_CPU, p->torch, p->torch_cuda, NULL);
}

static void judge_RWKV(struct answer *a, const struct set_up *f)
{
	const struct python_facts *p = &f->python;

	if (!*p->version)
		say(a, FOUND_NO_PYTHON, NULL);
	else if (!*p->rwkv)
		say(a, FOUND_RWKV_NONE, p->rwkv_error, NULL);
	else
		say(a, is_7(f) && !p->rwkv_knows_7 ? FOUND_RWKV_OLD : FOUND_RWKV_FINE, p->rwkv, NULL);
}

/* For checks that need a readable model: true if there is none; the finding then says so. */
static bool no_model(struct answer *a, const struct set_up *f)
{
	if (!f->model.readable)
		say(a, f->model.named ? FOUND_UNREADABLE : FOUND_NO_MODEL, NULL);
	return !f->model.readable;
}

static void judge_MODEL_FILE(struct answer *a, const struct set_up *f)
{
	const struct model_facts *m = &f->model;
	char size[TERM_TEXT], odd[WEIGHT_TEXT];
	enum finding_id bad = m->err.code == ERR_OPEN                                     ? FOUND_MODEL_NONE
			      : m->err.code == ERR_TRUNCATED || m->err.code == ERR_FORMAT ? FOUND_MODEL_BAD_COPY
											  : FOUND_MODEL_BAD;

	if (m->damaged_storages)
		say(a, FOUND_MODEL_CRC, m->damaged, whole((double)m->damaged_storages).text, NULL);
	else if (m->nonfinite_tensors)
		say(a, FOUND_MODEL_NAN, m->nonfinite, whole((double)m->nonfinite_tensors).text, NULL);
	else if (m->readable && m->weights.n)
		say(a, FOUND_MODEL_DAMAGED, weight_finding_text(odd, &m->weights.finding[0], f->lang),
		    whole((double)m->weights.n).text, NULL);
	else if (m->readable && m->unlooked_tensors)
		say(a, FOUND_MODEL_UNLOOKED, m->version, term_bytes(size, (double)m->file_bytes),
		    whole((double)m->unlooked_tensors).text, whole((double)m->tensors).text, NULL);
	else if (m->readable)
		say(a, FOUND_MODEL_FINE, m->version, whole((double)m->n_layer).text, whole((double)m->n_embd).text,
		    whole((double)m->n_vocab).text, term_bytes(size, (double)m->file_bytes), NULL);
	else if (!m->named)
		say(a, FOUND_NO_MODEL, NULL);
	else if (*m->converted)
		say(a, FOUND_CONVERSION_LOCKED, m->converted, NULL);
	else
		say(a, bad, m->err.text, m->err.hint, NULL);
}

static const char *or_not_set(const char *value, enum lang lang)
{
	return *value ? value : text(TEXT_DOCTOR_NOT_SET, lang);
}

/* What the package rwkv does with the model, which its variables say when it is imported. */
static void judge_V7_ON(struct answer *a, const struct set_up *f)
{
	bool on = !strcmp(f->v7_on, "1");
	const char *value = or_not_set(f->v7_on, f->lang), *version = f->model.version;

	if (no_model(a, f))
		return;
	if (is_7(f) != on)
		say(a, on ? FOUND_V7_WRONG : FOUND_V7_MISSING, on ? version : value, NULL);
	else if (!strcmp(version, "7b"))
		say(a, FOUND_NO_ATTENTION, NULL);
	else if (!strcmp(version, "7a") && strcmp(f->de_version, "1"))
		say(a, FOUND_DE_MISSING, or_not_set(f->de_version, f->lang), NULL);
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
		return text(TEXT_DOCTOR_BYTES, lang);
	return text(TEXT_DOCTOR_SEE_PAGE, lang);
}

/* Vocabularies are rounded up, but by no more than a hundredth or 300 rows. */
static void judge_TOKENIZER(struct answer *a, const struct set_up *f)
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
		say(a,
		    tokens > vocab || vocab - tokens > fmax(300, vocab / 100) ? FOUND_TOKENIZER_OTHER
									      : FOUND_TOKENIZER_FINE,
		    whole(tokens).text, whole(vocab).text, expected, NULL);
}

static struct figure known_gib(double bytes, enum lang lang)
{
	struct figure unknown;

	if (!isnan(bytes))
		return gib(bytes);
	snprintf(unknown.text, sizeof unknown.text, "%s", text(TEXT_DOCTOR_UNKNOWN, lang));
	return unknown;
}

static void needs(char out[ANSWER_WORD], const struct plan *p, const struct set_up *f)
{
	const double mib = 1048576;
	const struct figure figures[4] = { gib((double)p->ram), known_gib(f->free_ram_mb * mib, f->lang),
					   gib((double)p->vram),
					   known_gib(f->gpu.works ? f->gpu.free_mb * mib : 0, f->lang) };
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

/* What the strategy needs and this torch cannot do; NULL: it can, or there is no torch. If torch did not say: only
 * macOS has mps, and fp16 runs on the processor since torch 2.2. */
static const char *beyond_torch(const struct set_up *f, const struct plan *p)
{
	const struct python_facts *py = &f->python;

	if (!*py->torch)
		return NULL;
	if (p->mps && *py->torch_mps != '1')
		return "mps (torch.backends.mps.is_available())";
	if (p->dml && (is_7(f) || *py->torch_dml != '1'))
		return is_7(f) ? "dml (RWKV-7: cpu, cuda, mps)" : "dml (torch_directml)";
	if (p->half_on_cpu && (*py->torch_half ? *py->torch_half != '1' : older(py->torch, 2, 2)))
		return "cpu fp16 (torch 2.2)";
	return NULL;
}

static void judge_given(struct answer *a, const struct set_up *f, const struct plan *best)
{
	const char *given = f->opts->strategy, *instead = best ? best->strategy : "cpu fp32";
	char how_much[ANSWER_WORD];
	const char *beyond;
	struct plan p;
	struct err err;

	if (plan_of(&p, f, given, &err)) {
		say(a, FOUND_STRATEGY_BAD, err.text, instead, NULL);
	} else if (is_7(f) && too_much_for_7(given)) {
		say(a, FOUND_STRATEGY_V7, given, instead, NULL);
	} else if ((beyond = beyond_torch(f, &p))) {
		say(a, FOUND_STRATEGY_TORCH, f->python.torch, beyond, instead, NULL);
	} else {
		needs(how_much, &p, f);
		say(a,
		    p.fits      ? FOUND_MEMORY_FINE
		    : p.unknown ? FOUND_MEMORY_UNKNOWN
		    : best      ? FOUND_MEMORY_SHORT
				: FOUND_MEMORY_NONE,
		    p.strategy, how_much, instead, NULL);
	}
}

static void judge_MEMORY(struct answer *a, const struct set_up *f)
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
		smallest = !smallest || plans[i].ram + plans[i].vram < smallest->ram + smallest->vram ? &plans[i]
												      : smallest;
	}
	if (f->opts->strategy || !smallest) {
		judge_given(a, f, best);
		return;
	}
	needs(how_much, best ? best : smallest, f);
	say(a,
	    best                ? FOUND_MEMORY_FINE
	    : smallest->unknown ? FOUND_MEMORY_UNKNOWN
				: FOUND_MEMORY_NONE,
	    (best ? best : smallest)->strategy, how_much, NULL);
}

static void judge_DISK(struct answer *a, const struct set_up *f)
{
	double speed = f->model.read_mb_s, limit = f->opts->disk_mb_s == UINT64_MAX ? 100 : (double)f->opts->disk_mb_s;
	struct figure seconds;

	if (!f->model.named || isnan(speed)) {
		if (!no_model(a, f))
			say(a, FOUND_DISK_SMALL, NULL);
		return;
	}
	snprintf(seconds.text, sizeof seconds.text, "%.1f", (double)f->model.file_bytes / 1e6 / speed);
	say(a, speed < limit ? FOUND_DISK_SLOW : FOUND_DISK_FINE, whole(speed).text, seconds.text, NULL);
}

static void judge_CONVERSION(struct answer *a, const struct set_up *f)
{
	const struct model_facts *m = &f->model;

	if (!*m->source) {
		if (!no_model(a, f))
			say(a, FOUND_CONVERSION_NONE, NULL);
	} else
		say(a, m->stale ? FOUND_CONVERSION_STALE : FOUND_CONVERSION_FINE, m->source, m->source, f->opts->model,
		    NULL);
}

void doctor_judge(struct answer out[CHECK_COUNT], const struct set_up *f)
{
	static void (*const judges[CHECK_COUNT])(struct answer *, const struct set_up *) = {
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
