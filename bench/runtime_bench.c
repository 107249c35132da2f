/* How fast the runtime is, next to what the memory allows in the same run.
 *
 *     runtime_bench [--quick] [--sparse] [--skip-zeros] [--fp32|--fp16|--bf16|--int8] [--threads N] [--model F]
 * [--write F]
 *
 * Without a model: random weights in the shape of RWKV-7 0.1B (12 x 768, vocabulary 65,536),
 * 16-bit. Decoding reads every weight but the embedding once per token, so its limit is
 * bandwidth / those bytes; the share of it is the figure to watch. Rates are per second of
 * processor time of one thread, or of wall time with more; rounds interleave, medians are printed.
 * --sparse makes the keys of the channel mix lean towards the negative, so that about nine tenths of its activations
 * are zero as in trained models (half are otherwise); --skip-zeros leaves out what they are multiplied with.
 * --write F stores the random weights as .safetensors and measures nothing: peers_bench.sh gives the
 * same model to other engines. */
#include "base/cpu.h"
#include "bench.h"
#include "runtime/run.h"
#include "simd/half.h"
#include "simd/linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { LAYERS = 12, WIDTH = 768, FFN = 4 * WIDTH, HEADS = 12, VOCAB = 65536, ROUNDS_MAX = 9 };

/* -- a safetensors file in memory ------------------------------------------------------ */

struct image {
	char header[1 << 17];
	size_t used; /* of the header */
	size_t at;   /* bytes of data placed */
	unsigned char *data;
	size_t cap;
	const char *dtype;
	uint64_t random;
	bool sparse;
};

static float noise(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return (float)(int32_t)(*state >> 32) * 0x1p-31F;
}

static size_t width_of(const struct image *m)
{
	return strcmp(m->dtype, "F32") ? 2 : 4;
}

static void put(struct image *m, float f)
{
	uint16_t h = strcmp(m->dtype, "F16") ? bf16_of_float(f) : f16_of_float(f);

	if (width_of(m) == 4)
		memcpy(m->data + m->at, &f, 4);
	else
		memcpy(m->data + m->at, &h, 2);
	m->at += width_of(m);
}

/* Uniform weights around `middle`; a matrix of `in` columns keeps the size of what it multiplies. */
static void tensor(struct image *m, const char *name, size_t rows, size_t cols, float middle, float scale)
{
	size_t begin = m->at, bytes = rows * cols * width_of(m);

	if (begin + bytes > m->cap) {
		fprintf(stderr, "runtime_bench: image too small\n");
		exit(4);
	}
	for (size_t i = 0; i < rows * cols; i++)
		put(m, middle + scale * noise(&m->random));
	m->used += (size_t)snprintf(m->header + m->used, sizeof m->header - m->used,
				    "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}",
				    m->used > 1 ? "," : "", name, m->dtype, rows, cols, begin, m->at);
}

/* With x around 1/2, weights around -1/300 make sums that are negative nine times of ten. */
static float lean(const char *name)
{
	return !strcmp(name, "ln2.bias") ? 0.5F : strcmp(name, "ffn.key.weight") ? 0 : -1.0F / 300;
}

