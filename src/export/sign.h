/* sign.h - HMAC-SHA256 and its texts, for services that want requests signed.
 *
 * The sums are libcrypto's, which libcurl brings along: loaded when they are first needed, never linked. */
#ifndef RWKVMON_EXPORT_SIGN_H
#define RWKVMON_EXPORT_SIGN_H

#include "base/buf.h"
#include "base/err.h"

/* 0 when sign_text can work; else an error that says what to install. */
int sign_ready(struct err *err);

/* Appends base64(hmac_sha256(key, message)); out->failed after trouble. */
void sign_text(struct buf *out, struct slice key, struct slice message);

/* Appends text as the value of a query: everything except letters, digits and -._~ as %XX. */
void sign_add_query(struct buf *out, struct slice text);

#endif
