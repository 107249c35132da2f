/* address.h - where a server listens, from text. */
#ifndef RWKVMON_EXPORT_ADDRESS_H
#define RWKVMON_EXPORT_ADDRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_BYTES = 256, ADDRESS_PORT_DEFAULT = 8000 };

struct address {
	char host[ADDRESS_HOST_BYTES]; /* without brackets */
	uint16_t port;
};

/* "ADDR:PORT", "[IPv6]:PORT", "ADDR", "PORT", ":PORT", ""; what is not said is 127.0.0.1 and 8000. */
int address_parse(struct address *out, const char *text, struct err *err);

/* Is it this machine, whoever asks? "localhost", 127.0.0.0/8, ::1. */
bool address_is_loopback(const char *host);

#endif
