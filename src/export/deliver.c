/* deliver.c - the sink of alarms: opens the configured receivers, passes alarms to every outbox, and keeps critical
 * alarms that did not arrive. */
#include "export/deliver.h"

#include "base/secret.h"
#include "export/deliver_outbox.h"
#include "export/deliver_spool.h"

#include <stdlib.h>

struct place {
	struct outbox *outbox;
	uint64_t number; /* its address in the spool */
	size_t critical; /* messages of it that wait there, or should */
	size_t dropped;  /* older ones that made room for them */
	int spool_errno; /* why they cannot */
};

struct deliver {
	struct sink sink; /* first: the sink is the deliverer */
	const struct clock *clock;
	_Atomic uint64_t deadline_ns;
	char *spool; /* NULL: none */
	struct place *place;
	size_t n;
};

static void write_alarm(struct sink *s, const struct record *rec)
{
	struct deliver *d = (struct deliver *)(void *)s;

	if (rec->event != EVENT_ALARM && rec->event != EVENT_ALARM_RESOLVED)
		return;
	for (size_t i = 0; i < d->n; i++)
		outbox_add(d->place[i].outbox, rec);
}

/* --- open ------------------------------------------------------------------------------------ */

static void queue_late(void *ctx, struct message *m)
{
	outbox_push(ctx, m);
}

static bool is_there(const struct deliver *d, uint64_t number)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->place[i].number == number)
			return true;
	return false;
}

static int open_one(struct deliver *d, const struct deliver_config *cfg, const char *to, struct err *err)
{
	const struct receiver_setup setup = { .lang = cfg->lang, .clock = cfg->clock };
	struct place place = { .number = spool_number(to) };
	struct receiver *receiver;
	struct place *more;
	int rc;

	if (is_there(d, place.number))
		return err_set(err, ERR_USAGE, "alarm-to: a receiver is named twice (number %zu of them)", d->n + 1);
	more = realloc(d->place, (d->n + 1) * sizeof *more);
	if (!more)
		return err_set(err, ERR_NOMEM, "no memory to deliver alarms");
	d->place = more;
	rc = receiver_open(&receiver, to, &setup, err);
	if (!rc)
		rc = outbox_open(&place.outbox, receiver, d->clock, &d->deadline_ns, err);
	if (rc)
		return rc;
	d->place[d->n++] = place;
	return 0;
}

/* One receiver per line; surrounding blanks, empty lines and lines that begin with # are ignored. */
static int open_lines(struct deliver *d, const struct deliver_config *cfg, const char *to, struct err *err)
{
	struct buf text = { 0 };
	const size_t before = d->n;
	int rc = secret_file(&text, to, err);
	char *rest = text.p, *line;

	while (!rc && (line = strsep(&rest, "\n"))) {
		char *end = line + strlen(line);

		line += strspn(line, " \t");
		while (end > line && strchr(" \t\r", end[-1]))
			*--end = 0;
		if (*line && *line != '#')
			rc = open_one(d, cfg, line, err);
	}
	buf_free(&text);
	if (rc || d->n > before)
		return rc;
	err_set(err, ERR_USAGE, "alarm-to: %s names no receiver", to);
	return err_hint(err, "write one on each line, such as slack+https://hooks.slack.com/services/…");
}

static void free_parts(struct deliver *d)
{
	for (size_t i = 0; i < d->n; i++)
		outbox_close(d->place[i].outbox);
	free(d->place);
	free(d->spool);
	free(d);
}

/* Stops what was opened so far; nothing was sent. */
static void give_up(struct deliver *d)
{
	atomic_store_explicit(&d->deadline_ns, 0, memory_order_relaxed);
	for (size_t i = 0; i < d->n; i++)
		outbox_stop(d->place[i].outbox);
	for (size_t i = 0; i < d->n; i++)
		outbox_end(d->place[i].outbox);
	free_parts(d);
}

