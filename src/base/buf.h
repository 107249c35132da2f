/* buf.h - a growing buffer in which text is built.
 *
 * Invariants  `used <= cap`; when `p` is not NULL, p[used] is 0, so that p is a C string.
 * Failure     `failed` sticks: append everything, test once at the end.
 * Ownership   buf_free releases; a zeroed struct is an empty buffer.
 */
#ifndef RWKVMON_BASE_BUF_H
#define RWKVMON_BASE_BUF_H

#include "base/slice.h"

#include <stdint.h>

struct buf {
	char *p;
	size_t used, cap; /* bytes */
	bool failed;
};

void buf_free(struct buf *b);
void buf_free_into(struct buf *part, struct buf *whole); /* of which it is a part: it has failed if the part has */
void buf_clear(struct buf *b);                           /* keeps the memory */
void buf_rewind(struct buf *b); /* the same, and a failure stays: for a text that is written piece by piece */
bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct slice buf_slice(const struct buf *b);

/* As a C string: "" while there is nothing in it, also because there was no memory for it. */
static inline const char *buf_text(const struct buf *b)
{
	return b->p ? b->p : "";
}

/* A JSON string with its quotes. Control characters are escaped; a byte that is not
 * part of valid UTF-8 becomes U+FFFD; '<', '>' and '&' are escaped as \u00xx, so that
 * the text may stand inside an HTML <script>. */
void buf_json_string(struct buf *b, struct slice text);

/* Shortest decimal that reads back as the same double; `null` when not finite. */
void buf_json_double(struct buf *b, double value);

/* Rounded to `decimals` (0..9) with trailing zeros dropped: 32.5, 2457, 0.92.
 * `null` when not finite. */
void buf_json_decimal(struct buf *b, double value, int decimals);

/* One word of a POSIX shell's command: quoted where it holds anything that the shell would take apart, and with ./
 * before a dash that a program would take for an option ("-" alone stays). */
void buf_shell_word(struct buf *b, const char *text);

void buf_u64(struct buf *b, uint64_t value);

#endif
