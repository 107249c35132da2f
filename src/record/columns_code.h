/* columns_code.h - writes columns as bytes, a tenth or less of their text, and reads them back: equal to the bit in all
 * that an analysis takes.
 *
 * Left out are tokens, their text, the caller's own fields and JSON fields. A quantity is written as differences from
 * the row before, or from the session's row before, as whole numbers of seven bits a byte; where they repeat, as runs.
 *
 * Ownership  columns_coder_open creates, columns_coder_close destroys. What decoded columns point to lives in the coder
 *            and in the bytes, until the next use of either.
 * Bounds     decoding allocates at most 30 MB and twice the size of the bytes.
 */
#ifndef RWKVMON_RECORD_COLUMNS_CODE_H
#define RWKVMON_RECORD_COLUMNS_CODE_H

#include "base/buf.h"
#include "record/columns.h"

struct columns_coder;

struct columns_coder *columns_coder_open(void); /* NULL: no memory */
void columns_coder_close(struct columns_coder *k);

/* Appends n rows (1..COLUMNS_ROWS) from `from` on; out->failed: no memory. */
void columns_encode(struct columns_coder *k, struct buf *out, const struct columns *c, size_t from, size_t n);

/* False: the bytes are not what columns_encode writes, or memory is out. Whatever they are, rows that are decoded have
 * values that a log can have. */
bool columns_decode(struct columns_coder *k, struct slice bytes, struct columns *out);

/* Tells apart versions of this program whose metrics, fields or events differ: their bytes mean something else. */
uint64_t columns_code_vocabulary(void);

/* Whole numbers of seven bits a byte, the lowest first. */
void code_number(struct buf *out, uint64_t value);
void code_text(struct buf *out, struct slice text); /* with its length before it */

/* Bytes that are being read; `bad` sticks: read everything, test once. */
struct code_reader {
	const char *p, *end;
	bool bad;
};

uint64_t code_read_number(struct code_reader *r);
struct slice code_read_text(struct code_reader *r);

/* Differences, also negative ones, as small numbers. */
static inline uint64_t code_fold(uint64_t difference)
{
	return difference << 1 ^ (uint64_t) - (int64_t)(difference >> 63);
}

static inline uint64_t code_unfold(uint64_t folded)
{
	return folded >> 1 ^ (uint64_t) - (int64_t)(folded & 1);
}

#endif
