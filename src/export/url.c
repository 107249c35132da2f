/* url.c - what an address must be, and what of it is no secret. */
#include "export/url.h"

#include "base/file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void url_redact(char *out, size_t n, const char *url)
{
	const char *scheme = strstr(url, "://"), *host, *at;
	size_t length;

	if (!scheme) {
		snprintf(out, n, "(no address)");
		return;
	}
	host = scheme + 3;
	length = strcspn(host, "/?#");
	for (at = host; at < host + length; at++)
		if (*at == '@') { /* name and password precede the last one */
			length -= (size_t)(at + 1 - host);
			host = at + 1;
		}
	snprintf(out, n, "%.*s://%.*s", (int)(scheme - url), url, (int)length, host);
}

bool url_is_loopback(const char *url)
{
	static const char name[] = "localhost", six[] = "[::1]";
	char shown[300];
	const char *host;
	size_t n;

	url_redact(shown, sizeof shown, url);
	host = strstr(shown, "://");
	host = host ? host + 3 : "";
	if (!strncmp(host, six, sizeof six - 1))
		return true;
	n = strcspn(host, ":");
	if (!strncmp(host, "127.", 4))
		return strspn(host, "0123456789.") == n;
	return n >= sizeof name - 1 && !strncasecmp(host + n - (sizeof name - 1), name, sizeof name - 1) &&
	       (n == sizeof name - 1 || host[n - sizeof name] == '.');
}

/* "" or a colon and a number of 1 to 65,535. */
static bool is_port(const char *text, size_t n)
{
	unsigned long port = 0;

	for (size_t i = 1; i < n; i++) {
		if (!isdigit((unsigned char)text[i]) || i > 5)
			return false;
		port = 10 * port + (unsigned long)(text[i] - '0');
	}
	return !n || (n > 1 && text[0] == ':' && port >= 1 && port <= 65535);
}

/* A name, a number or [an IPv6 address], and perhaps a port. */
static bool is_host(const char *text, size_t n)
{
	const char *close = n && *text == '[' ? memchr(text, ']', n) : NULL;
	size_t host = 0;

	if (close)
		host = (size_t)(close - text) + 1;
	else
		while (host < n && !strchr(":[]", text[host]))
			host++;
	return host > (close ? 2 : 0) && is_port(text + host, n - host);
}

int url_check(const char *what, const char *url, struct err *err)
{
	bool http = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
	const char *host = http ? strstr(url, "://") + 3 : "", *at;
	size_t n = strcspn(host, "/?#");

	for (const char *p = url; *p; p++)
		http = http && !isspace((unsigned char)*p) && !iscntrl((unsigned char)*p);
	if (!http) {
		err_set(err, ERR_USAGE,
			"%s: expected an address that begins with http:// or https:// and has no blanks", what);
		return err_hint(err, "such as http://127.0.0.1:9093");
	}
	at = memrchr(host, '@', n); /* name and password precede it */
	n -= at ? (size_t)(at + 1 - host) : 0;
	host = at ? at + 1 : host;
	if (is_host(host, n))
		return 0;
	err_set(err, ERR_USAGE, "%s: expected a host behind ://, and perhaps a port of 1 to 65535", what);
	return err_hint(err, "such as http://127.0.0.1:9093 or http://[::1]:9093");
}

int url_check_base(const char *what, const char *url, struct err *err)
{
	int rc = url_check(what, url, err);

	if (rc || !strpbrk(url, "?#"))
		return rc;
	err_set(err, ERR_USAGE, "%s: expected an address without ? and #", what);
	return err_hint(err, "paths are added to it, such as /insert/jsonline");
}

int url_check_ca(const char *option, const char *url, const char *ca, struct err *err)
{
	enum { CERTIFICATES_MAX_BYTES = 16 << 20 };
	struct buf text = { 0 };
	int rc;

	if (!ca)
		return 0;
	if (strncmp(url, "https://", 8) != 0)
		return err_set(err, ERR_USAGE, "--%s has no effect without an https:// address", option);
	rc = file_read(&text, ca, CERTIFICATES_MAX_BYTES, err);
	if (!rc && !(text.used && memmem(text.p, text.used, "-----BEGIN ", 11)))
		rc = err_set(err, ERR_FORMAT, "%s: holds no certificate; expected PEM (-----BEGIN CERTIFICATE-----)",
			     ca);
	buf_free(&text);
	return rc;
}
