/* sign.c - signatures of requests, by the libcrypto that libcurl loads too. */
#include "export/sign.h"

#include "base/library.h"

#include <ctype.h>
#include <pthread.h>

enum { SUM_BYTES = 32, SUM_MAX_BYTES = 64 };

/* HMAC and EVP_sha256 have had these types since OpenSSL 1.0. */
static unsigned char *(*hmac)(const void *kind, const void *key, int key_bytes, const unsigned char *data, size_t n,
			      unsigned char *sum, unsigned *sum_bytes);
static const void *(*sha256)(void);
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void)
{
	static const struct library_symbol symbols[] = { { "EVP_sha256", &sha256 }, { "HMAC", &hmac } };

	loaded = library_bind("libcrypto.so.3", symbols, 2) || library_bind("libcrypto.so.1.1", symbols, 2);
}

int sign_ready(struct err *err)
{
	pthread_once(&once, load);
	if (loaded)
		return 0;
	err_set(err, ERR_UNSUPPORTED, "libcrypto cannot be loaded: requests cannot be signed");
	return err_hint(err, "install it (Debian: libssl3), or let the service check a keyword or addresses instead");
}

static void add_base64(struct buf *out, const unsigned char *bytes, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)bytes[i] << 16 | (i + 1 < n ? (unsigned)bytes[i + 1] << 8 : 0) |
			     (i + 2 < n ? (unsigned)bytes[i + 2] : 0);

		buf_char(out, letters[v >> 18]);
		buf_char(out, letters[v >> 12 & 63]);
		buf_char(out, i + 1 < n ? letters[v >> 6 & 63] : '=');
		buf_char(out, i + 2 < n ? letters[v & 63] : '=');
	}
}

void sign_text(struct buf *out, struct slice key, struct slice message)
{
	unsigned char sum[SUM_MAX_BYTES];
	unsigned n = 0;

	if (sign_ready(NULL) ||
	    !hmac(sha256(), key.p, (int)key.n, (const unsigned char *)message.p, message.n, sum, &n) || n != SUM_BYTES)
		out->failed = true;
	else
		add_base64(out, sum, n);
}

void sign_add_query(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (isalnum(c) || strchr("-._~", c))
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
