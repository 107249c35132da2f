/* deliver_alertmanager.c - sends alarms as alerts to Alertmanager's API v2.
 *
 * Its protocol transmits states, not events: a firing alert is sent repeatedly (every RESEND_NS) with an end that is
 * four times as far ahead, so that it resolves by itself when this process dies; a resolved alert is sent with its end
 * for another RESOLVED_KEPT_US, in case the first such message was lost. Labels identify the alert and numbers are
 * annotations; otherwise each new value would be another alert. */
#include "base/json.h"
#include "export/deliver_post.h"
#include "export/url.h"

#include <stdlib.h>

enum { ALERTS_MAX = 64 };
static const uint64_t RESEND_NS = UINT64_C(45) * 1000000000;
static const int64_t ENDS_AFTER_US = INT64_C(4) * 45 * 1000000, RESOLVED_KEPT_US = INT64_C(300) * 1000000;

struct alert {
	char *rule;
	char *parts;                /* {"labels":{…},"annotations":{…}} */
	int64_t starts_us, ends_us; /* ends_us: INT64_MAX while it fires */
	bool told;                  /* its latest change has arrived */
	bool arrived;               /* it has been sent at least once */
	bool critical, late; /* late: of an earlier session that is over; it ends by itself once it has arrived */
};

struct alertmanager {
	struct receiver r; /* first */
	struct post *post;
	const struct clock *clock;
	enum lang lang;
	struct alert alert[ALERTS_MAX];
	size_t n;
	bool dirty; /* something changed since all was sent */
};

/* --- writer thread: the alarm in Alertmanager's words ----------------------------------------- */

/* What is not known is left out. */
static void add_pair(struct json *out, const char *key, struct slice value)
{
	if (value.n)
		jw_put_slice(out, key, value);
}

static void add_reading(struct json *out, const struct record *alarm, enum lang lang)
{
	struct buf text = { 0 };

	format_reading(&text, alarm, lang);
	add_pair(out, "reading", buf_slice(&text));
	out->out->failed |= text.failed;
	buf_free(&text);
}

/* An object, which gets its times when it is sent. */
static void format(const struct receiver *receiver, struct buf *to, const struct record *alarm)
{
	const struct alertmanager *am = (const struct alertmanager *)(const void *)receiver;
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_object(&out, "labels");
	add_pair(&out, "alertname", fields_text(alarm->extra, F_ALARM_TYPE));
	add_pair(&out, "rule", fields_text(alarm->extra, F_RULE));
	add_pair(&out, "severity", fields_text(alarm->extra, F_SEVERITY));
	add_pair(&out, "model", fields_text(alarm->session, F_MODEL_NAME));
	add_pair(&out, "instance", fields_text(alarm->session, F_INSTANCE));
	add_pair(&out, "session_id", fields_text(alarm->session, F_SESSION_ID));
	jw_end(&out);
	jw_put_object(&out, "annotations");
	add_pair(&out, "summary", fields_text(alarm->extra, F_SUMMARY));
	add_pair(&out, "description", fields_text(alarm->extra, F_ACTION));
	add_reading(&out, alarm, am->lang);
	jw_end(&out);
	jw_end(&out);
}

/* --- delivery thread ----------------------------------------------------------------------------- */

static void forget(struct alertmanager *am, size_t i)
{
	free(am->alert[i].rule);
	free(am->alert[i].parts);
	am->alert[i] = am->alert[--am->n];
}

/* The alert of that rule, or room for one; NULL when all places fire, or wait to be sent. */
static struct alert *find(struct alertmanager *am, struct slice rule)
{
	for (size_t i = 0; i < am->n; i++)
		if (slice_is(rule, am->alert[i].rule))
			return &am->alert[i];
	for (size_t i = 0; am->n == ALERTS_MAX && i < am->n; i++)
		if (am->alert[i].ends_us != INT64_MAX && am->alert[i].told)
			forget(am, i);
	if (am->n == ALERTS_MAX)
		return NULL;
	am->alert[am->n] = (struct alert){ .rule = strndup(rule.p, rule.n) };
	return am->alert[am->n].rule ? &am->alert[am->n++] : NULL;
}

/* Records the change; it is sent together with all others. */
static enum sent take(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct alertmanager *am = (struct alertmanager *)(void *)receiver;
	char *parts = strndup(m->text.p, m->text.n);
	struct alert *alert = parts ? find(am, m->rule) : NULL;

	if (!alert) {
		free(parts);
		snprintf(a->why, sizeof a->why, "%s", err_words("no room for another alert"));
		return SEND_NEVER;
	}
	if (m->firing) { /* a resolved one keeps what it said while it fired */
		free(alert->parts);
		alert->parts = parts;
		alert->starts_us = m->time_us;
		alert->critical = m->critical;
		alert->late = m->late;
	} else if (alert->parts) {
		free(parts);
	} else {
		alert->parts = parts;
		alert->starts_us = m->time_us;
	}
	alert->ends_us = m->firing ? INT64_MAX : m->time_us;
	alert->told = false;
	am->dirty = true;
	am->r.resend_ns = 0;
	return SENT;
}

