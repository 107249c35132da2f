/* diagnosis_json.c - the diagnosis as one JSON object for other programs: ids beside sentences. */
#include "report/diagnosis_words.h"
#include "report/report.h"

#include <math.h>

static void text_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, slice_of(value));
}

static void number_member(struct buf *out, const char *key, double value)
{
	buf_printf(out, ",\"%s\":", key);
	buf_json_double(out, value);
}

static void put_evidence(struct buf *out, const struct evidence *e, enum lang lang)
{
	struct buf sentence = { 0 };
	size_t numbers = strlen(evidence_specs[e->id].units) - (strchr(evidence_specs[e->id].units, 'T') != NULL);

	evidence_sentence(&sentence, e, lang);
	buf_char(out, '{');
	text_member(out, "id", evidence_specs[e->id].id);
	buf_str(out, ",");
	text_member(out, "text", sentence.p ? sentence.p : "");
	buf_str(out, ",\"values\":[");
	for (size_t i = 0; i < numbers; i++) {
		buf_str(out, i ? "," : "");
		buf_json_double(out, e->value[i]);
	}
	buf_str(out, "]}");
	out->failed |= sentence.failed;
	buf_free(&sentence);
}

static void evidence_of(struct buf *out, const struct diagnosis *d, int answer, enum lang lang)
{
	bool first = true;

	buf_str(out, ",\"evidence\":[");
	for (size_t i = 0; i < d->n_evidence; i++) {
		const struct evidence *e = &d->evidence[i];

		if (answer < 0 ? !evidence_speaks_for(d, e) : (int)e->answer != answer)
			continue;
		buf_str(out, first ? "" : ",");
		first = false;
		put_evidence(out, e, lang);
	}
	buf_char(out, ']');
}

static void put_cause(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf gain = { 0 };

	gain_words(&gain, d, lang);
	text_member(out, "cause", cause->id);
	buf_str(out, ",");
	text_member(out, "title", cause->title[lang]);
	buf_printf(out, ",\"healthy\":%s,\"confidence\":\"%s\",", cause->kind == CAUSE_IS_FINE ? "true" : "false",
		   confidence_ids[d->confidence]);
	text_member(out, "meaning", cause->meaning[lang]);
	evidence_of(out, d, -1, lang);
	buf_str(out, ",");
	text_member(out, "fix", cause->fix[lang]);
	buf_printf(out, ",\"difficulty\":%d,\"gain\":{", cause->difficulty);
	text_member(out, "text", gain.p ? gain.p : "");
	number_member(out, "value", d->gain);
	buf_str(out, ",");
	text_member(out, "basis", cause->basis[lang]);
	buf_char(out, '}');
	out->failed |= gain.failed;
	buf_free(&gain);
}

static void put_path(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	buf_str(out, ",\"path\":[");
	for (size_t i = 0; i < d->n_steps; i++) {
		buf_str(out, i ? ",{" : "{");
		text_member(out, "id", question_specs[d->step[i].question].id);
		buf_str(out, ",");
		text_member(out, "question", question_specs[d->step[i].question].text[lang]);
		buf_str(out, ",");
		text_member(out, "answer", answer_specs[d->step[i].answer].text[lang]);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_ruled_out(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	bool first = true;

	buf_str(out, ",\"ruled_out\":[");
	for (int a = 0; a < ANSWER_COUNT; a++) {
		if (!d->ruled_out[a])
			continue;
		buf_str(out, first ? "{" : ",{");
		first = false;
		text_member(out, "cause", answer_specs[a].to_cause ? cause_specs[answer_specs[a].target].id :
								      question_specs[answer_specs[a].target].id);
		buf_str(out, ",");
		text_member(out, "title", answer_title((enum answer_id)a, lang));
		evidence_of(out, d, a, lang);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_rest(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	buf_str(out, ",\"also\":[");
	for (size_t i = 0; i < d->n_also; i++) {
		buf_str(out, i ? ",{" : "{");
		text_member(out, "cause", cause_specs[d->also[i]].id);
		buf_str(out, ",");
		text_member(out, "title", cause_specs[d->also[i]].title[lang]);
		buf_str(out, ",");
		text_member(out, "fix", cause_specs[d->also[i]].fix[lang]);
		buf_char(out, '}');
	}
	buf_str(out, "],\"missing\":[");
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_str(out, i ? ",{" : "{");
		text_member(out, "id", evidence_specs[d->missing[i]].id);
		buf_str(out, ",");
		text_member(out, "text", evidence_specs[d->missing[i]].text[lang]);
		buf_char(out, '}');
	}
	buf_str(out, "]");
}

void report_diagnosis_json(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	const struct diagnosis *d = opts->diagnosis;

	buf_str(out, "{\"input\":{\"files\":[");
	for (size_t i = 0; i < f->n_files; i++) {
		buf_str(out, i ? "," : "");
		buf_json_string(out, slice_of(f->files[i]));
	}
	buf_printf(out, "],\"records\":%llu},", (unsigned long long)f->records);
	put_cause(out, d, opts->lang);
	put_path(out, d, opts->lang);
	put_ruled_out(out, d, opts->lang);
	put_rest(out, d, opts->lang);
	buf_printf(out, ",\"bandwidth\":{\"source\":\"%s\"", bandwidth_source_ids[d->bandwidth_source]);
	number_member(out, "available_gb_s", d->bandwidth_gb_s);
	number_member(out, "achieved_gb_s", d->achieved_gb_s);
	number_member(out, "bytes_per_token", d->bytes_per_token);
	buf_str(out, "}}\n");
}
