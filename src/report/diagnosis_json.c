/* diagnosis_json.c - the diagnosis as one JSON object for other programs: ids beside sentences. */
#include "base/json.h"
#include "report/diagnosis_words.h"
#include "report/fleet.h"
#include "report/report.h"
#include "report/unjudged.h"
#include "report/verdict_text.h"

#include <math.h>

static void put_evidence(struct json *out, const struct evidence *e, enum lang lang)
{
	struct buf sentence = { 0 };
	const size_t numbers = evidence_numbers(&evidence_specs[e->id]);

	evidence_sentence(&sentence, e, lang);
	jw_object(out);
	jw_put_text(out, "id", evidence_specs[e->id].id);
	jw_put_text(out, "text", buf_text(&sentence));
	jw_put_array(out, "values");
	for (size_t i = 0; i < numbers; i++)
		jw_double(out, e->value[i]);
	jw_end(out);
	jw_end(out);
	buf_free_into(&sentence, out->out);
}

static void evidence_of(struct json *out, const struct diagnosis *d, int answer, enum lang lang)
{
	jw_put_array(out, "evidence");
	for (size_t i = 0; i < d->n_evidence; i++) {
		const struct evidence *e = &d->evidence[i];

		if (answer < 0 ? !evidence_speaks_for(d, e) : (int)e->answer != answer)
			continue;
		put_evidence(out, e, lang);
	}
	jw_end(out);
}

static void put_cause(struct json *out, const struct diagnosis *d, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf gain = { 0 };

	gain_words(&gain, d, lang);
	jw_put_text(out, "cause", cause->id);
	jw_put_text(out, "title", cause->title[lang]);
	jw_put_bool(out, "healthy", cause->kind == CAUSE_IS_FINE);
	jw_put_text(out, "confidence", confidence_ids[d->confidence]);
	jw_put_text(out, "meaning", cause->meaning[lang]);
	evidence_of(out, d, -1, lang);
	jw_put_text(out, "fix", fix_words(d, d->cause, lang));
	jw_put_i64(out, "difficulty", cause->difficulty);
	jw_put_object(out, "gain");
	jw_put_text(out, "text", buf_text(&gain));
	jw_put_double(out, "value", d->gain);
	jw_put_text(out, "basis", basis_words(d, lang));
	jw_end(out);
	buf_free_into(&gain, out->out);
}

static void put_path(struct json *out, const struct diagnosis *d, enum lang lang)
{
	jw_put_array(out, "path");
	for (size_t i = 0; i < d->n_steps; i++) {
		jw_object(out);
		jw_put_text(out, "id", question_specs[d->step[i].question].id);
		jw_put_text(out, "question", question_specs[d->step[i].question].text[lang]);
		jw_put_text(out, "answer", answer_specs[d->step[i].answer].text[lang]);
		jw_end(out);
	}
	jw_end(out);
}

/* The answers that `listed` marks; for those that were ruled out, with the evidence against them. */
static void put_answers(struct json *out, const char *key, const struct diagnosis *d, const bool listed[ANSWER_COUNT],
			enum lang lang)
{
	jw_put_array(out, key);
	for (int a = 0; a < ANSWER_COUNT; a++) {
		if (!listed[a])
			continue;
		jw_object(out);
		jw_put_text(out, "cause",
			    answer_specs[a].to_cause ? cause_specs[answer_specs[a].target].id
						     : question_specs[answer_specs[a].target].id);
		jw_put_text(out, "title", answer_title((enum answer_id)a, lang));
		if (listed == d->ruled_out)
			evidence_of(out, d, a, lang);
		jw_end(out);
	}
	jw_end(out);
}

static void put_causes(struct json *out, const char *key, const struct diagnosis *d, const enum cause_id *cause,
		       size_t n, enum lang lang)
{
	jw_put_array(out, key);
	for (size_t i = 0; i < n; i++) {
		jw_object(out);
		jw_put_text(out, "cause", cause_specs[cause[i]].id);
		jw_put_text(out, "title", cause_specs[cause[i]].title[lang]);
		jw_put_text(out, "fix", fix_words(d, cause[i], lang));
		jw_end(out);
	}
	jw_end(out);
}

static void put_rest(struct json *out, const struct diagnosis *d, enum lang lang)
{
	put_causes(out, "also", d, d->also, d->n_also, lang);
	put_causes(out, "advice", d, d->advice, d->n_advice, lang);
	put_answers(out, "not_measured", d, d->not_measured, lang);
	jw_put_array(out, "missing");
	for (size_t i = 0; i < d->n_missing; i++) {
		jw_object(out);
		jw_put_text(out, "id", evidence_specs[d->missing[i]].id);
		jw_put_text(out, "text", evidence_specs[d->missing[i]].text[lang]);
		jw_end(out);
	}
	jw_end(out);
}

static void put_bandwidth(struct json *out, const struct diagnosis *d)
{
	jw_put_object(out, "bandwidth");
	jw_put_text(out, "source", bandwidth_source_ids[d->bandwidth_source]);
	jw_put_double(out, "available_gb_s", d->bandwidth_gb_s);
	jw_put_double(out, "achieved_gb_s", d->achieved_gb_s);
	jw_put_double(out, "bytes_per_token", d->bytes_per_token);
	jw_end(out);
}

void judgement_json(struct json *out, const struct findings *f, enum lang lang)
{
	const struct judgement *j = f->judgement;
	struct buf sentence = { 0 };

	verdict_sentence(&sentence, f, lang);
	jw_put_text(out, "verdict", verdict_ids[j->verdict]);
	jw_put_text(out, "verdict_text", buf_text(&sentence));
	jw_put_u64(out, "violating_records", f->anomaly_records);
	jw_put_known_text(out, "session_id", j->diagnosis.session_id);
	jw_put_known_text(out, "instance", j->instance);
	jw_put_known_text(out, "device", j->diagnosis.device);
	jw_put_time(out, "since", j->diagnosis.since_us, j->diagnosis.since_us != 0);
	put_cause(out, &j->diagnosis, lang);
	put_rest(out, &j->diagnosis, lang);
	if (f->n_instances > 1) {
		jw_key(out, "fleet");
		fleet_causes_json(out, f, lang);
	}
	buf_free_into(&sentence, out->out);
}

void report_diagnosis_json(struct buf *to, const struct findings *f, const struct report_options *opts)
{
	struct json json = { .out = to }, *out = &json;
	const struct diagnosis *d = &f->judgement->diagnosis;

	jw_object(out);
	jw_put_object(out, "input");
	jw_put_array(out, "files");
	for (size_t i = 0; i < f->n_files; i++)
		jw_text(out, f->files[i]);
	jw_end(out);
	jw_put_u64(out, "records", f->records);
	jw_end(out);
	judgement_json(out, f, opts->lang);
	put_path(out, d, opts->lang);
	put_answers(out, "ruled_out", d, d->ruled_out, opts->lang);
	put_bandwidth(out, d);
	unjudged_json(out, f->unjudged, f->n_unjudged);
	jw_end(out);
	buf_char(to, '\n');
}
