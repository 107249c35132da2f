/* deliver_webhook.c - an alarm as an HTTP POST: its JSON, or a message in the form a chat service takes. */
#include "export/deliver_post.h"

#include "base/suggest.h"

#include <math.h>
#include <stdlib.h>

enum { MESSAGE_MAX_BYTES = 1800, ANSWER_MAX_BYTES = 4096 }; /* WeCom takes 2048 */

static const struct webhook {
	const char *name, *before, *after, *code_key;
} webhooks[] = {
#define WEBHOOK(name, before, after, code_key) { name, before, after, code_key },
#include "export/webhooks.def"
#undef WEBHOOK
};

enum { WEBHOOKS = sizeof webhooks / sizeof *webhooks };

struct webhook_receiver {
	struct receiver r; /* first */
	const struct webhook *how;
	struct post *post;
	enum lang lang;
};

/* Text of the log inside a chat message: < and > would make links and mentions. */
static void add_plain(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '<')
			buf_str(out, "‹");
		else if (text.p[i] == '>')
			buf_str(out, "›");
		else
			buf_char(out, text.p[i]);
	}
}

static void add_line(struct buf *out, const char *what, struct slice text)
{
	if (!text.n)
		return;
	buf_printf(out, "\n%s", what);
	add_plain(out, text);
}

static void add_message(struct buf *out, const struct record *alarm, enum lang lang)
{
	bool zh = lang == LANG_ZH;
	char time[TIME_TEXT_BYTES];

	time_format(time, alarm->time_us);
	buf_str(out, alarm->event == EVENT_ALARM ? "[ALARM] " : "[RESOLVED] ");
	add_plain(out, fields_text(alarm->extra, F_ALARM_TYPE));
	buf_str(out, " (");
	add_plain(out, fields_text(alarm->extra, F_SEVERITY));
	buf_str(out, ")\n");
	add_plain(out, fields_text(alarm->extra, F_SUMMARY));
	buf_char(out, '\n');
	format_reading(out, alarm, lang);
	if (alarm->event == EVENT_ALARM)
		add_line(out, zh ? "处理:" : "do: ", fields_text(alarm->extra, F_ACTION));
	add_line(out, zh ? "模型:" : "model: ", fields_text(alarm->session, F_MODEL_NAME));
	add_line(out, zh ? "实例:" : "instance: ", fields_text(alarm->session, F_INSTANCE));
	add_line(out, zh ? "会话:" : "session: ", fields_text(alarm->session, F_SESSION_ID));
	add_line(out, zh ? "时间:" : "time: ", slice_of(time));
}

/* Shortened to what all services take, at a letter's end. */
static struct slice shortened(struct slice text)
{
	if (text.n <= MESSAGE_MAX_BYTES)
		return text;
	text.n = MESSAGE_MAX_BYTES;
	while (text.n && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
		text.n--;
	return text;
}

static void format(const struct receiver *receiver, struct buf *out, const struct record *alarm)
{
	const struct webhook_receiver *w = (const struct webhook_receiver *)(const void *)receiver;
	struct buf text = { 0 };

	if (!*w->how->before) {
		format_json_line(receiver, out, alarm);
		return;
	}
	add_message(&text, alarm, w->lang);
	buf_str(out, w->how->before);
	buf_json_string(out, shortened(buf_slice(&text)));
	buf_str(out, w->how->after);
	out->failed |= text.failed;
	buf_free(&text);
}

/* Services that answer 200 to everything say in the body what they think. */
static enum sent read_answer(const struct webhook *how, const struct buf *answer, struct attempt *a)
{
	const char *at = answer->used ? strstr(answer->p, how->code_key) : NULL;
	char *end;
	long code;

	if (!at) {
		snprintf(a->why, sizeof a->why, "its answer has no %s: is this a %s address?", how->code_key, how->name);
		return SEND_LATER;
	}
	at += strlen(how->code_key);
	code = strtol(at + strspn(at, " \t\r\n:"), &end, 10);
	if (!code && end != at)
		return SENT;
	snprintf(a->why, sizeof a->why, "it answered %s %ld", how->code_key, code);
	return SEND_NEVER;
}

static enum sent send_webhook(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct webhook_receiver *w = (struct webhook_receiver *)(void *)receiver;
	struct buf answer = { 0 };
	enum sent sent = post_json(w->post, m->text, w->how->code_key ? &answer : NULL, a);

	if (sent == SENT && w->how->code_key)
		sent = read_answer(w->how, &answer, a);
	buf_free(&answer);
	return sent;
}

static void webhook_close(struct receiver *receiver)
{
	struct webhook_receiver *w = (struct webhook_receiver *)(void *)receiver;

	post_close(w->post);
	free(w->r.label);
	free(w);
}

static int find_template(const struct webhook **out, const char *name, struct err *err)
{
	struct suggestion s = { .word = slice_of(name) };
	char list[128];
	size_t used = 0;

	for (int i = 0; i < WEBHOOKS; i++) {
		*out = &webhooks[i];
		if (!strcmp(name, webhooks[i].name))
			return 0;
		suggest_offer(&s, webhooks[i].name);
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", webhooks[i].name);
	}
	err_set(err, ERR_USAGE, "webhook template: found \"%s\", expected one of %s", name, list);
	return s.best ? err_hint(err, "did you mean \"%s\"?", s.best) : -ERR_USAGE;
}

int receiver_webhook(struct receiver **out, const char *url, const char *template, enum lang lang, struct err *err)
{
	const struct webhook *how;
	struct webhook_receiver *w;
	char where[200];
	int rc = find_template(&how, template ? template : "json", err);

	if (rc)
		return rc;
	w = calloc(1, sizeof *w);
	if (!w)
		return err_set(err, ERR_NOMEM, "no memory for the webhook");
	post_redact(where, sizeof where, url);
	w->how = how;
	w->lang = lang;
	w->r.format = format;
	w->r.send = send_webhook;
	w->r.close = webhook_close;
	w->r.resend_ns = UINT64_MAX;
	rc = post_open(&w->post, "webhook", url, err);
	if (!rc && asprintf(&w->r.label, "the webhook at %s", where) < 0) {
		w->r.label = NULL;
		rc = err_set(err, ERR_NOMEM, "no memory for the webhook");
	}
	if (rc)
		webhook_close(&w->r);
	else
		*out = &w->r;
	return rc;
}
