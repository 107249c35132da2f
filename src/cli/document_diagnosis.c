/* document_diagnosis.c - the bottleneck tree as a guide: DIAGNOSIS.md. */
#include "cli/documents.h"

#include "report/mermaid.h"

#include <math.h>

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

static void fixes(struct buf *out, enum cause_id cause)
{
	for (size_t i = 0; i < fix_count; i++)
		if (fix_specs[i].cause == cause)
			buf_printf(out, "- Fix %s: %s\n- 对策（%s）：%s\n", situation_texts[fix_specs[i].when][LANG_EN],
				   fix_specs[i].text[LANG_EN], situation_texts[fix_specs[i].when][LANG_ZH],
				   fix_specs[i].text[LANG_ZH]);
}

static void one_cause(struct buf *out, const struct cause_spec *c)
{
	buf_printf(out, "### `%s`: %s · %s\n\n%s\n\n%s\n\n", c->id, c->title[LANG_EN], c->title[LANG_ZH],
		   c->meaning[LANG_EN], c->meaning[LANG_ZH]);
	buf_printf(out, "- **Fix** %s\n- **对策** %s\n", c->fix[LANG_EN], c->fix[LANG_ZH]);
	fixes(out, (enum cause_id)(c - cause_specs));
	if (!cause_is_bad(c->kind)) {
		buf_char(out, '\n');
		return;
	}
	buf_str(out, "- Expected: ");
	gain(out, c->gain[LANG_EN]);
	buf_printf(out, ". %s\n- 预期：", c->basis[LANG_EN]);
	gain(out, c->gain[LANG_ZH]);
	buf_printf(out, "。%s\n- Difficulty · 难度：", c->basis[LANG_ZH]);
	stars(out, c->difficulty);
	buf_str(out, "\n\n");
}

static void thresholds(struct buf *out)
{
	buf_str(out, "## Limits\n\nEvery number that the tests use. `sure`: the value from which (or down to which) "
		     "the confidence "
		     "is high instead of medium.\n\n"
		     "| id | limit | sure | meaning | 含义 |\n"
		     "|---|---|---|---|---|\n");
	for (int i = 0; i < THRESHOLD_COUNT; i++) {
		const struct threshold_spec *t = &threshold_specs[i];

		buf_printf(out, "| `%s` | %g%s%s | ", t->id, t->value, *t->unit ? " " : "", t->unit);
		if (!isnan(t->sure))
			buf_printf(out, "%g", t->sure);
		buf_printf(out, " | %s | %s |\n", t->text[LANG_EN], t->text[LANG_ZH]);
	}
	buf_char(out, '\n');
}

static void introduce(struct buf *out)
{
	buf_str(out,
		"# Diagnosis\n\n<!-- Written by `rwkvmon export diagnosis`; edit src/spec/diagnosis.def. -->\n\n"
		"`rwkvmon diagnose LOG…` walks this tree on a log. The result is one named cause, with the figures "
		"that support it, the\n"
		"causes that were ruled out, the confidence, one fix and its expected effect; or `healthy`; or "
		"`not_enough_data`, with a\n"
		"list of what is missing. `--format json` is for programs, `mermaid` is the tree below with the path "
		"highlighted, `html` is\n"
		"a page.\n\n"
		"`rwkvmon analyze`, its page, `serve` and `watch` give the same verdict, with the same cause.\n\n"
		"- At each question, the first answer whose test holds is taken; the last answer needs no test. Other "
		"causes whose tests\n"
		"  hold are listed as also true. A cause for which the log has no data is neither taken nor ruled out: "
		"it is listed as not\n"
		"  measured. One of which there is some, too little to name it, is neither named nor ruled out.\n"
		"- Whether other programs or a CPU quota held the process back all the time is told by the log's "
		"session_end; without\n"
		"  one, by three samples or more.\n"
		"- A part of the log is one model with one strategy on one host. Each part is diagnosed separately, so "
		"a file in which the\n"
		"  model is replaced does not look like a slowdown. The most severe answer of all parts is reported. A "
		"process that was\n"
		"  started again goes on in the part of the one before it (its calls begin after all of that one's); "
		"processes that work\n"
		"  beside each other have parts of their own, so that a slow one does not make its siblings slow.\n"
		"- Order: non-finite numbers, the state, the output, memory, loading, falls of the speed, permanent "
		"limits of the speed,\n"
		"  the set-up. A steady speed is not a fault unless a goal was set (`--goal 20tps`); without a goal, "
		"what limits the speed\n"
		"  is given as advice.\n"
		"- Calls are grouped into up to 256 stretches with equal numbers of calls. The slow part consists of "
		"the stretches that\n"
		"  take longer than a fast one (the 10th percentile) by more than the limit below and by more than "
		"four times the noise\n"
		"  between neighbours. The cause is decided by what changed between the two parts. If the clock is not "
		"recorded and\n"
		"  nothing else changed, throttling is concluded by exclusion; the answer then says so, with less "
		"confidence.\n"
		"- Prompts are grouped alike, if decoding kept its speed. A prefill call is held against the first "
		"ones of about its\n"
		"  length (two lengths to an octave); those of a process's first calls, and of calls beside other "
		"requests, do not count.\n"
		"- A pause is the time from the end of the process's previous call, of any session, to the start of "
		"this call, inside a\n"
		"  sequence. Sessions that take turns therefore have no pauses, and neither does a user who thinks "
		"before the next prompt.\n"
		"  Pauses are regressed on the tokens of the sequence and on time together, by least squares.\n"
		"- The load of other programs is the load of the machine minus that of this process. A GPU metric is "
		"that of the time in\n"
		"  which calls ran; one that is always 0 counts as unknown.\n"
		"- The memory's bandwidth is given by `--bandwidth GB/s`, measured on this machine by `--bandwidth "
		"measure`, or taken from\n"
		"  the manufacturer's figure for the GPU that the log names (src/spec/gpus.def); the answer says "
		"which. Each token reads\n"
		"  all weights except the embedding once. A share above 100 % means that one of the figures is wrong; "
		"it is not used.\n"
		"- Of several GPUs, the worst that the strategy uses is judged, and named (`device`): the fullest, the "
		"one whose clock\n"
		"  fell, the one whose memory grows. GPUs that share a model's layers take turns: their use is added "
		"up.\n"
		"- Confidence is how certain it is that the named cause is the reason. If calls became slower and the "
		"log does not hold\n"
		"  what would tell why, the answer says so, with medium confidence; `not_enough_data` always has low "
		"confidence.\n"
		"- Live alarms in the log are evidence. A log that holds one is not healthy, nor is one with a session "
		"after whose last\n"
		"  step an alarm of the rules is still on: a warning at least; `unusual`, which only informs, is "
		"none.\n"
		"- An RWKV state does not grow. If something else grows, the answer says so.\n\n");
}

void document_diagnosis(struct buf *out)
{
	introduce(out);
	buf_str(out, "## The tree\n\n```mermaid\n");
	mermaid_tree(out, NULL, LANG_EN);
	buf_str(out, "```\n\n");
	thresholds(out);
	buf_str(out, "## Causes\n\n");
	for (int c = 0; c < CAUSE_COUNT; c++)
		one_cause(out, &cause_specs[c]);
}
