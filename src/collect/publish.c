/* publish.c - one exporter and one server per process, shared by its handles. */
#include "collect/publish.h"

#include "base/file.h"
#include "export/http.h"

#include <pthread.h>
#include <stdlib.h>

static const uint64_t TEXTFILE_NS = UINT64_C(15) * 1000000000;

enum { SERVERS_MAX = 8 };

struct server {
	char *listen; /* as it was asked for */
	struct http *http;
	unsigned users;
	struct http_route route[1];
};

struct publish {
	struct sink sink;
	struct publish_config cfg;
	struct server *server; /* NULL: none */
	char *textfile, *instance;
	uint64_t written_ns;
	pthread_mutex_t trouble_lock;
	struct err trouble; /* of the file's latest write; under its lock */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct exporter *exporter;
static unsigned exporter_users;
static struct server servers[SERVERS_MAX];

/* --- the server ----------------------------------------------------------------------- */

static void answer_metrics(void *ctx, const struct http_request *request, struct http_response *response)
{
	enum exposition format = exposition_accepted(http_header(request, "Accept"));

	response->type = exposition_content_type[format];
	exporter_write(ctx, format, &response->body);
}

static struct server *find_server(const char *listen)
{
	struct server *free_one = NULL;

	for (int i = 0; i < SERVERS_MAX; i++) {
		if (servers[i].users && !strcmp(servers[i].listen, listen))
			return &servers[i];
		if (!servers[i].users && !free_one)
			free_one = &servers[i];
	}
	return free_one;
}

static int start_server(struct server *s, const struct publish_config *cfg, struct err *err)
{
	struct http_config http = { .listen = cfg->listen, .token = cfg->token, .route = s->route, .n_routes = 1 };
	int rc;

	s->route[0] = (struct http_route){ .path = "/metrics", .answer = answer_metrics, .ctx = exporter };
	s->listen = strdup(cfg->listen);
	if (!s->listen)
		return err_set(err, ERR_NOMEM, "no memory for an address");
	rc = http_open(&s->http, &http, err);
	if (rc) {
		free(s->listen);
		s->listen = NULL;
	}
	return rc;
}

static int join_server(struct publish *p, struct err *err)
{
	struct server *s = p->cfg.listen ? find_server(p->cfg.listen) : NULL;
	int rc = 0;

	if (!p->cfg.listen)
		return 0;
	if (!s)
		return err_set(err, ERR_SYSTEM, "--listen: this process listens at %d addresses already", SERVERS_MAX);
	if (!s->users)
		rc = start_server(s, &p->cfg, err);
	if (rc)
		return rc;
	s->users++;
	p->server = s;
	return 0;
}

static void leave_server(struct server *s)
{
	if (!s || --s->users)
		return;
	http_close(s->http);
	free(s->listen);
	*s = (struct server){ 0 };
}

/* --- the file ------------------------------------------------------------------------- */

static int write_textfile(struct publish *p, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	exporter_write_for(exporter, EXPOSITION_TEXT, p->instance, &text);
	rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for %s", p->textfile)
			 : file_write(p->textfile, buf_slice(&text), err);
	buf_free(&text);
	p->written_ns = clock_mono_ns(p->cfg.clock);
	return rc;
}

/* A name that cannot be written is known at once, not when the run is over. */
static int begin_textfile(struct publish *p, struct err *err)
{
	if (!p->cfg.textfile)
		return 0;
	p->textfile = strdup(p->cfg.textfile);
	p->instance = strndup(p->cfg.instance.p, p->cfg.instance.n);
	return p->textfile && p->instance ? write_textfile(p, err) : err_set(err, ERR_NOMEM, "no memory for a name");
}

/* Keeps what came of it, for whoever asks meanwhile. */
static void write_again(struct publish *p)
{
	struct err err = { 0 };

	write_textfile(p, &err);
	pthread_mutex_lock(&p->trouble_lock);
	p->trouble = err;
	pthread_mutex_unlock(&p->trouble_lock);
}

bool publish_trouble(struct publish *p, struct err *err)
{
	bool any;

	if (!p)
		return false;
	pthread_mutex_lock(&p->trouble_lock);
	any = p->trouble.code;
	if (any)
		*err = p->trouble;
	pthread_mutex_unlock(&p->trouble_lock);
	return any;
}

/* --- the sink ------------------------------------------------------------------------- */

static void on_record(struct sink *s, const struct record *r)
{
	(void)s;
	exporter_take(exporter, r);
}

static void tell_own(struct publish *p)
{
	struct exporter_own own = { 0 };

	p->cfg.own(p->cfg.ctx, &own);
	exporter_set_own(exporter, p->cfg.session_id, &own);
}

static void on_flush(struct sink *s)
{
	struct publish *p = (struct publish *)(void *)s;

	tell_own(p);
	if (p->textfile && clock_mono_ns(p->cfg.clock) - p->written_ns >= TEXTFILE_NS)
		write_again(p);
}

/* --- open and close ------------------------------------------------------------------- */

static int join_exporter(const struct publish_config *cfg, struct err *err)
{
	const struct exporter_options opts = { .clock = cfg->clock, .own_process = true };

	if (!exporter)
		exporter = exporter_open(&opts);
	if (!exporter)
		return err_set(err, ERR_NOMEM, "no memory for the exporter");
	exporter_users++;
	return 0;
}

static void leave_exporter(void)
{
	if (--exporter_users)
		return;
	exporter_close(exporter);
	exporter = NULL;
}

/* The lock is held. */
static int open_parts(struct publish *p, struct err *err)
{
	int rc = join_exporter(&p->cfg, err);

	if (rc)
		return rc;
	rc = join_server(p, err);
	if (!rc)
		rc = begin_textfile(p, err);
	if (rc) {
		leave_server(p->server);
		leave_exporter();
	}
	return rc;
}

static void free_publish(struct publish *p)
{
	pthread_mutex_destroy(&p->trouble_lock);
	free(p->textfile);
	free(p->instance);
	free(p);
}

int publish_open(struct publish **out, const struct publish_config *config, struct err *err)
{
	struct publish *p = calloc(1, sizeof *p);
	int rc;

	*out = NULL;
	if (!p)
		return err_set(err, ERR_NOMEM, "no memory for the exporter");
	p->cfg = *config;
	pthread_mutex_init(&p->trouble_lock, NULL);
	p->sink = (struct sink){ .write = on_record, .flush = on_flush };
	pthread_mutex_lock(&lock);
	rc = open_parts(p, err);
	pthread_mutex_unlock(&lock);
	if (rc) {
		free_publish(p);
		return rc;
	}
	*out = p;
	return 0;
}

struct sink *publish_sink(struct publish *p)
{
	return &p->sink;
}

const char *publish_url(const struct publish *p)
{
	return p && p->server ? http_url(p->server->http) : "";
}

int publish_close(struct publish *p, struct err *err)
{
	int rc = 0;

	if (!p)
		return 0;
	tell_own(p);
	exporter_end(exporter, p->cfg.session_id);
	if (p->textfile)
		rc = write_textfile(p, err);
	pthread_mutex_lock(&lock);
	leave_server(p->server);
	leave_exporter();
	pthread_mutex_unlock(&lock);
	free_publish(p);
	return rc;
}

/* In a child after fork, the lock may be held for ever and the threads do not exist: the child abandons the old state
 * and begins with an empty one. */
void publish_forget(void)
{
	static const struct server none;

	pthread_mutex_init(&lock, NULL);
	for (int i = 0; i < SERVERS_MAX; i++) {
		http_forget(servers[i].users ? servers[i].http : NULL);
		servers[i] = none;
	}
	exporter = NULL;
	exporter_users = 0;
}
