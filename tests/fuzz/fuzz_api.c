/* Calls of the C API with members of any value: enums, sizes, counts, numbers, texts. What is pointed to is as large as
 * the counts say. The handle lives on, and every line of its log is a record. */
#include "base/buf.h"
#include "base/file.h"
#include "record/codec.h"

#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct input {
	const uint8_t *p;
	size_t n;
};

static char path[64];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static unsigned byte(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static int number(struct input *in)
{
	static const int odd[] = { 0, 1, 2, 3, 4, 99, -1, INT32_MIN, INT32_MAX, 255, 256, 65536 };

	return odd[byte(in) % (sizeof odd / sizeof *odd)];
}

static double real(struct input *in)
{
	uint8_t bytes[8];
	double value;

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)byte(in);
	memcpy(&value, bytes, 8);
	return value;
}

/* `count` values of four bytes in memory of just that size. */
static void *values(struct input *in, size_t count)
{
	uint8_t *p = malloc(4 * count + !count);

	require(p);
	for (size_t i = 0; i < 4 * count; i++)
		p[i] = (uint8_t)byte(in);
	return p;
}

/* A text of the input in memory of its own; NUL-terminated. */
static char *text(struct input *in)
{
	size_t n = byte(in) % 40;
	char *p = malloc(n + 1);

	require(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)byte(in);
	p[n] = 0;
	return p;
}

static void end(rwkvmon *mon, struct input *in)
{
	size_t n_tokens = byte(in) % 9, n_logits = byte(in) % 70, count = byte(in) % 40;
	uint32_t *tokens = values(in, n_tokens);
	void *logits = values(in, n_logits), *data = values(in, count);
	char *said = text(in);
	struct rwkvmon_tensor state = { data, count, (enum rwkvmon_dtype)number(in), (enum rwkvmon_part)number(in) };
	struct rwkvmon_state_sums sums = {
		(enum rwkvmon_part)number(in), real(in), real(in), real(in), real(in), byte(in)
	};
	struct rwkvmon_number one = { number(in), real(in) };
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = tokens,
				     .n_tokens = n_tokens,
				     .phase = (enum rwkvmon_phase)number(in),
				     .ends_prefill = number(in),
				     .logits = logits,
				     .n_logits = n_logits,
				     .logits_dtype = (enum rwkvmon_dtype)number(in),
				     .state = &state,
				     .n_state = byte(in) & 1,
				     .sums = &sums,
				     .n_sums = byte(in) & 1,
				     .numbers = &one,
				     .n_numbers = byte(in) & 1,
				     .text = said,
				     .text_bytes = strlen(said),
				     .batch_size = (uint32_t)number(in) };

	if (byte(in) % 16 == 1)
		step.struct_size = byte(in) % (sizeof step + 1);
	rwkvmon_end(mon, &step);
	free(tokens);
	free(logits);
	free(data);
	free(said);
}

static void new_sequence(rwkvmon *mon, struct input *in)
{
	size_t count = byte(in) % 40;
	void *data = values(in, count);
	struct rwkvmon_tensor state = { data, count, (enum rwkvmon_dtype)number(in), (enum rwkvmon_part)number(in) };
	struct rwkvmon_tensor declared = { data, count, (enum rwkvmon_dtype)number(in), (enum rwkvmon_part)number(in) };
	struct rwkvmon_start start = { sizeof start, &state, byte(in) & 1, &declared, byte(in) & 1 };

	rwkvmon_new_sequence_from(mon, &start);
	free(data);
}

static void begin_from(rwkvmon *mon, struct input *in)
{
	size_t count = byte(in) % 40;
	void *data = values(in, count);
	struct rwkvmon_tensor state = { data, count, (enum rwkvmon_dtype)number(in), (enum rwkvmon_part)number(in) };

	rwkvmon_begin_from(mon, NULL, &state, byte(in) & 1);
	free(data);
}

static void set_field(rwkvmon *mon, struct input *in)
{
	char *name = text(in), *value = text(in), why[RWKVMON_ERROR_BYTES] = "";
	double x = real(in);
	int rc = byte(in) & 1 ? rwkvmon_set_number(mon, name, x, why) : rwkvmon_set_text(mon, name, value, why);

	require(!rc || why[0]);
	free(name);
	free(value);
}

static void act(rwkvmon *mon, struct input *in)
{
	char *word = text(in), *why = text(in);
	struct rwkvmon_change change = { byte(in) & 1 ? "top_p" : word, real(in), real(in) };
	struct rwkvmon_action action = { .struct_size = sizeof action,
					 .action = word,
					 .alarm_type = why,
					 .reason = byte(in) & 1 ? why : NULL,
					 .attempt = byte(in),
					 .changes = &change,
					 .n_changes = byte(in) & 1 };

	rwkvmon_acted(mon, &action);
	free(word);
	free(why);
}

static void call(rwkvmon *mon, struct input *in)
{
	struct rwkvmon_totals totals = { .struct_size = byte(in) };
	struct rwkvmon_verdict verdict = { .struct_size = sizeof verdict };

	switch (byte(in) % 11) {
	case 0:
		rwkvmon_begin(mon);
		break;
	case 1:
		rwkvmon_new_sequence(mon);
		break;
	case 2:
		new_sequence(mon, in);
		break;
	case 3:
		rwkvmon_finished(mon, (enum rwkvmon_finish)number(in));
		break;
	case 4:
		set_field(mon, in);
		break;
	case 5:
		rwkvmon_so_far(mon, &totals);
		break;
	case 7:
		begin_from(mon, in);
		break;
	case 9:
		act(mon, in);
		break;
	case 8:
		rwkvmon_went_back(mon, (size_t)number(in));
		break;
	default:
		end(mon, in);
		rwkvmon_verdict(mon, &verdict);
		require(!verdict.fires == !verdict.first_bad_token);
		break;
	}
}

/* Every line is a record. */
static void check_log(void)
{
	struct record_decoder d = { 0 };
	struct buf all = { 0 };
	struct record r;
	char *p, *line_end;

	require(!file_read(&all, path, 1 << 28, NULL));
	for (p = all.p; p && (line_end = strchr(p, '\n')); p = line_end + 1)
		require(record_decode(&d, (struct slice){ p, (size_t)(line_end - p) }, &r) == DECODE_OK);
	require(!p || !*p);
	record_decoder_free(&d);
	buf_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = { data, n };
	char *name = text(&in), *model = text(&in), why[RWKVMON_ERROR_BYTES] = "";
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = path,
				      .session_id = name,
				      .model_name = model,
				      .log_text = number(&in),
				      .log_tokens = number(&in),
				      .fsync = (enum rwkvmon_sync)number(&in),
				      .has_sampler = number(&in),
				      .temperature = real(&in),
				      .vocab_size = (uint32_t)number(&in),
				      .n_layer = (uint32_t)number(&in),
				      .log_state_norms = byte(&in) & 1,
				      .ring_bytes = (size_t)byte(&in) << 8,
				      .overhead_budget_pct = -1 };
	rwkvmon *mon;

	if (!*path)
		snprintf(path, sizeof path, "/tmp/fuzz_api.%d.log", getpid());
	if (!rwkvmon_open(&mon, &cfg, why)) {
		while (in.n)
			call(mon, &in);
		require(!rwkvmon_close(mon, NULL));
		check_log();
	} else {
		require(why[0]);
	}
	unlink(path);
	free(name);
	free(model);
	return 0;
}
