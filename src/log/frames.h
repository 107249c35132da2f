/* frames.h - compresses with zstd, one whole frame per write.
 *
 * A frame holds whole lines and has a checksum. Frames follow each other directly, which every zstd reader understands.
 * So everything written stays readable whatever happens later, and several processes may append to one file.
 *
 * Threads  a packer belongs to one thread.
 */
#ifndef RWKVMON_LOG_FRAMES_H
#define RWKVMON_LOG_FRAMES_H

#include "base/buf.h"

struct packer;

struct packer *packer_open(void); /* NULL: out of memory */
void packer_close(struct packer *p);

/* The lines as one frame; valid until the next call. false: out of memory. */
bool packer_pack(struct packer *p, struct slice lines, struct slice *frame);

/* Where the last whole frame of a file ends, searching from `from`, which must be the start of a frame, to `size`. If
 * the result is less than size, a torn frame follows, and no whole frame after it. Damage in the middle is skipped:
 * whole frames after it are kept. After a read error everything counts as whole, so that nothing is cut off on a
 * guess. */
uint64_t frames_whole_end(int fd, uint64_t from, uint64_t size);

#endif