static void block(struct image *m, int layer)
{
	static const struct {
		const char *name;
		size_t rows, cols;
		float middle, scale;
	} rows[] = {
		{ "ln1.weight", 1, WIDTH, 1, 0.1F },
		{ "ln1.bias", 1, WIDTH, 0, 0.1F },
		{ "ln2.weight", 1, WIDTH, 1, 0.1F },
		{ "ln2.bias", 1, WIDTH, 0, 0.1F },
		{ "att.x_r", 1, WIDTH, 0.5F, 0.5F },
		{ "att.x_w", 1, WIDTH, 0.5F, 0.5F },
		{ "att.x_k", 1, WIDTH, 0.5F, 0.5F },
		{ "att.x_v", 1, WIDTH, 0.5F, 0.5F },
		{ "att.x_a", 1, WIDTH, 0.5F, 0.5F },
		{ "att.x_g", 1, WIDTH, 0.5F, 0.5F },
		{ "att.r_k", HEADS, WIDTH / HEADS, 0, 0.1F },
		{ "att.w0", 1, WIDTH, -3, 3 },
		{ "att.w1", WIDTH, 64, 0, 0.06F },
		{ "att.w2", 64, WIDTH, 0, 0.2F },
		{ "att.a0", 1, WIDTH, 0, 1 },
		{ "att.a1", WIDTH, 64, 0, 0.06F },
		{ "att.a2", 64, WIDTH, 0, 0.2F },
		{ "att.v0", 1, WIDTH, 0, 1 },
		{ "att.v1", WIDTH, 32, 0, 0.06F },
		{ "att.v2", 32, WIDTH, 0, 0.2F },
		{ "att.g1", WIDTH, 128, 0, 0.06F },
		{ "att.g2", 128, WIDTH, 0, 0.2F },
		{ "att.k_k", 1, WIDTH, 0.85F, 0.1F },
		{ "att.k_a", 1, WIDTH, 1, 0.1F },
		{ "att.receptance.weight", WIDTH, WIDTH, 0, 0.06F },
		{ "att.key.weight", WIDTH, WIDTH, 0, 0.06F },
		{ "att.value.weight", WIDTH, WIDTH, 0, 0.06F },
		{ "att.output.weight", WIDTH, WIDTH, 0, 0.06F },
		{ "att.ln_x.weight", 1, WIDTH, 1, 0.1F },
		{ "att.ln_x.bias", 1, WIDTH, 0, 0.1F },
		{ "ffn.x_k", 1, WIDTH, 0.5F, 0.5F },
		{ "ffn.key.weight", FFN, WIDTH, 0, 0.06F },
		{ "ffn.value.weight", WIDTH, FFN, 0, 0.03F },
	};
	char name[64];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(name, sizeof name, "blocks.%d.%s", layer, rows[i].name);
		tensor(m, name, rows[i].rows, rows[i].cols, rows[i].middle + (m->sparse ? lean(rows[i].name) : 0),
		       rows[i].scale);
	}
}

/* Header and data behind one another; *n gets the bytes. */
static unsigned char *build(const char *dtype, bool sparse, size_t *n)
{
	struct image *m = calloc(1, sizeof *m);
	unsigned char *file;
	uint64_t header_bytes;

	m->dtype = dtype;
	m->sparse = sparse;
	m->random = 1;
	m->cap = (size_t)200 * 1000 * 1000 * width_of(m);
	file = mmap(NULL, sizeof m->header + m->cap, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (file == MAP_FAILED)
		exit(4);
	m->data = file + sizeof m->header;
	m->header[m->used++] = '{';
	tensor(m, "emb.weight", VOCAB, WIDTH, 0, 0.5F);
	tensor(m, "head.weight", VOCAB, WIDTH, 0, 0.06F);
	tensor(m, "blocks.0.ln0.weight", 1, WIDTH, 1, 0.1F);
	tensor(m, "blocks.0.ln0.bias", 1, WIDTH, 0, 0.1F);
	tensor(m, "ln_out.weight", 1, WIDTH, 1, 0.1F);
	tensor(m, "ln_out.bias", 1, WIDTH, 0, 0.1F);
	for (int i = 0; i < LAYERS; i++)
		block(m, i);
	m->header[m->used++] = '}';
	memset(m->header + m->used, ' ', sizeof m->header - 8 - m->used);
	header_bytes = sizeof m->header - 8;
	for (int i = 0; i < 8; i++)
		file[i] = (unsigned char)(header_bytes >> 8 * i);
	memcpy(file + 8, m->header, header_bytes);
	*n = sizeof m->header + m->at;
	free(m);
	return file;
}

/* -- measuring --------------------------------------------------------------------------- */

static int threads = 1;

/* Time this thread has run: on a busy machine wall time measures the neighbours. */
static double seconds(void)
{
	return bench_s(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID);
}

/* Bytes per second of a plain pass over memory, summed in registers: the rows of an fp32 product. */
static double read_bandwidth(const unsigned char *p, size_t bytes)
{
	enum { COLS = 4096 };
	static float x[COLS], y[1 << 16];
	size_t rows = bytes / (COLS * sizeof(float));
	double began = seconds();

	rows = rows < sizeof y / sizeof *y ? rows : sizeof y / sizeof *y;
	linear_kernels()->by_rows[WEIGHT_F32](&(struct linear_args){ .y = y,
								     .w = p,
								     .x = x,
								     .y_stride = rows,
								     .w_stride = COLS,
								     .x_stride = COLS,
								     .rows = rows,
								     .cols = COLS,
								     .n = 1 });
	return (double)(rows * COLS * sizeof(float)) / (seconds() - began);
}

static double tokens_per_second(struct run *run, size_t n, size_t per_call)
{
	uint32_t *tokens = calloc(n, sizeof *tokens);
	double began;

	for (size_t i = 0; i < n; i++)
		tokens[i] = (uint32_t)(i * 7919 % 256);
	began = seconds();
	for (size_t at = 0; at < n; at += per_call)
		run_forward(run, &(struct run_call){ .tokens = tokens + at, .n = per_call, .prefill = per_call > 1 },
			    NULL);
	free(tokens);
	return (double)n / (seconds() - began);
}

static int measure(const struct model *m, int rounds)
{
	static const size_t chunks[] = { 1, 16, 64, 256 };
	const struct model_info *info = model_info(m);
	double rate[4][ROUNDS_MAX], bandwidth[ROUNDS_MAX];
	/* all but the embedding, which is 16-bit (or fp32) under int8 too */
	double read_bytes = (double)info->weight_bytes -
			    (double)(info->n_vocab * info->n_embd) * (strcmp(info->dtype, "fp32") ? 2 : 4);
	size_t plain_bytes = (size_t)256 << 20;
	unsigned char *plain = malloc(plain_bytes);
	struct run *run;

	if (!plain || run_open(&run, m, &(struct run_config){ .chunk_len = 256, .threads = threads }, NULL))
		return 4;
	memset(plain, 0, plain_bytes);
	tokens_per_second(run, 2, 1); /* pages in */
	for (int r = 0; r < rounds; r++) {
		bandwidth[r] = read_bandwidth(plain, plain_bytes);
		for (int c = 0; c < 4; c++)
			rate[c][r] = tokens_per_second(run, c ? chunks[c] : 12, chunks[c]);
	}
	{
		double limit = median_sort(bandwidth, (size_t)rounds) / read_bytes,
		       decode = median_sort(rate[0], (size_t)rounds);

		printf("  read bandwidth      %8.1f GB/s\n", median_sort(bandwidth, (size_t)rounds) * 1e-9);
		printf("  bytes per token     %8.1f MB\n", read_bytes * 1e-6);
		printf("  decode              %8.1f tok/s  (limit %.1f, share %.2f)\n", decode, limit, decode / limit);
	}
	for (int c = 1; c < 4; c++)
		printf("  prefill %-3zu         %8.1f tok/s\n", chunks[c], median_sort(rate[c], (size_t)rounds));
	run_close(run);
	free(plain);
	return 0;
}

static int store(const char *path, const unsigned char *image, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(image, 1, n, f) != n || fclose(f))
		return fprintf(stderr, "runtime_bench: cannot write %s\n", path), 4;
	return 0;
}