int deliver_open(struct deliver **out, const struct deliver_config *cfg, struct err *err)
{
	struct deliver *d = calloc(1, sizeof *d);
	int rc = 0;

	*out = NULL;
	if (!d)
		return err_set(err, ERR_NOMEM, "no memory to deliver alarms");
	d->sink.write = write_alarm;
	d->clock = cfg->clock;
	d->deadline_ns = UINT64_MAX;
	if (cfg->spool && !(d->spool = strdup(cfg->spool)))
		rc = err_set(err, ERR_NOMEM, "no memory to deliver alarms");
	if (!rc && d->spool && spool_is_foreign(d->spool)) {
		err_set(err, ERR_USAGE, "alarm-spool: %s is there, and is no spool of alarms", d->spool);
		rc = err_hint(err, "name a file that is not there yet; it would be overwritten");
	}
	for (size_t i = 0; !rc && cfg->to && cfg->to[i]; i++)
		rc = *cfg->to[i] == '@' ? open_lines(d, cfg, cfg->to[i], err) : open_one(d, cfg, cfg->to[i], err);
	if (rc) {
		give_up(d);
		return rc;
	}
	for (size_t i = 0; d->spool && i < d->n; i++) /* one that cannot be read now may be the next time */
		spool_take(d->spool, d->place[i].number, queue_late, d->place[i].outbox);
	*out = d;
	return 0;
}

struct sink *deliver_sink(struct deliver *d)
{
	return &d->sink;
}

/* --- close ------------------------------------------------------------------------------------- */

static void spool_rest(struct deliver *d, struct place *p, struct message *list)
{
	if (list && d->spool)
		p->spool_errno = spool_put(d->spool, p->number, list, &p->dropped);
	while (list) {
		struct message *m = list;

		list = m->next;
		p->critical++;
		free(m);
	}
}

static struct deliver_loss lost_by(const struct deliver *d, const struct place *p)
{
	struct deliver_loss lost = outbox_lost(p->outbox);

	lost.critical += !d->spool || p->spool_errno ? p->critical : p->dropped;
	return lost;
}

static void add_loss(struct deliver_loss *to, struct deliver_loss loss)
{
	to->alarms += loss.alarms;
	to->critical += loss.critical;
}

struct deliver_loss deliver_lost(const struct deliver *d)
{
	struct deliver_loss all = { 0 };

	for (size_t i = 0; d && i < d->n; i++)
		add_loss(&all, outbox_lost(d->place[i].outbox));
	return all;
}

static void say_spooled(const struct place *p, const char *spool, struct buf *out)
{
	char said[ERR_SAID_BYTES];

	if (!p->critical || !spool)
		return;
	if (p->spool_errno) {
		buf_printf(out, err_words(" (critical: %zu, which could not be kept in %s: %s)"), p->critical, spool,
			   err_said(said, strerror(p->spool_errno)));
		return;
	}
	buf_printf(out, err_words(" (critical: %zu, which wait in %s for the next start"), p->critical, spool);
	if (p->dropped)
		buf_printf(out, err_words("; the spool was full, so its %zu oldest alarms were dropped"), p->dropped);
	buf_str(out, err_words(")"));
}

static void say_lost(const struct deliver *d, struct buf *out)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct place *p = &d->place[i];
		const struct deliver_loss lost = lost_by(d, p);

		if (!lost.alarms)
			continue;
		buf_str(out, out->used ? err_words("; ") : "");
		buf_printf(out,
			   lost.alarms == 1 ? err_words("%s missed %llu alarm: %s")
					    : err_words("%s missed %llu alarms: %s"),
			   outbox_label(p->outbox), (unsigned long long)lost.alarms, outbox_why(p->outbox));
		say_spooled(p, d->spool, out);
		if (lost.critical)
			buf_printf(out, err_words(" (critical and lost for good: %llu)"),
				   (unsigned long long)lost.critical);
	}
}

struct deliver_loss deliver_close(struct deliver *d, unsigned wait_ms, char *why, size_t n)
{
	struct deliver_loss lost = { 0 };
	struct buf said = { 0 };

	if (n)
		*why = 0;
	if (!d)
		return lost;
	atomic_store_explicit(&d->deadline_ns, clock_mono_ns(d->clock) + wait_ms * UINT64_C(1000000),
			      memory_order_relaxed);
	for (size_t i = 0; i < d->n; i++)
		outbox_stop(d->place[i].outbox);
	for (size_t i = 0; i < d->n; i++) {
		spool_rest(d, &d->place[i], outbox_end(d->place[i].outbox));
		add_loss(&lost, lost_by(d, &d->place[i]));
	}
	say_lost(d, &said);
	if (n)
		snprintf(why, n, "%s", said.p ? said.p : "");
	buf_free(&said);
	free_parts(d);
	return lost;
}
