/* eval.c - feed given tokens, hand out logits, state, and what a monitor would see at each token. */
#include "base/file.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "record/record.h"
#include "runtime/run.h"
#include "runtime/tokenizer.h"
#include "simd/observe.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { TOKENS_FILE_MAX_BYTES = 256 << 20 };

/* Numbers separated by anything else; `name` is where they come from. */
static int parse_tokens(struct token_list *list, struct slice text, const char *name, struct err *err)
{
	for (size_t i = 0; i < text.n;) {
		int rc = 0;
		uint64_t value = 0;
		size_t from = i;

		while (i < text.n && isdigit((unsigned char)text.p[i]) && value <= UINT32_MAX)
			value = value * 10 + (uint64_t)(text.p[i++] - '0');
		if (value > UINT32_MAX || (i > from && from && text.p[from - 1] == '-'))
			return err_set(err, ERR_USAGE, "%s: byte %zu: a token id must be from 0 to 4294967295", name, from);
		if (i > from)
			rc = token_list_add(list, (uint32_t)value, err);
		else if (isalpha((unsigned char)text.p[i++]))
			return err_set(err, ERR_USAGE, "%s: byte %zu: found a letter, expected token ids such as 1,2,3", name, from);
		if (rc)
			return rc;
	}
	if (list->n)
		return 0;
	err_set(err, ERR_USAGE, "%s: holds no token id", name);
	return err_hint(err, "write them like 1,2,3");
}

static int read_tokens(struct token_list *list, const struct options *opts, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	if (!opts->tokens == !opts->tokens_file) {
		err_set(err, ERR_USAGE, "eval: give either --tokens or --tokens-file");
		return err_hint(err, "%s", command_specs[COMMAND_EVAL].example);
	}
	if (opts->tokens)
		return parse_tokens(list, slice_of(opts->tokens), "--tokens", err);
	rc = file_read(&text, opts->tokens_file, TOKENS_FILE_MAX_BYTES, err);
	if (!rc)
		rc = parse_tokens(list, buf_slice(&text), opts->tokens_file, err);
	buf_free(&text);
	return rc;
}

/* One token as a monitor sees it; NAN: unknown. */
struct seen {
	uint32_t token, argmax;
	double entropy, surprisal;
	double similarity, similarity_shift, similarity_wkv, change;
};

struct evaluation {
	struct run *run;
	size_t vocab, state_floats;
	struct seen *seen; /* (tokens) */
	float *all;	   /* (chunk, vocab) */
	float *before;	   /* the logits before the call: (vocab) */
	float *state;	   /* the state before it */
	FILE *logits_out;  /* every token's logits go here; NULL: not asked for */
};

static double cosine(const struct state_sums *s)
{
	double norms = sqrt(s->old2) * sqrt(s->new2);

	return norms > 0 ? s->dot / norms : NAN;
}

/* Compares the state with the one before the call; the first call has none. */
static void see_state(struct evaluation *e, struct seen *s, bool first)
{
	struct state_sums part[2] = { 0 }, all;
	size_t n, at = 0;
	const struct tap_state *t = run_state(e->run, &n);

	for (size_t i = 0; i < n; at += t[i++].n)
		state_observe(e->state + at, t[i].p, VALUE_F32, t[i].n, &part[t[i].part]);
	s->similarity = s->similarity_shift = s->similarity_wkv = s->change = NAN;
	if (first)
		return;
	all = part[TAP_SHIFT];
	all.dot += part[TAP_WKV].dot;
	all.old2 += part[TAP_WKV].old2;
	all.new2 += part[TAP_WKV].new2;
	all.change2 += part[TAP_WKV].change2;
	s->similarity = cosine(&all);
	s->similarity_shift = cosine(&part[TAP_SHIFT]);
	s->similarity_wkv = cosine(&part[TAP_WKV]);
	s->change = sqrt(all.change2 / all.old2);
}

static uint32_t argmax(const float *x, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return (uint32_t)best;
}

static void see_logits(const struct evaluation *e, struct seen *s, uint32_t token, const float *before, const float *after)
{
	struct logits_stats now, then;

	logits_observe(after, VALUE_F32, e->vocab, NULL, &now);
	s->token = token;
	s->entropy = now.entropy;
	s->argmax = argmax(after, e->vocab);
	s->surprisal = NAN;
	if (!before)
		return;
	logits_observe(before, VALUE_F32, e->vocab, NULL, &then);
	s->surprisal = then.log_sum_exp - (double)before[token];
}

static int feed(struct evaluation *e, const struct token_list *tokens, size_t from, size_t n, struct err *err)
{
	struct run_call call = { .tokens = tokens->ids + from, .n = n, .prefill = true, .all_logits = e->all };
	int rc;

	memcpy(e->before, run_logits(e->run), e->vocab * sizeof *e->before);
	rc = run_forward(e->run, &call, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const float *before = i ? e->all + (i - 1) * e->vocab : from ? e->before : NULL;

		see_logits(e, &e->seen[from + i], tokens->ids[from + i], before, e->all + i * e->vocab);
		e->seen[from + i].similarity = e->seen[from + i].similarity_shift = NAN;
		e->seen[from + i].similarity_wkv = e->seen[from + i].change = NAN;
	}
	see_state(e, &e->seen[from + n - 1], from == 0);
	if (e->logits_out && fwrite(e->all, e->vocab * sizeof *e->all, n, e->logits_out) != n)
		return err_set_os(err, ERR_WRITE, errno, "the logits cannot be written");
	return 0;
}

static void add_known(struct buf *out, const char *key, double value)
{
	buf_printf(out, ",\"%s\":", key);
	buf_json_double(out, value);
}