int main(int argc, char **argv)
{
	const char *dtype = "BF16", *path = NULL, *out = NULL;
	struct model_options options = { 0 };
	unsigned char *image = NULL;
	bool sparse = false;
	int rounds = ROUNDS_MAX, rc;
	size_t n = 0;
	struct model *m;
	struct err err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			rounds = 3;
		else if (!strcmp(argv[i], "--model") && i + 1 < argc)
			path = argv[++i];
		else if (!strcmp(argv[i], "--write") && i + 1 < argc)
			out = argv[++i];
		else if (!strcmp(argv[i], "--threads") && i + 1 < argc)
			threads = (int)strtol(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--sparse"))
			sparse = true;
		else if (!strcmp(argv[i], "--skip-zeros"))
			options.skip_zeros = true;
		else if (!strcmp(argv[i], "--int8"))
			options.strategy = "cpu fp32i8";
		else if (!strcmp(argv[i], "--fp32") || !strcmp(argv[i], "--fp16") || !strcmp(argv[i], "--bf16"))
			dtype = argv[i][2] == 'b' ? "BF16" : strcmp(argv[i], "--fp32") ? "F16" : "F32";
		else
			return fprintf(stderr, "usage: runtime_bench [--quick] [--sparse] [--skip-zeros] "
					       "[--fp32|--fp16|--bf16|--int8] "
					       "[--threads N] [--model F] [--write F]\n"),
			       2;
	}
	if (!path)
		image = build(dtype, sparse, &n);
	if (out && image)
		return store(out, image, n);
	rc = path ? model_open(&m, path, &options, &err)
		  : model_open_memory(&m, image, n, "random 0.1B", &options, &err);
	if (rc)
		return fprintf(stderr, "runtime_bench: %s\n", err.text), err_exit_code(err.code);
	printf("%s: RWKV-%s, %zu x %zu, vocabulary %zu, %s, %.1f M parameters; opened in %.1f ms; kernels %s, %s\n",
	       model_label(m), model_info(m)->version, model_info(m)->n_layer, model_info(m)->n_embd,
	       model_info(m)->n_vocab, model_info(m)->dtype, (double)model_info(m)->parameters * 1e-6,
	       (double)model_info(m)->load_ns * 1e-6, cpu_features_name(), cpu_model_name());
	rc = measure(m, rounds);
	model_close(m);
	return rc;
}
