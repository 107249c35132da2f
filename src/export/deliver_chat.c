/* deliver_chat.c - an alarm as an HTTP POST: its JSON, or a message in the form that a chat service takes. */
#include "export/deliver_chat.h"

#include "base/json_read.h"
#include "export/sign.h"
#include "export/url.h"
#include "spec/text.h"

#include <stdlib.h>

/* WeCom takes 2048. */
enum { MESSAGE_MAX_BYTES = 1800, NAME_MAX_BYTES = 200, WORDS_MAX_BYTES = 100 };

static const uint64_t BUSY_NS = UINT64_C(60) * 1000000000; /* their limits are per minute */

struct chat {
	struct receiver r; /* first */
	const struct chat_service *service;
	const struct clock *clock;
	struct post *post;
	char *url, *secret; /* secret: NULL without */
	enum lang lang;
};

/* --- writer thread: the message ------------------------------------------------------------------ */

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

/* At most so many bytes, never ending inside a character. */
static struct slice shortened(struct slice text, size_t most)
{
	if (text.n <= most)
		return text;
	text.n = most;
	while (text.n && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
		text.n--;
	return text;
}

/* What is left out is told by the mark at the end. */
static void add_shortened(struct buf *out, struct slice text, size_t most)
{
	static const char mark[] = "…";
	struct slice shown = shortened(text, text.n > most ? most - (sizeof mark - 1) : most);

	buf_add(out, shown.p, shown.n);
	if (shown.n < text.n)
		buf_str(out, mark);
}

static void add_line(struct buf *out, const char *what, struct slice said)
{
	if (!said.n)
		return;
	buf_printf(out, "\n%s", what);
	add_plain(out, said);
}

/* What happened, and what to do. */
static void add_alarm(struct buf *out, const struct record *alarm, enum lang lang)
{
	buf_str(out, alarm->event == EVENT_ALARM ? "[ALARM] " : "[RESOLVED] ");
	add_plain(out, fields_text(alarm->extra, F_ALARM_TYPE));
	buf_str(out, " (");
	add_plain(out, fields_text(alarm->extra, F_SEVERITY));
	buf_str(out, ")\n");
	add_plain(out, fields_text(alarm->extra, F_SUMMARY));
	buf_char(out, '\n');
	format_reading(out, alarm, lang);
	if (alarm->event == EVENT_ALARM)
		add_line(out, text(TEXT_ALARM_DO, lang), fields_text(alarm->extra, F_ACTION));
}

static void add_name(struct buf *out, const char *what, struct slice name)
{
	struct buf line = { 0 };

	add_line(&line, what, name);
	add_shortened(out, buf_slice(&line), NAME_MAX_BYTES);
	out->failed |= line.failed;
	buf_free(&line);
}

/* Where and when. */
static void add_place(struct buf *out, const struct record *alarm, enum lang lang)
{
	char time[TIME_TEXT_BYTES];

	time_format(time, alarm->time_us);
	add_name(out, text(TEXT_ALARM_MODEL, lang), fields_text(alarm->session, F_MODEL_NAME));
	add_name(out, text(TEXT_ALARM_INSTANCE, lang), fields_text(alarm->session, F_INSTANCE));
	add_name(out, text(TEXT_ALARM_SESSION, lang), fields_text(alarm->session, F_SESSION_ID));
	add_name(out, text(TEXT_ALARM_TIME, lang), slice_of(time));
}

/* However long its rule's words are, the message says where and when. */
static void add_message(struct buf *out, const struct record *alarm, enum lang lang)
{
	struct buf what = { 0 }, place = { 0 };

	add_alarm(&what, alarm, lang);
	add_place(&place, alarm, lang);
	add_shortened(out, buf_slice(&what), MESSAGE_MAX_BYTES - place.used);
	buf_add(out, place.p, place.used);
	out->failed |= what.failed || place.failed;
	buf_free(&what);
	buf_free(&place);
}

static void format(const struct receiver *receiver, struct buf *out, const struct record *alarm)
{
	const struct chat *c = (const struct chat *)(const void *)receiver;
	struct buf text = { 0 };

	if (!*c->service->before) {
		format_json_line(receiver, out, alarm);
		return;
	}
	add_message(&text, alarm, c->lang);
	buf_str(out, c->service->before);
	buf_json_string(out, buf_slice(&text));
	buf_str(out, c->service->after);
	out->failed |= text.failed;
	buf_free(&text);
}

/* --- the receiver's thread: the request and its answer --------------------------------------------- */

static bool is_busy(const struct chat_service *s, int64_t code)
{
	for (size_t i = 0; i < s->n_busy; i++)
		if (s->busy[i] == code)
			return true;
	return false;
}

/* "it answered errcode 310000: sign not match" */
static void say_refused(const struct chat_service *s, int64_t code, struct slice answer, struct attempt *a)
{
	struct buf words = { 0 };
	struct slice shown;

	json_read_text(&words, json_read_member(answer, s->words));
	for (size_t i = 0; i < words.used; i++)
		if ((unsigned char)words.p[i] < ' ' || words.p[i] == 127)
			words.p[i] = ' ';
	shown = shortened(buf_slice(&words), WORDS_MAX_BYTES);
	snprintf(a->why, sizeof a->why,
		 shown.n ? err_words("it answered %s %lld: %.*s") : err_words("it answered %s %lld"), s->code,
		 (long long)code, SLICE_ARG(shown));
	buf_free(&words);
}

/* Services that answer every request with status 200 report errors in the body. */
static enum sent read_answer(const struct chat_service *s, struct slice answer, struct attempt *a)
{
	int64_t code;

