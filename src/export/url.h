/* url.h - addresses that alarms are sent to and numbers are fetched from. */
#ifndef RWKVMON_EXPORT_URL_H
#define RWKVMON_EXPORT_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Refuses what is no http or https address; `what` names it in errors ("webhook"). */
int url_check(const char *what, const char *url, struct err *err);

/* The same for an address to which paths are added: it has no ? and no #. */
int url_check_base(const char *what, const char *url, struct err *err);

/* The file of certificates by which such an address is believed: refuses one that holds none, and one beside http://,
 * where nobody looks at it. NULL is the system's. */
int url_check_ca(const char *option, const char *url, const char *ca, struct err *err);

/* Is it this machine by its name or number (localhost, 127.…, [::1])? */
bool url_is_loopback(const char *url);

/* Scheme, host and port, as far as an address may be shown. */
void url_redact(char *out, size_t n, const char *url);

#endif
