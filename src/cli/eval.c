/* eval.c - feeds given tokens, and prints logits, state, and what a monitor would measure at each token. */
#include "base/file.h"
#include "base/json.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "cli/tell.h"
#include "record/record.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"
#include "simd/observe.h"
#include "spec/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { TOKENS_FILE_MAX_BYTES = 256 << 20 };

/* Between two ids: white space and at most one comma, brackets as JSON has them. The end of it; SIZE_MAX: something
 * else. */
static size_t skip_separator(struct slice text, size_t i)
{
	size_t commas = 0;

	for (; i < text.n && !isdigit((unsigned char)text.p[i]); i++) {
		commas += text.p[i] == ',';
		if (!isspace((unsigned char)text.p[i]) && !strchr(",[]", text.p[i]))
			return SIZE_MAX;
	}
	return commas > 1 ? SIZE_MAX : i;
}

/* `name` is where they come from. */
static int parse_tokens(struct token_list *list, struct slice text, const char *name, struct err *err)
{
	for (size_t i = 0, from; i < text.n;) {
		uint64_t value = 0;
		int rc;

		from = i;
		i = skip_separator(text, i);
		if (i == SIZE_MAX)
			return err_set(err, ERR_USAGE, "%s: byte %zu: expected token ids such as 1,2,3", name, from);
		if (i == text.n)
			break;
		for (from = i; i < text.n && isdigit((unsigned char)text.p[i]) && value <= UINT32_MAX; i++)
			value = value * 10 + (uint64_t)(text.p[i] - '0');
		if (value > UINT32_MAX)
			return err_set(err, ERR_USAGE, "%s: byte %zu: a token id must be from 0 to 4294967295", name,
				       from);
		rc = token_list_add(list, (uint32_t)value, err);
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
	uint32_t token, argmax; /* of the finite logits */
	uint64_t nonfinite;     /* logits */
	double entropy, surprisal;
	double similarity, similarity_shift, similarity_wkv, change;
};

struct evaluation {
	struct run *run;
	size_t vocab, state_floats;
	struct seen *seen; /* (tokens) */
	float *all;        /* (chunk, vocab) */
	float *before;     /* the logits before the call: (vocab) */
	float *state;      /* the state before it */
	FILE *logits_out;  /* every token's logits go here; NULL: not asked for */
};

static double cosine(const struct state_sums *s)
{
	double norms = sqrt(s->old_norm2) * sqrt(s->new_norm2);

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
	state_sums_add(&all, &part[TAP_WKV]);
	s->similarity = cosine(&all);
	s->similarity_shift = cosine(&part[TAP_SHIFT]);
	s->similarity_wkv = cosine(&part[TAP_WKV]);
	s->change = sqrt(all.change_norm2 / all.old_norm2);
}

static void see_logits(const struct evaluation *e, struct seen *s, uint32_t token, const float *before,
		       const float *after)
{
	struct logits_stats now, then;

	logits_observe(after, VALUE_F32, e->vocab, NULL, &now);
	s->token = token;
	s->entropy = now.entropy;
	s->argmax = (uint32_t)logits_likeliest(after, e->vocab);
	s->nonfinite = now.nan + now.inf;
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

static void add_token(struct json *out, const struct seen *s, size_t vocab)
{
	jw_break(out);
	jw_object(out);
	jw_put_u64(out, "token", s->token);
	if (s->nonfinite == vocab)
		jw_put_null(out, "argmax");
	else
		jw_put_u64(out, "argmax", s->argmax);
	if (s->nonfinite)
		jw_put_u64(out, metric_specs[M_NONFINITE_LOGITS].id, s->nonfinite);
	jw_put_double(out, metric_specs[M_LOGITS_ENTROPY].id, s->entropy);
	jw_put_double(out, metric_specs[M_SURPRISAL_NATS].id, s->surprisal);
	jw_put_double(out, metric_specs[M_STATE_SIMILARITY].id, s->similarity);
	jw_put_double(out, metric_specs[M_STATE_SIMILARITY_SHIFT].id, s->similarity_shift);
	jw_put_double(out, metric_specs[M_STATE_SIMILARITY_WKV].id, s->similarity_wkv);
	jw_put_double(out, metric_specs[M_STATE_CHANGE].id, s->change);
	jw_end(out);
}

static void add_json(struct buf *to, const struct model_info *info, const struct evaluation *e, size_t n)
{
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_text(&out, "model_version", info->version);
	jw_put_u64(&out, "vocab_size", info->n_vocab);
	jw_put_array(&out, "tokens");
	for (size_t i = 0; i < n; i++)
		add_token(&out, &e->seen[i], e->vocab);
	buf_char(to, '\n');
	jw_end(&out);
	jw_end(&out);
	buf_char(to, '\n');
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
	buf_printf(out, "%8s  %8s  %8s  %10s  %10s  %10s\n", "position", "token", "likeliest", "entropy", "surprisal",
		   "similarity");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%8zu  %8u  ", i, e->seen[i].token);
		if (e->seen[i].nonfinite == e->vocab)
			buf_printf(out, "%9s", "-");
		else
			buf_printf(out, "%9u", e->seen[i].argmax);
		add_cell(out, e->seen[i].entropy);
		add_cell(out, e->seen[i].surprisal);
		add_cell(out, e->seen[i].similarity);
		buf_char(out, '\n');
	}
}

/* NaN cannot be compared: the highest of such logits says nothing about the model. */
static void warn_nonfinite(const struct evaluation *e, size_t n, const struct options *opts)
{
	char with[24], all[24];
	struct buf model = { 0 };
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += e->seen[i].nonfinite > 0;
	snprintf(with, sizeof with, "%zu", found);
	snprintf(all, sizeof all, "%zu", n);
	if (found && opts->model)
		buf_shell_word(&model, opts->model);
	if (found)
		args_say(args_lang(opts->lang), TEXT_EVAL_NONFINITE, with, all, model.p ? model.p : "FILE");
	buf_free(&model);
}

static int write_answer(const struct options *opts, const struct model *m, const struct evaluation *e, size_t n,
			struct err *err)
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
	if (!rc) {
		warn_nonfinite(e, n, opts);
		cli_model_tell_damaged(opts, UINT64_MAX);
		return answer(&out, !opts->json, err);
	}
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
	return (f == stdout ? fflush(f) : fclose(f)) ? err_set_os(err, ERR_WRITE, errno, "%s: cannot be written", path)
						     : 0;
}

static int evaluate(const struct options *opts, const struct model *m, const struct token_list *tokens, struct err *err)
{
	const struct model_info *info = model_info(m);
	struct evaluation e = { .vocab = info->n_vocab, .state_floats = info->state_floats };
	size_t chunk = opts->chunk_len == UINT64_MAX ? 1 : opts->chunk_len;
	int rc;

	if (!chunk || chunk > RUN_CHUNK_MAX)
		return err_set(err, ERR_USAGE, "--chunk-len: expected 1 to %d tokens", RUN_CHUNK_MAX);
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
