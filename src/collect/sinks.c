/* sinks.c - opens the sinks for records and alarms that the configuration names. */
#include "collect/collector.h"

#include <sys/stat.h>

#define SPOOL_NAME "rwkv_alarms.spool"

enum { RECEIVERS_WAIT_MS = 2000 }; /* how long a close waits for receivers of alarms */

static void add_sink(struct rwkvmon *mon, struct sink *sink)
{
	mon->sink[mon->n_sinks++] = sink;
}

static int open_log(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct log_config log = { .path = cfg->log_path,
					.session_id = fields_text(&mon->session, F_SESSION_ID).p,
					.sync = (enum log_sync)cfg->fsync,
					.rotate_bytes = cfg->log_rotate_bytes,
					.rotate_seconds = cfg->log_rotate_seconds,
					.keep = cfg->log_keep,
					.mode = cfg->log_mode,
					.clock = mon->clock };
	int rc = cfg->log_path ? log_open(&mon->log, &log, err) : 0;

	if (mon->log)
		add_sink(mon, log_sink(mon->log));
	return rc;
}

/* In the folder of the log if that is a file; beside a pipe or a device there is no folder for it. */
static void default_spool(const struct log *log, struct buf *out)
{
	const char *path = log ? log_path(log) : "", *slash = strrchr(path, '/');
	struct stat st;

	if (!stat(path, &st) && S_ISREG(st.st_mode))
		buf_printf(out, "%.*s" SPOOL_NAME, slash ? (int)(slash + 1 - path) : 0, path);
}

static int open_deliver(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	struct deliver_config to = { .to = cfg->alarm_to, .lang = mon->lang, .clock = mon->clock };
	struct buf spool = { 0 };
	int rc;

	if (!cfg->alarm_to || !*cfg->alarm_to)
		return 0;
	if (!cfg->alarm_spool)
		default_spool(mon->log, &spool);
	else if (strcmp(cfg->alarm_spool, "none"))
		buf_str(&spool, cfg->alarm_spool);
	to.spool = spool.p;
	rc = spool.failed ? err_set(err, ERR_NOMEM, "no memory for the spool's name")
			  : deliver_open(&mon->deliver, &to, err);
	buf_free(&spool);
	if (mon->deliver)
		add_sink(mon, deliver_sink(mon->deliver));
	return rc;
}

static void own_numbers(void *ctx, struct exporter_own *out)
{
	struct rwkvmon *mon = ctx;
	const struct deliver_loss lost = deliver_lost(mon->deliver); /* in the end session_end says it */

	out->undelivered = (double)lost.alarms;
	out->lost_critical = (double)lost.critical;
	out->overhead_seconds = (double)atomic_load_explicit(&mon->overhead_ns, memory_order_relaxed) / 1e9;
	out->look_seconds = (double)atomic_load_explicit(&mon->look_us, memory_order_relaxed) / 1e6;
	for (int i = 0; i < FINISH_COUNT; i++)
		out->finished[i] = atomic_load_explicit(&mon->finished[i], memory_order_relaxed);
}

static int open_publish(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct publish_config to = { .listen = cfg->listen,
					   .token = cfg->listen_token,
					   .textfile = cfg->metrics_textfile,
					   .session_id = fields_text(&mon->session, F_SESSION_ID),
					   .instance = fields_text(&mon->session, F_INSTANCE),
					   .clock = mon->clock,
					   .own = own_numbers,
					   .ctx = mon };
	int rc = cfg->listen || cfg->metrics_textfile ? publish_open(&mon->publish, &to, err) : 0;

	if (mon->publish)
		add_sink(mon, publish_sink(mon->publish));
	return rc;
}

const char *rwkvmon_url(const rwkvmon *mon)
{
	return collector_is_ours(mon) ? publish_url(mon->publish) : "";
}

void collector_close_receivers(struct rwkvmon *mon, struct rwkvmon_totals *t)
{
	struct deliver_loss lost;
	size_t left = 0;

	if (!mon->deliver)
		return;
	for (size_t i = 0; i < mon->n_sinks; i++)
		if (mon->sink[i] != deliver_sink(mon->deliver))
			mon->sink[left++] = mon->sink[i];
	mon->n_sinks = left;
	lost = deliver_close(mon->deliver, RECEIVERS_WAIT_MS, t->undelivered_why, sizeof t->undelivered_why);
	t->undelivered = lost.alarms;
	t->undelivered_critical = lost.critical;
	mon->deliver = NULL;
}

int collector_open_sinks(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	int rc = open_log(mon, cfg, err);

	if (!rc)
		rc = open_deliver(mon, cfg, err);
	if (!rc)
		rc = open_publish(mon, cfg, err);
	if (!rc && cfg->alarms_to_stderr)
		add_sink(mon, alarm_text_sink(mon->lang));
	return rc;
}
