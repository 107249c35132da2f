/* sinks.c - where records and alarms go: one row of the configuration, one sink. */
#include "collect/collector.h"

enum { RECEIVERS_WAIT_MS = 2000 }; /* how long a close waits for receivers of alarms */

static void add_sink(struct rwkvmon *mon, struct sink *sink)
{
	mon->sink[mon->n_sinks++] = sink;
}

static int open_log(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct log_config log = { .path = cfg->log_path,
					.session_id = fields_text(&mon->session, F_SESSION_ID).p,
					.sync = (enum log_sync)cfg->log_sync,
					.rotate_bytes = cfg->log_rotate_bytes,
					.rotate_seconds = cfg->log_rotate_seconds,
					.keep = cfg->log_keep,
					.clock = mon->clock };
	int rc = cfg->log_path ? log_open(&mon->log, &log, err) : 0;

	if (mon->log)
		add_sink(mon, log_sink(mon->log));
	return rc;
}

static int open_deliver(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct deliver_config to = { .file = cfg->alarm_file,
					   .command = cfg->alarm_command,
					   .webhook = cfg->webhook_url,
					   .template = cfg->webhook_template,
					   .alertmanager = cfg->alertmanager_url,
					   .lang = mon->lang,
					   .clock = mon->clock };
	int rc = deliver_wanted(&to) ? deliver_open(&mon->deliver, &to, err) : 0;

	if (mon->deliver)
		add_sink(mon, deliver_sink(mon->deliver));
	return rc;
}

static void own_numbers(void *ctx, struct exporter_own *out)
{
	struct rwkvmon *mon = ctx;

	out->overhead_seconds = (double)atomic_load_explicit(&mon->overhead_ns, memory_order_relaxed) / 1e9;
	for (int i = 0; i < FINISH_COUNT; i++)
		out->finished[i] = atomic_load_explicit(&mon->finished[i], memory_order_relaxed);
}

static int open_publish(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct publish_config to = { .listen = cfg->listen,
					   .token = cfg->listen_token,
					   .textfile = cfg->metrics_textfile,
					   .session_id = fields_text(&mon->session, F_SESSION_ID),
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
	size_t left = 0;

	if (!mon->deliver)
		return;
	for (size_t i = 0; i < mon->n_sinks; i++)
		if (mon->sink[i] != deliver_sink(mon->deliver))
			mon->sink[left++] = mon->sink[i];
	mon->n_sinks = left;
	t->undelivered = deliver_close(mon->deliver, RECEIVERS_WAIT_MS, t->undelivered_why, sizeof t->undelivered_why);
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