	if (!json_read_whole(json_read_member(answer, s->code), &code)) {
		snprintf(a->why, sizeof a->why,
			 err_words("its answer has no \"%s\": is this the address of a %s robot?"), s->code, s->name);
		return SEND_LATER;
	}
	if (!code)
		return SENT;
	say_refused(s, code, answer, a);
	if (!is_busy(s, code))
		return SEND_NEVER;
	a->retry_after_ns = BUSY_NS;
	return SEND_LATER;
}

static enum sent send_request(struct chat *c, const struct chat_request *request, struct attempt *a)
{
	struct buf answer = { 0 };
	enum sent sent = post_json(c->post, request->url.used ? request->url.p : NULL, buf_slice(&request->body),
				   c->service->code ? &answer : NULL, a);

	if (sent == SENT && c->service->code)
		sent = read_answer(c->service, buf_slice(&answer), a);
	buf_free(&answer);
	return sent;
}

static enum sent send_message(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct chat *c = (struct chat *)(void *)receiver;
	struct chat_request request = { 0 };
	enum sent sent = SEND_LATER;

	buf_add(&request.body, m->text.p, m->text.n);
	if (c->secret) {
		buf_str(&request.url, c->url);
		c->service->sign(&request, slice_of(c->secret), clock_wall_us(c->clock));
	}
	if (request.url.failed || request.body.failed)
		snprintf(a->why, sizeof a->why, "no memory for its request");
	else
		sent = send_request(c, &request, a);
	buf_free(&request.url);
	buf_free(&request.body);
	return sent;
}

/* --- open, close -------------------------------------------------------------------------------------- */

static void chat_close(struct receiver *receiver)
{
	struct chat *c = (struct chat *)(void *)receiver;

	post_close(c->post);
	free(c->url);
	free(c->secret);
	free(c->r.label);
	free(c);
}

/* The text after # never leaves this process. */
static int parse_address(struct chat *c, const char *address, struct err *err)
{
	static const char key[] = "#secret=";
	const char *mark = strstr(address, key);

	c->url = strndup(address, mark ? (size_t)(mark - address) : strlen(address));
	c->secret = mark ? strdup(mark + sizeof key - 1) : NULL;
	if (!c->url || (mark && !c->secret))
		return err_set(err, ERR_NOMEM, "no memory for %s", err_words(c->service->name));
	if (!mark)
		return 0;
	if (!c->service->sign)
		return err_set(err, ERR_USAGE, "alarm-to: %s takes no #secret=", err_words(c->service->name));
	if (!*c->secret)
		return err_set(err, ERR_USAGE, "alarm-to: the #secret= of %s is empty", err_words(c->service->name));
	return sign_ready(err);
}

int chat_open(struct receiver **out, const struct chat_service *service, const struct receiver_setup *setup,
	      struct err *err)
{
	struct chat *c = calloc(1, sizeof *c);
	char where[200];
	int rc;

	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for %s", service->name);
	c->service = service;
	c->lang = setup->lang;
	c->clock = setup->clock;
	c->r = (struct receiver){
		.format = format, .send = send_message, .close = chat_close, .resend_ns = UINT64_MAX
	};
	rc = parse_address(c, setup->address, err);
	if (!rc)
		rc = post_open(&c->post, err_words(service->name), c->url, err);
	if (!rc) {
		url_redact(where, sizeof where, c->url);
		if (asprintf(&c->r.label, err_words("%s at %s"), err_words(service->name), where) < 0) {
			c->r.label = NULL;
			rc = err_set(err, ERR_NOMEM, "no memory for %s", service->name);
		}
	}
	if (rc)
		chat_close(&c->r);
	else
		*out = &c->r;
	return rc;
}
