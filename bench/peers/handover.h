/* handover.h - handing 64 bytes to another thread, ours and a peer's way, in one program.
 *
 * Threads  open, put and close are called from one thread; each way has a consumer thread of its own.
 * Cost     put is what is measured; it may drop when the consumer is behind, and counts.
 */
#ifndef PEERS_HANDOVER_H
#define PEERS_HANDOVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int ours_open(void);
/* A time stamp and four numbers. */
void ours_put(uint64_t a, uint64_t b, uint64_t c, double d);
uint64_t ours_dropped(void);
void ours_close(void);

#ifdef __cplusplus
}
#endif

#endif
