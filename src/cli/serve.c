/* serve.c - running logs as a live page, /metrics and JSON. */
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/receivers.h"
#include "export/http.h"
#include "report/live_page.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char page_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
				  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

enum { RECORDS_DEFAULT = 100 };

/* --- routes --------------------------------------------------------------------------- */

static void answer_page(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)ctx;
	(void)request;
	r->type = "text/html; charset=utf-8";
	r->policy = page_policy;
	live_file_add(&r->body, LIVE_HTML);
}

static void answer_style(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)ctx;
	(void)request;
	r->type = "text/css; charset=utf-8";
	live_file_add(&r->body, LIVE_CSS);
}

static void answer_script(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)ctx;
	(void)request;
	r->type = "text/javascript; charset=utf-8";
	live_file_add(&r->body, LIVE_JS);
}

static void answer_metrics(void *ctx, const struct http_request *request, struct http_response *r)
{
	enum exposition format = exposition_accepted(http_header(request, "Accept"));

	r->type = exposition_content_type[format];
	exporter_write(live_exporter(ctx), format, &r->body);
}

static void answer_health(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)ctx;
	(void)request;
	buf_str(&r->body, "ok\n");
}

static const char json_type[] = "application/json; charset=utf-8";

static void answer_instances(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)request;
	r->type = json_type;
	live_instances(ctx, &r->body);
}

static void answer_alarms(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)request;
	r->type = json_type;
	live_alarms(ctx, &r->body);
}

static void answer_findings(void *ctx, const struct http_request *request, struct http_response *r)
{
	r->type = json_type;
	if (live_findings(ctx, http_query(request, "instance"), &r->body))
		return;
	r->status = 404;
	buf_str(&r->body, "{\"error\":\"no such instance; /api/v1/instances lists them\"}\n");
}

static void answer_records(void *ctx, const struct http_request *request, struct http_response *r)
{
	struct slice n = http_query(request, "n");
	unsigned long wanted = n.n ? strtoul(n.p, NULL, 10) : RECORDS_DEFAULT;

	r->type = json_type;
	live_records(ctx, http_query(request, "instance"), wanted, &r->body);
}

enum { ROUTES = 10 };

static void make_routes(struct http_route route[ROUTES], struct live *live)
{
	const struct http_route rows[ROUTES] = {
		{ .path = "/", .answer = answer_page },
		{ .path = "/live.css", .answer = answer_style },
		{ .path = "/live.js", .answer = answer_script },
		{ .path = "/events", .events = live_events },
		{ .path = "/metrics", .answer = answer_metrics },
		{ .path = "/healthz", .answer = answer_health },
		{ .path = "/api/v1/instances", .answer = answer_instances },
		{ .path = "/api/v1/findings", .answer = answer_findings },
		{ .path = "/api/v1/alarms", .answer = answer_alarms },
		{ .path = "/api/v1/records", .answer = answer_records },
	};

	for (int i = 0; i < ROUTES; i++) {
		route[i] = rows[i];
		route[i].ctx = live;
	}
}

/* --- the command ---------------------------------------------------------------------- */

static void take_record(void *ctx, const struct record *r, const char *file)
{
	live_take(ctx, r, file);
}

/* True when it is time to end. */
static bool wait_a_second(const sigset_t *ends)
{
	const struct timespec second = { .tv_sec = 1 };

	return sigtimedwait(ends, NULL, &second) > 0;
}

/* The files are looked for and the pages told once a second, until a signal ends it. */
static void run(struct follow *files, struct live *live, struct http *http, const sigset_t *ends)
{
	const struct err *trouble;

	while (!wait_a_second(ends)) {
		follow_look(files);
		while ((trouble = follow_trouble(files)))
			fprintf(stderr, "rwkvmon: %s\n", trouble->text);
		live_tick(live);
		http_wake(http);
	}
}

static void say_where(const struct http *http, const struct follow *files, bool has_token, enum lang lang)
{
	fprintf(stderr, "%s%s\n", http_url(http), has_token ? "/?token=…" : "");
	if (lang == LANG_ZH)
		fprintf(stderr, "正在跟踪 %zu 个日志;按 Ctrl-C 结束\n", follow_files(files));
	else
		fprintf(stderr, "logs followed: %zu; Ctrl-C ends it\n", follow_files(files));
	if (follow_left_out(files))
		fprintf(stderr, "rwkvmon: %zu logs are left out: at most %zu are followed at once\n", follow_left_out(files), follow_files(files));
}

static int serve(const struct options *opts, const struct ruleset *rules, const char *token, struct err *err)
{
	struct http_route route[ROUTES];
	struct http_config config = { .listen = opts->listen ? opts->listen : "", .token = token, .route = route, .n_routes = ROUTES };
	struct follow *files = NULL;
	struct live *live = NULL;
	struct http *http = NULL;
	sigset_t ends;
	int rc = live_open(&live, rules, args_lang(opts->lang), err);

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	make_routes(route, live);
	if (!rc)
		rc = http_open(&http, &config, err);
	if (!rc)
		rc = follow_open(&files, opts->argument, opts->n_arguments, take_record, live, err);
	if (!rc) {
		if (!opts->quiet)
			say_where(http, files, token != NULL, args_lang(opts->lang));
		run(files, live, http, &ends);
	}
	http_close(http);
	follow_close(files);
	live_close(live);
	return rc;
}

int command_serve(const struct options *opts, struct err *err)
{
	struct ruleset *rules = NULL;
	struct receivers secrets = { 0 };
	int rc;

	if (!opts->n_arguments) {
		err_set(err, ERR_USAGE, "serve: no log is named");
		return err_hint(err, "name files or directories: %s", command_specs[COMMAND_SERVE].example);
	}
	rc = receivers_open(&secrets, opts, err);
	if (!rc)
		rc = ruleset_open(&rules, opts->rules ? opts->rules : "thresholds", err);
	if (!rc)
		rc = serve(opts, rules, secrets.token, err);
	ruleset_close(rules);
	receivers_free(&secrets);
	return rc;
}
