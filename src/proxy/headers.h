/* headers.h - decides which header lines a proxy forwards, and which are only for the next hop. */
#ifndef RWKVMON_PROXY_HEADERS_H
#define RWKVMON_PROXY_HEADERS_H

#include "base/slice.h"

/* True: the header is not forwarded (RFC 9110, 7.6.1), because it belongs to this connection, or the Connection header
 * ("" if absent) names it. */
bool header_is_hop_by_hop(struct slice name, struct slice connection);

bool header_is(struct slice name, const char *wanted); /* in any case */

/* "Name: value" in its parts, without blanks around the value; false: it is no header line. */
bool header_split(struct slice line, struct slice *name, struct slice *value);

#endif
