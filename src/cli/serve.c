/* serve.c - running logs, and other servers' /metrics, as a live page, /metrics and JSON. */
#include "base/json.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/live.h"
#include "cli/metrics_log.h"
#include "cli/tell.h"
#include "export/http.h"
#include "report/live_page.h"
#include "report/terminal.h"
#include "spec/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char page_policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

enum { RECORDS_DEFAULT = 100, RECORDS_MOST = 512, SESSIONS_DEFAULT = 100, SESSIONS_PAGE = 1000, SESSIONS_MOST = 10000 };

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
	live_metrics(ctx, format, &r->body);
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

static void answer_fleet(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)request;
	r->type = json_type;
	live_fleet(ctx, &r->body);
}

static void answer_alarms(void *ctx, const struct http_request *request, struct http_response *r)
{
	(void)request;
	r->type = json_type;
	live_alarms(ctx, &r->body);
}

static const char no_instance[] = "no such instance; /api/v1/instances lists them";

static void refuse(struct http_response *r, int status, const char *why)
{
	struct json out = { .out = &r->body };

	r->status = status;
	jw_object(&out);
	jw_put_text(&out, "error", why);
	jw_end(&out);
	buf_char(&r->body, '\n');
}

/* A number of the query, `least` to `most`. False: it is not such a number, and the answer says so. */
static bool read_number(long *out, const struct http_request *request, struct http_response *r, const char *name,
			long least, long most)
{
	struct slice text = http_query(request, name);
	char *end, why[120];
	long n;

	if (!text.n)
		return true;
	n = strtol(text.p, &end, 10);
	if (*end || n < least || n > most) {
		snprintf(why, sizeof why, "%s: expected a whole number from %ld to %ld", name, least, most);
		refuse(r, 400, why);
		return false;
	}
	*out = n;
	return true;
}

static void answer_findings(void *ctx, const struct http_request *request, struct http_response *r)
{
	long from = -SESSIONS_DEFAULT, n = SESSIONS_DEFAULT;

	r->type = json_type;
	if (!read_number(&from, request, r, "sessions_from", -SESSIONS_MOST, SESSIONS_MOST) ||
	    !read_number(&n, request, r, "sessions", 0, SESSIONS_PAGE))
		return;
	if (!live_findings(ctx, http_query(request, "instance"), (struct live_page){ from, (unsigned long)n },
			   &r->body))
		refuse(r, 404, no_instance);
}

static void answer_records(void *ctx, const struct http_request *request, struct http_response *r)
{
	long n = RECORDS_DEFAULT;

	r->type = json_type;
	if (!read_number(&n, request, r, "n", 0, RECORDS_MOST))
		return;
	if (!live_records(ctx, http_query(request, "instance"), (size_t)n, &r->body))
		refuse(r, 404, no_instance);
}

enum { ROUTES = 11 };

static const char *const takes_nothing[] = { NULL };
static const char *const takes_about[] = { "about", NULL };
static const char *const takes_records[] = { "instance", "n", NULL };
static const char *const takes_findings[] = { "instance", "sessions_from", "sessions", NULL };

static void make_routes(struct http_route route[ROUTES], struct live *live)
{
	const struct http_route rows[ROUTES] = {
		{ .path = "/", .answer = answer_page },
		{ .path = "/live.css", .answer = answer_style },
		{ .path = "/live.js", .answer = answer_script },
		{ .path = "/events", .takes = takes_about, .events = live_events },
		{ .path = "/metrics", .answer = answer_metrics },
		{ .path = "/healthz", .answer = answer_health },
		{ .path = "/api/v1/instances", .takes = takes_nothing, .answer = answer_instances },
		{ .path = "/api/v1/fleet", .takes = takes_nothing, .answer = answer_fleet },
		{ .path = "/api/v1/findings", .takes = takes_findings, .answer = answer_findings },
		{ .path = "/api/v1/alarms", .takes = takes_nothing, .answer = answer_alarms },
		{ .path = "/api/v1/records", .takes = takes_records, .answer = answer_records },
	};

	for (int i = 0; i < ROUTES; i++) {
		route[i] = rows[i];
		route[i].ctx = live;
	}
}

/* --- the command ---------------------------------------------------------------------- */

static void push_rows(void *ctx, struct columns *rows, struct slice lines, const char *file)
{
	live_take(ctx, rows, lines, file);
}

static void note_read(void *ctx, const struct input_stats *piece)
{
	live_read(ctx, piece);
}

/* True when it is time to end. */
static bool wait_a_second(const sigset_t *ends)
{
	const struct timespec second = { .tv_sec = 1 };

	return sigtimedwait(ends, NULL, &second) > 0;
}

/* Wakes the pages once a second, until a signal ends the command. */
static void run(struct follow *files, struct metrics_logs *fetched, struct live *live, struct http *http,
		const sigset_t *ends)
{
	struct err trouble;

	while (!wait_a_second(ends)) {
		while (follow_trouble(files, &trouble) || metrics_logs_trouble(fetched, &trouble))
			tell_text(TEXT_TOLD, trouble.text);
		live_tick(live);
		http_wake(http);
	}
}

static void say_where(const struct http *http, struct follow *files, bool has_token, enum lang lang)
{
	char n[TERM_TEXT];

	tell("%s%s\n", http_url(http), has_token ? "/?token=…" : "");
	args_say(lang, TEXT_SERVE_FOLLOWED, term_count(n, follow_files(files)));
}

static int serve(const struct options *opts, const struct ruleset *rules, const char *token, struct err *err)
{
	struct http_route route[ROUTES];
	const char *listen = option_setting(opts, SETTING_listen);
	struct http_config config = {
		.listen = listen ? listen : "", .token = token, .route = route, .n_routes = ROUTES
	};
	const char **names = calloc(opts->n_arguments, sizeof *names);
	struct metrics_logs *fetched = NULL;
	struct follow *files = NULL;
	struct live *live = NULL;
	struct http *http = NULL;
	sigset_t ends;
	struct diagnose_options told = { 0 };
	int rc = analysis_told(&told, opts, err);

	if (!rc)
		rc = live_open(&live, rules, &told, args_lang(opts->lang), err);

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	make_routes(route, live);
	if (!rc)
		rc = http_open(&http, &config, err);
	if (!rc)
		live_conceal(live, http_is_open(http));
	for (size_t i = 0; names && i < opts->n_arguments; i++)
		names[i] = opts->argument[i];
	if (!rc)
		rc = names ? metrics_logs_open(&fetched, names, opts->n_arguments, err)
			   : err_set(err, ERR_NOMEM, "no memory for the names of logs");
	if (!rc)
		rc = follow_open(&files, names, opts->n_arguments,
				 &(struct follow_options){ .take = push_rows, .read = note_read, .ctx = live }, err);
	if (!rc && http_is_open(http))
		tell("%s", text(TEXT_SERVE_OPEN, args_lang(opts->lang)));
	if (!rc) {
		if (!opts->quiet)
			say_where(http, files, token != NULL, args_lang(opts->lang));
		run(files, fetched, live, http, &ends);
	}
	http_close(http);
	metrics_logs_stop(fetched);
	follow_close(files);
	metrics_logs_close(fetched);
	live_close(live);
	free(names);
	return rc;
}

int command_serve(const struct options *opts, struct err *err)
{
	struct ruleset *rules = NULL;
	const char *token = option_setting(opts, SETTING_listen_token);
	int rc;

	rc = args_need_log(opts, err);
	rc = rc ? rc : analysis_rules(&rules, opts, err);
	if (!rc)
		rc = serve(opts, rules, token, err);
	ruleset_close(rules);
	return rc;
}
