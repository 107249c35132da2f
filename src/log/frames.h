/* frames.h - zstd, one whole frame per write.
 *
 * A frame holds whole lines and has a checksum; frames simply follow each other, which is
 * what every zstd reader understands. So what was written stays readable whatever happens
 * after it, and several processes may append to one file.
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

/* Where the last whole frame of a file ends, looking from `from`, which must be the start
 * of a frame, to `size`. Less than size: a torn frame stands there, and nothing whole after
 * it. Damage in the middle is stepped over: whole frames behind it are kept. A read error
 * counts as "all is whole": nothing is cut off on a guess. */
uint64_t frames_whole_end(int fd, uint64_t from, uint64_t size);

#endif
