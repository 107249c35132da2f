/* document_diagnosis.c - the bottleneck tree as a guide: DIAGNOSIS.md. */
#include "cli/documents.h"

#include "report/mermaid.h"

static void stars(struct buf *out, int n)
{
	for (int i = 1; i <= 5; i++)
		buf_str(out, i <= n ? "★" : "☆");
}

/* The words before or behind the bar: what the log says of it is a share of something. */
static void gain(struct buf *out, const char *words)
{
	const char *bar = strchr(words, '|');

	buf_str(out, bar ? bar + 1 : words);
}

static void one_cause(struct buf *out, const struct cause_spec *c)
{
	buf_printf(out, "### `%s`: %s · %s\n\n%s\n\n%s\n\n", c->id, c->title[LANG_EN], c->title[LANG_ZH], c->meaning[LANG_EN],
		   c->meaning[LANG_ZH]);
	buf_printf(out, "- **Fix** %s\n- **对策** %s\n", c->fix[LANG_EN], c->fix[LANG_ZH]);
	if (c->kind != CAUSE_IS_FAULT) {
		buf_char(out, '\n');
		return;
	}
	buf_str(out, "- Expected: ");
	gain(out, c->gain[LANG_EN]);
	buf_printf(out, ". %s\n- 预期:", c->basis[LANG_EN]);
	gain(out, c->gain[LANG_ZH]);
	buf_printf(out, "。%s\n- Difficulty · 难度: ", c->basis[LANG_ZH]);
	stars(out, c->difficulty);
	buf_str(out, "\n\n");
}

void document_diagnosis(struct buf *out)
{
	buf_str(out,
		"# Diagnosis\n\n<!-- Written by `rwkvmon export diagnosis`; edit src/spec/diagnosis.def. -->\n\n"
		"`rwkvmon diagnose LOG…` walks this tree on a log and ends in one named cause, with the numbers that speak for it,\n"
		"what was ruled out, how sure it is, one fix and what to expect of it; or in `healthy`; or in `not_enough_data`, with\n"
		"what is missing. `--format json` is for programs, `mermaid` the tree below with the path lit, `html` a page.\n\n"
		"- At each question the first answer whose test holds is taken; the last one needs no test. Other causes whose tests\n"
		"  hold are listed as also seen.\n"
		"- A log is cut into up to 48 stretches of equally many decode calls. Its slow part are those that take more than 1.35\n"
		"  times as long as a fast one (the 25th percentile), the fast part those within 1.15 times. The speed fell when three\n"
		"  slow stretches (two, if they take three times as long) lie in a row and last half a second in all.\n"
		"- What changed between both parts decides: memory, time stopped by the container's CPU quota, this process's share of\n"
		"  the processor and the time its threads waited for one, the whole machine's load, the clock and the heat of processor\n"
		"  and GPU. When the clock is not recorded and nothing else changed, throttling is concluded by exclusion, and the\n"
		"  answer says so and is less sure; of a slow part shorter than the 5 s between samples it is not concluded at all.\n"
		"- Pauses between calls are held against the tokens of the sequence and against time, both at once, by least squares.\n"
		"- The memory's bandwidth is what `--bandwidth GB/s` says, what `--bandwidth measure` measures on this machine, or the\n"
		"  maker's figure for the GPU that the log names (src/spec/gpus.def); the answer says which. A token reads the weights\n"
		"  without the embedding once.\n"
		"- An RWKV state does not grow. When something else does, the answer says so beside it.\n"
		"- What a log says about itself (`session_start`) is taken from its first session: name one with `--session` when a log\n"
		"  holds several models.\n\n"
		"## The tree\n\n```mermaid\n");
	mermaid_tree(out, NULL, LANG_EN);
	buf_str(out, "```\n\n## Causes\n\n");
	for (int c = 0; c < CAUSE_COUNT; c++)
		one_cause(out, &cause_specs[c]);
}
