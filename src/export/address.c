/* address.c - IPv4, [IPv6], host names, and the port behind the last colon. */
#include "export/address.h"

#include "base/slice.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static bool parse_port(uint16_t *out, const char *text)
{
	char *end;
	unsigned long port = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 65536;

	if (port > 65535 || *end)
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

static bool is_ipv6(const char *text)
{
	struct in6_addr six;

	return inet_pton(AF_INET6, text, &six) == 1;
}

/* Where "HOST:PORT" is split: at the last colon, outside brackets; NULL: no port is named. */
static const char *port_colon(const char *text)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');

	return colon && (!bracket || colon > bracket) && !is_ipv6(text) ? colon : NULL;
}

static bool parse(struct address *out, const char *text)
{
	const char *colon = port_colon(text);
	size_t n = colon ? (size_t)(colon - text) : strlen(text);

	if (all_digits(text))
		return parse_port(&out->port, text);
	if (colon && !parse_port(&out->port, colon + 1))
		return false;
	if (n && *text == '[') {
		if (n < 3 || text[n - 1] != ']')
			return false;
		text++;
		n -= 2;
	}
	if (n >= sizeof out->host)
		return false;
	if (n)
		snprintf(out->host, sizeof out->host, "%.*s", (int)n, text);
	return !strpbrk(out->host, " /[]@?#");
}

int address_parse(struct address *out, const char *text, struct err *err)
{
	*out = (struct address){ .host = "127.0.0.1", .port = ADDRESS_PORT_DEFAULT };
	if (parse(out, text))
		return 0;
	err_set(err, ERR_USAGE,
		"found \"%.200s\" as the address to listen on, expected ADDR:PORT with a port of 0 to 65535", text);
	return err_hint(err, "127.0.0.1:8000 is reached from this machine only, 0.0.0.0:8000 from everywhere, port 0 "
			     "takes a free one");
}

bool address_is_loopback(const char *host)
{
	struct in_addr four;
	struct in6_addr six;

	if (!strcmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool address_host_is_loopback(struct slice header)
{
	struct address address;
	char text[ADDRESS_HOST_BYTES];

	if (!header.n)
		return true; /* HTTP/1.0; no browser */
	if (header.n >= sizeof text)
		return false;
	snprintf(text, sizeof text, "%.*s", SLICE_ARG(header));
	return !address_parse(&address, text, NULL) && address_is_loopback(address.host);
}

/* 0, or why not. */
static int bind_first(int *out, const struct addrinfo *found)
{
	int yes = 1, failed = EADDRNOTAVAIL;

	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0) {
			failed = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
		if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG)) {
			*out = fd;
			return 0;
		}
		failed = errno;
		close(fd);
	}
	return failed;
}

/* The address as a browser wants it. */
static void name_url(char *url, size_t n, int fd, const struct address *address)
{
	struct sockaddr_storage at;
	socklen_t at_bytes = sizeof at;
	char port[8] = "0";
	bool six = strchr(address->host, ':');

	if (!getsockname(fd, (struct sockaddr *)&at, &at_bytes))
		getnameinfo((struct sockaddr *)&at, at_bytes, NULL, 0, port, sizeof port, NI_NUMERICSERV);
	snprintf(url, n, "http://%s%s%s:%s", six ? "[" : "", address->host, six ? "]" : "", port);
}

int address_open(int *socket, char *url, size_t url_bytes, const struct address *address, struct err *err)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[8], said[ERR_SAID_BYTES];
	int failed;

	snprintf(port, sizeof port, "%u", address->port);
	failed = getaddrinfo(address->host, port, &wanted, &found);
	if (failed)
		return err_set(err, ERR_SYSTEM, "the address \"%s\" to listen on is not known: %s", address->host,
			       err_said(said, gai_strerror(failed)));
	failed = bind_first(socket, found);
	freeaddrinfo(found);
	if (!failed) {
		name_url(url, url_bytes, *socket, address);
		return 0;
	}
	err_set_os(err, ERR_SYSTEM, failed, "cannot listen on %s port %s", address->host, port);
	return failed == EADDRINUSE
		       ? err_hint(err, "another program has that port; name another one, or port 0 for a free one")
		       : -(int)err->code;
}