static void add_alerts(const struct alertmanager *am, struct buf *to, int64_t now_us)
{
	struct json out = { .out = to };

	jw_array(&out);
	for (size_t i = 0; i < am->n; i++) {
		const struct alert *alert = &am->alert[i];
		int64_t ends_us = alert->ends_us == INT64_MAX ? now_us + ENDS_AFTER_US : alert->ends_us;

		jw_object(&out);
		jw_members(&out, slice_of(alert->parts));
		jw_put_time(&out, "startsAt", alert->starts_us, true);
		jw_put_time(&out, "endsAt",
			    ends_us / 1000 > alert->starts_us / 1000 ? ends_us : alert->starts_us + 1000, true);
		jw_end(&out);
	}
	jw_end(&out);
}

/* All have arrived: forgets what was resolved long enough ago, and plans the next time. */
static void settle(struct alertmanager *am, int64_t now_us)
{
	for (size_t i = am->n; i-- > 0;) {
		am->alert[i].told = am->alert[i].arrived = true;
		if (am->alert[i].late && am->alert[i].ends_us == INT64_MAX)
			am->alert[i].ends_us = now_us + ENDS_AFTER_US;
		if (am->alert[i].ends_us != INT64_MAX && now_us - am->alert[i].ends_us > RESOLVED_KEPT_US)
			forget(am, i);
	}
	am->dirty = false;
	am->r.resend_ns = am->n ? clock_mono_ns(am->clock) + RESEND_NS : UINT64_MAX;
}

static enum sent send_all(struct receiver *receiver, struct attempt *a)
{
	struct alertmanager *am = (struct alertmanager *)(void *)receiver;
	int64_t now_us = clock_wall_us(am->clock);
	struct buf body = { 0 };
	enum sent sent;

	add_alerts(am, &body, now_us);
	if (body.failed) {
		buf_free(&body);
		snprintf(a->why, sizeof a->why, "no memory for the alerts");
		return SEND_LATER;
	}
	sent = post_json(am->post, NULL, buf_slice(&body), NULL, a);
	buf_free(&body);
	if (sent == SENT)
		settle(am, now_us);
	return sent == SENT ? SENT : SEND_LATER; /* the state remains valid: it is sent as soon as possible */
}

/* A session that ends takes its alerts with it. */
static void resolve_all(struct receiver *receiver, int64_t now_us)
{
	struct alertmanager *am = (struct alertmanager *)(void *)receiver;

	for (size_t i = 0; i < am->n; i++)
		if (am->alert[i].ends_us == INT64_MAX && !am->alert[i].late) {
			am->alert[i].ends_us = now_us;
			am->alert[i].told = false;
			am->dirty = true;
		}
	if (am->dirty)
		am->r.resend_ns = 0;
}

/* An alert of which only the end was not delivered ends by itself, so that it is no longer critical. */
static void untold(const struct receiver *receiver, void (*tell)(void *ctx, const struct message *m), void *ctx)
{
	const struct alertmanager *am = (const struct alertmanager *)(const void *)receiver;

	for (size_t i = 0; i < am->n; i++) {
		const struct alert *alert = &am->alert[i];
		const struct message m = { .time_us = alert->starts_us,
					   .firing = true,
					   .critical = alert->critical && !alert->arrived,
					   .rule = slice_of(alert->rule),
					   .text = slice_of(alert->parts) };

		if (!alert->told)
			tell(ctx, &m);
	}
}

static void alertmanager_close(struct receiver *receiver)
{
	struct alertmanager *am = (struct alertmanager *)(void *)receiver;

	while (am->n)
		forget(am, am->n - 1);
	post_close(am->post);
	free(am->r.label);
	free(am);
}

static int open_post(struct alertmanager *am, const char *url, struct err *err)
{
	static const char path[] = "/api/v2/alerts";
	size_t n = strlen(url), tail = sizeof path - 1;
	struct buf full = { 0 };
	int rc;

	while (n && url[n - 1] == '/')
		n--;
	buf_add(&full, url, n);
	if (n < tail || strncmp(url + n - tail, path, tail))
		buf_str(&full, path);
	rc = full.failed ? err_set(err, ERR_NOMEM, "no memory for Alertmanager's address")
			 : url_check_base("Alertmanager", url, err);
	if (!rc)
		rc = post_open(&am->post, "Alertmanager", full.p, err);
	buf_free(&full);
	return rc;
}

int receiver_alertmanager_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	const char *url = setup->address;
	struct alertmanager *am = calloc(1, sizeof *am);
	char where[200];
	int rc;

	if (!am)
		return err_set(err, ERR_NOMEM, "no memory for Alertmanager");
	url_redact(where, sizeof where, url);
	am->clock = setup->clock;
	am->lang = setup->lang;
	am->r.format = format;
	am->r.send = take;
	am->r.resend = send_all;
	am->r.last = resolve_all;
	am->r.unsent = untold;
	am->r.close = alertmanager_close;
	am->r.resend_ns = UINT64_MAX;
	rc = open_post(am, url, err);
	if (!rc && asprintf(&am->r.label, err_words("Alertmanager at %s"), where) < 0) {
		am->r.label = NULL;
		rc = err_set(err, ERR_NOMEM, "no memory for Alertmanager");
	}
	if (rc)
		alertmanager_close(&am->r);
	else
		*out = &am->r;
	return rc;
}
