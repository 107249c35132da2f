/* unpack.h - bytes of a gzip or zstd file as the text they hold, as they come.
 *
 * Several members or frames in a row are one text. Damage ends a gzip text; a zstd text continues at the next frame.
 * Text from before the damage stays valid.
 *
 * Ownership  unpack_open creates, unpack_close destroys.
 * Errors     a source that cannot be read is -1 with errno; damage is no error, see unpack_damage.
 */
#ifndef RWKVMON_READ_UNPACK_H
#define RWKVMON_READ_UNPACK_H

#include "base/slice.h"
#include "read/read.h"

enum { PACKING_MAGIC_BYTES = 4 };

/* By the first bytes of a file. */
enum packing packing_of(struct slice begin);

struct unpack;

/* `begin` was pulled already and is copied. `goes_on`: the source is still being written, so a member or frame without
 * its end is no damage. NULL when memory is out. */
struct unpack *unpack_open(enum packing packing, struct slice begin, bool goes_on, read_pull *pull, void *ctx);
void unpack_close(struct unpack *u);

/* A read_pull whose ctx is the struct unpack. */
ssize_t unpack_pull(void *ctx, void *buffer, size_t n);

/* Bytes of the source, `begin` included, behind which nothing is open: members or frames that have come whole. */
uint64_t unpack_whole(const struct unpack *u);
/* … and of the text that they hold. */
uint64_t unpack_whole_text(const struct unpack *u);

/* The damage met since the last call, in a sentence for people, or NULL. */
const char *unpack_damage(struct unpack *u);

#endif
