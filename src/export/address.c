#include "export/address.h"

#include "base/slice.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

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
	err_set(err, ERR_USAGE, "--listen: found \"%.200s\", expected ADDR:PORT with a port of 0 to 65535", text);
	return err_hint(err, "127.0.0.1:8000 is reached from this machine only, 0.0.0.0:8000 from everywhere, port 0 takes a free one");
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
