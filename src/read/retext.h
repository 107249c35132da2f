/* retext.h - restores the lines of logs that another program wrapped or encoded differently.
 *
 * UTF-16 with its mark (what PowerShell's redirection writes) becomes UTF-8. Lines that a container or the journal put
 * words around lose these: Docker's json-file, CRI, docker compose, journald's JSON, a syslog prefix. Pieces of a long
 * line (CRI's P, Docker's without a line end) are put together. Lines that are none of these pass as they are.
 *
 * Ownership  retext_open creates, retext_close destroys.
 * Bounds     a line of RETEXT_LINE_MAX bytes; what is longer passes as it is. While the source goes on, what comes
 *            between two pieces waits; beyond RETEXT_BETWEEN_MAX bytes of it, the line passes as far as it came.
 */
#ifndef RWKVMON_READ_RETEXT_H
#define RWKVMON_READ_RETEXT_H

#include "base/slice.h"
#include "read/read.h"

enum text_form { FORM_UNDECIDED, FORM_PLAIN, FORM_UTF16LE, FORM_UTF16BE, FORM_WRAPPED };

enum { RETEXT_LINE_MAX = 48 << 20, RETEXT_BETWEEN_MAX = 64 << 10 };

/* Decided by the first bytes of a text; undecided as long as its lines do not show the form and more may come. */
enum text_form text_form_of(struct slice begin, bool all);

struct retext;

/* `begin` was pulled already and is copied. `goes_on`: an unfinished last line waits for its end; a pull of 0 bytes is
 * asked again. NULL when memory is out. */
struct retext *retext_open(enum text_form form, struct slice begin, bool goes_on, read_pull *pull, void *ctx);
void retext_close(struct retext *t);

/* A read_pull whose ctx is the struct retext. */
ssize_t retext_pull(void *ctx, void *buffer, size_t n);

/* Of a source that goes on and of which nothing more is awaited: what waits behind a piece may be pulled, as may the
 * piece. False: nothing does. */
bool retext_await_no_more(struct retext *t);

/* Bytes of the source up to the last complete line. */
uint64_t retext_whole(const struct retext *t);
/* All of them were pulled. */
bool retext_is_drained(const struct retext *t);

#endif
