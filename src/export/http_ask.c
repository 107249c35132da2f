/* http_ask.c - answers of other servers, piece by piece. */
#include "export/http_ask.h"

#include "export/libcurl.h"
#include "export/url.h"

#include <ctype.h>

#if RWKVMON_HAS_CURL

enum { PIECE_BYTES = 256 << 10 }; /* of an answer, at most; libcurl's own size is 16 KiB */

/* An answer on its way: pieces of another status than 200 are the words of an error. */
struct asking {
	const struct http_ask *ask;
	CURL *curl;
	char refused[400];
	size_t n_refused;
	bool ended; /* by take */
};

static size_t receive_piece(char *bytes, size_t size, size_t count, void *ctx)
{
	struct asking *a = ctx;
	const size_t n = size * count;
	long status = 0;

	libcurl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200) {
		a->ended = !a->ask->take(a->ask->ctx, (struct slice){ bytes, n });
		return a->ended ? 0 : n;
	}
	for (size_t i = 0; i < n && a->n_refused + 1 < sizeof a->refused; i++)
		a->refused[a->n_refused++] = iscntrl((unsigned char)bytes[i]) ? ' ' : bytes[i];
	return n;
}

static void set_question(CURL *c, const struct asking *a, struct curl_slist *headers)
{
	libcurl_restrict(c);
	libcurl_easy_setopt(c, CURLOPT_USERAGENT, "rwkvmon/" RWKVMON_VERSION);
	libcurl_address(c, a->ask->url);
	libcurl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
	libcurl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive_piece);
	libcurl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	libcurl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)a->ask->whole_ms);
	libcurl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)a->ask->silent_ms);
	libcurl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	libcurl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)(a->ask->silent_ms + 999) / 1000);
	if (headers)
		libcurl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	if (a->ask->ca)
		libcurl_easy_setopt(c, CURLOPT_CAINFO, a->ask->ca);
}

static int ask_with(CURL *c, struct asking *a, struct err *err)
{
	char shown[160], said[ERR_SAID_BYTES];
	long status = 0;
	CURLcode rc = libcurl_easy_perform(c);

	url_redact(shown, sizeof shown, a->ask->url);
	if (a->ended)
		return err_set(err, ERR_FORMAT, "%s: its answer is too long or not what was asked for", shown);
	if (rc)
		return err_set(err, ERR_OPEN, "%s: %s", shown, err_said(said, libcurl_easy_strerror(rc)));
	libcurl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return 0;
	err_set(err, ERR_OPEN, "%s: it answered with status %ld", shown, status);
	return a->n_refused ? err_hint(err, "%s", a->refused) : -(int)ERR_OPEN;
}

/* Without the token, another one would answer, or nobody. */
static int say_who(struct curl_slist **headers, const char *token, struct err *err)
{
	struct buf header = { 0 };

	*headers = NULL;
	if (!token)
		return 0;
	buf_printf(&header, "Authorization: Bearer %s", token);
	*headers = header.failed ? NULL : libcurl_slist_append(NULL, header.p);
	buf_free(&header);
	return *headers ? 0 : err_set(err, ERR_NOMEM, "no memory to ask");
}

int http_ask(const struct http_ask *ask, struct err *err)
{
	struct asking a = { .ask = ask };
	struct curl_slist *headers = NULL;
	int rc = url_check(ask->what, ask->url, err);

	if (rc)
		return rc;
	a.curl = libcurl_load() ? libcurl_easy_init() : NULL;
	if (!a.curl) {
		err_set(err, ERR_UNSUPPORTED, "libcurl.so.4 cannot be loaded: nothing can be fetched");
		return err_hint(err, "install it (Debian: libcurl4)");
	}
	rc = say_who(&headers, ask->token, err);
	if (!rc) {
		set_question(a.curl, &a, headers);
		rc = ask_with(a.curl, &a, err);
	}
	libcurl_easy_cleanup(a.curl);
	libcurl_slist_free_all(headers);
	return rc;
}

/* What an answer that is being fetched may still take. */
struct fetch {
	struct buf *out;
	size_t left;
};

static bool keep_body(void *ctx, struct slice piece)
{
	struct fetch *f = ctx;

	if (piece.n > f->left)
		return false;
	f->left -= piece.n;
	buf_add(f->out, piece.p, piece.n);
	return !f->out->failed;
}

int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err)
{
	struct fetch f = { out, limit };

	return http_ask(&(struct http_ask){ .what = "watch",
					    .url = url,
					    .silent_ms = timeout_ms,
					    .whole_ms = timeout_ms,
					    .take = keep_body,
					    .ctx = &f },
			err);
}

#else /* built without */

int http_ask(const struct http_ask *ask, struct err *err)
{
	(void)ask;
	err_set(err, ERR_UNSUPPORTED, "this build has no libcurl: nothing can be fetched");
	return err_hint(err, "build again with its headers (Debian: libcurl4-openssl-dev)");
}

int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err)
{
	(void)out, (void)url, (void)limit, (void)timeout_ms;
	return http_ask(NULL, err);
}

#endif
