/* proxy.c - the command: an HTTP proxy whose requests are watched, until a signal ends it. */
#include "proxy/proxy.h"

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/monitor.h"
#include "cli/proxy_watch.h"
#include "cli/tell.h"
#include "export/url.h"
#include "spec/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { BODY_DEFAULT = 32 << 20, BODY_MOST = 1 << 30, CONNECTIONS_DEFAULT = 256, CONNECTIONS_MOST = 8192 };
enum { SILENT_DEFAULT = 600, SILENT_MOST = 86400 };

/* Signals as a descriptor, so that the loop waits for them as for everything else. */
static int open_stop(struct err *err)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_set_os(err, ERR_SYSTEM, errno, "proxy: signals cannot be waited for");
}

static int open_monitor(struct proxy_watch *w, const struct options *opts, struct err *err)
{
	char why[RWKVMON_ERROR_BYTES];
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg,
		.lang = lang_codes[args_lang(opts->lang)],
		.runtime_name = "openai-compatible",
	};
	int rc = monitor_configure(&cfg, opts, why);

	w->log_text = cfg.log_text;
	if (!rc)
		rc = rwkvmon_open(&w->mon, &cfg, why);
	rwkvmon_config_free(&cfg);
	return monitor_said(err, rc, why);
}

static int bounded(uint64_t *value, const char *name, uint64_t otherwise, uint64_t most, struct err *err)
{
	if (*value == UINT64_MAX)
		*value = otherwise;
	if (*value >= 1 && *value <= most)
		return 0;
	return err_set(err, ERR_USAGE, "--%s: found %llu, expected 1 to %llu", name, (unsigned long long)*value,
		       (unsigned long long)most);
}

static int configure(struct proxy_config *c, const struct options *opts, struct proxy_watch *w, struct err *err)
{
	uint64_t body = opts->max_body, connections = opts->max_connections, silent = opts->upstream_timeout;
	int rc = bounded(&body, "max-body", BODY_DEFAULT, BODY_MOST, err);

	if (!rc)
		rc = bounded(&connections, "max-connections", CONNECTIONS_DEFAULT, CONNECTIONS_MOST, err);
	if (!rc)
		rc = url_check_ca("upstream-ca", opts->upstream, opts->upstream_ca, err);
	if (!rc)
		rc = bounded(&silent, "upstream-timeout", SILENT_DEFAULT, SILENT_MOST, err);
	*c = (struct proxy_config){
		.listen = opts->bind ? opts->bind : "127.0.0.1:8081",
		.upstream = opts->upstream,
		.ca_file = opts->upstream_ca,
		.body_max = body,
		.connections_max = (unsigned)connections,
		.silent_seconds = (unsigned)silent,
		.ask_logprobs = opts->ask_logprobs,
		.watcher = { w, proxy_watch_begin, proxy_watch_end },
	};
	return rc;
}

static void say_where(const struct proxy *p, const struct proxy_watch *w, const struct options *opts)
{
	struct rwkvmon_totals so_far = { .struct_size = sizeof so_far };

	if (opts->quiet)
		return;
	rwkvmon_so_far(w->mon, &so_far);
	args_say(args_lang(opts->lang), TEXT_PROXY_WHERE, proxy_url(p), opts->upstream);
	if (*rwkvmon_url(w->mon))
		tell("%s/metrics\n", rwkvmon_url(w->mon));
	if (*so_far.log_path)
		args_say(args_lang(opts->lang), TEXT_LOG_FILE, so_far.log_path);
}

/* Every request would come back to the proxy, until no more connections are free. */
static int refuse_itself(const struct proxy *p, const char *upstream, struct err *err)
{
	const char *own = proxy_url(p), *port = strrchr(own, ':');
	char local[64];

	snprintf(local, sizeof local, "http://localhost%s", port ? port : "");
	for (int i = 0; i < 2; i++) {
		const char *url = i ? local : own;
		size_t n = strlen(url);

		if (!strncmp(upstream, url, n) && (!upstream[n] || upstream[n] == '/')) {
			err_set(err, ERR_USAGE, "--upstream: %s is the address of the proxy itself", upstream);
			return err_hint(err, "name the server's address, and another one for the proxy with --bind");
		}
	}
	return 0;
}

static int run(const struct options *opts, int stop, struct err *err)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct proxy_watch watch = { 0 };
	struct proxy_config config;
	struct proxy *p = NULL;
	struct err close_err = { 0 };
	int rc = configure(&config, opts, &watch, err), closed;

	if (!rc)
		rc = proxy_open(&p, &config, err);
	if (!rc)
		rc = refuse_itself(p, opts->upstream, err);
	if (!rc)
		rc = open_monitor(&watch, opts, err);
	if (!rc) {
		say_where(p, &watch, opts);
		rc = proxy_run(p, stop, err);
	}
	proxy_close(p);
	closed = monitor_close(watch.mon, &totals, &close_err);
	if (rc || !closed)
		return rc;
	*err = close_err;
	return closed;
}

int command_proxy(const struct options *opts, struct err *err)
{
	int stop, rc;

	if (!opts->upstream) {
		err_set(err, ERR_USAGE, "proxy: no server is named");
		return err_hint(err, "name it: %s", command_specs[COMMAND_PROXY].example);
	}
	stop = open_stop(err);
	if (stop < 0)
		return stop;
	rc = run(opts, stop, err);
	close(stop);
	return rc;
}
