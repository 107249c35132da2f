/* address.h - parses the address on which a server listens. */
#ifndef RWKVMON_EXPORT_ADDRESS_H
#define RWKVMON_EXPORT_ADDRESS_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_BYTES = 256, ADDRESS_URL_BYTES = ADDRESS_HOST_BYTES + 32, ADDRESS_PORT_DEFAULT = 8000 };

struct address {
	char host[ADDRESS_HOST_BYTES]; /* without brackets */
	uint16_t port;
};

/* "ADDR:PORT", "[IPv6]:PORT", "ADDR", "PORT", ":PORT", ""; missing parts are 127.0.0.1 and 8000. */
int address_parse(struct address *out, const char *text, struct err *err);

/* Is it a loopback host? "localhost", 127.0.0.0/8, ::1. */
bool address_is_loopback(const char *host);

/* Does a Host header (none: "") name this machine? A page of another site may have its name resolve to this machine;
 * its requests carry that name. */
bool address_host_is_loopback(struct slice header);

/* A socket that listens there, without blocking; *url is where, with the port that was taken: "http://127.0.0.1:8000".
 */
int address_open(int *socket, char *url, size_t url_bytes, const struct address *address, struct err *err);

#endif