static void add_json(struct buf *out, const struct model_info *info, const struct evaluation *e, size_t n)
{
	buf_printf(out, "{\"model_version\":\"%s\",\"vocab_size\":%zu,\"tokens\":[", info->version, info->n_vocab);
	for (size_t i = 0; i < n; i++) {
		const struct seen *s = &e->seen[i];

		buf_printf(out, "%s\n{\"token\":%u,\"argmax\":%u", i ? "," : "", s->token, s->argmax);
		add_known(out, metric_specs[M_LOGITS_ENTROPY].id, s->entropy);
		add_known(out, metric_specs[M_SURPRISAL_NATS].id, s->surprisal);
		add_known(out, metric_specs[M_STATE_SIMILARITY].id, s->similarity);
		add_known(out, metric_specs[M_STATE_SIMILARITY_SHIFT].id, s->similarity_shift);
		add_known(out, metric_specs[M_STATE_SIMILARITY_WKV].id, s->similarity_wkv);
		add_known(out, metric_specs[M_STATE_CHANGE].id, s->change);
		buf_char(out, '}');
	}
	buf_str(out, "\n]}\n");
}

static void add_cell(struct buf *out, double value)
{
	if (isnan(value))
		buf_printf(out, "  %10s", "-");
	else
		buf_printf(out, "  %10.6f", value);
}

static void add_table(struct buf *out, const struct evaluation *e, size_t n)
{
	buf_printf(out, "%8s  %8s  %8s  %10s  %10s  %10s\n", "position", "token", "likeliest", "entropy", "surprisal", "similarity");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%8zu  %8u  %9u", i, e->seen[i].token, e->seen[i].argmax);
		add_cell(out, e->seen[i].entropy);
		add_cell(out, e->seen[i].surprisal);
		add_cell(out, e->seen[i].similarity);
		buf_char(out, '\n');
	}
}

static int write_answer(const struct options *opts, const struct model *m, const struct evaluation *e, size_t n, struct err *err)
{
	struct slice last = { (const char *)run_logits(e->run), e->vocab * sizeof(float) };
	struct slice state = { (const char *)run_state_flat(e->run), e->state_floats * sizeof(float) };
	struct buf out = { 0 };
	int rc = 0;

	if (opts->logits_out && !opts->all_logits)
		rc = file_write(opts->logits_out, last, err);
	if (!rc && opts->state_out)
		rc = file_write(opts->state_out, state, err);
	if (opts->json)
		add_json(&out, model_info(m), e, n);
	else if (!opts->logits_out && !opts->state_out)
		add_table(&out, e, n);
	if (!rc && out.failed)
		rc = err_set(err, ERR_NOMEM, "no memory for the answer");
	if (!rc && out.used)
		rc = file_write("-", buf_slice(&out), err);
	buf_free(&out);
	return rc;
}

static int open_logits_out(struct evaluation *e, const struct options *opts, struct err *err)
{
	if (!opts->all_logits)
		return 0;
	if (!opts->logits_out)
		return err_set(err, ERR_USAGE, "eval: --all-logits needs --logits-out FILE");
	e->logits_out = strcmp(opts->logits_out, "-") ? fopen(opts->logits_out, "we") : stdout;
	return e->logits_out ? 0 : err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", opts->logits_out);
}

static int close_logits_out(struct evaluation *e, const char *path, struct err *err)
{
	FILE *f = e->logits_out;

	e->logits_out = NULL;
	if (!f)
		return 0;
	return (f == stdout ? fflush(f) : fclose(f)) ? err_set_os(err, ERR_WRITE, errno, "%s: cannot be written", path) : 0;
}

static int evaluate(const struct options *opts, const struct model *m, const struct token_list *tokens, struct err *err)
{
	const struct model_info *info = model_info(m);
	struct evaluation e = { .vocab = info->n_vocab, .state_floats = info->state_floats };
	size_t chunk = opts->chunk_len == UINT64_MAX || !opts->chunk_len ? 1 : opts->chunk_len;
	int rc;

	chunk = chunk > RUN_CHUNK_MAX ? RUN_CHUNK_MAX : chunk;
	rc = cli_run_open(&e.run, m, opts, chunk, err);
	e.seen = calloc(tokens->n, sizeof *e.seen);
	e.all = calloc(chunk * e.vocab, sizeof *e.all);
	e.before = calloc(e.vocab, sizeof *e.before);
	e.state = calloc(e.state_floats, sizeof *e.state);
	if (!rc && !(e.seen && e.all && e.before && e.state))
		rc = err_set(err, ERR_NOMEM, "no memory to evaluate %zu tokens", tokens->n);
	if (!rc)
		rc = open_logits_out(&e, opts, err);
	for (size_t i = 0; i < tokens->n && !rc; i += chunk)
		rc = feed(&e, tokens, i, tokens->n - i < chunk ? tokens->n - i : chunk, err);
	if (!rc)
		rc = close_logits_out(&e, opts->logits_out, err);
	if (!rc)
		rc = write_answer(opts, m, &e, tokens->n, err);
	close_logits_out(&e, "", NULL);
	run_close(e.run);
	free(e.seen);
	free(e.all);
	free(e.before);
	free(e.state);
	return rc;
}

int command_eval(const struct options *opts, struct err *err)
{
	struct token_list tokens = { 0 };
	struct model *m = NULL;
	int rc = read_tokens(&tokens, opts, err);

	if (!rc)
		rc = cli_model_open(&m, opts, err);
	if (!rc)
		rc = evaluate(opts, m, &tokens, err);
	model_close(m);
	token_list_free(&tokens);
	return rc;
}
