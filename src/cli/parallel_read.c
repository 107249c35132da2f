/* parallel_read.c - threads take blocks in turn, pass them in order, and add up side by side. */
#include "cli/parallel_read.h"

#include "base/affinity.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "collect/limits.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	THREADS_DEFAULT_MAX = 16,
	PATIENCE = 500,       /* checks before sleeping, about 10 to 40 us */
	THREADS_IN_TURN = 2,  /* members that keep going when numbers are added up in turn */
	HELD_TWICE_MAX = 1024 /* sessions of which several threads have numbers */
};
static const uint64_t BYTES_PER_THREAD = 2 << 20; /* less is read before another thread has begun */

struct parallel_read {
	struct reader *reader;
	struct analysis *analysis;
	const struct read_observer *observer; /* NULL: none */

	pthread_mutex_t reading;
	uint64_t taken; /* blocks */
	bool over;      /* no more blocks, or an error */
	int rc;
	struct err err;

	pthread_mutex_t placing;
	pthread_cond_t placed_more;
	_Atomic uint64_t placed; /* blocks; changed under `placing` */
	_Atomic size_t held;     /* sessions that members have numbers of, all together */
};

/* A block that was decoded before its turn: one more is decoded meanwhile. */
struct parked {
	bool is; /* there is one */
	uint64_t number;
	size_t wanted; /* rows */
	struct tally tally;
	struct columns *records; /* NULL: there never was one */
};

struct member {
	struct parallel_read *all;
	unsigned place;            /* among the threads */
	struct gathering *numbers; /* of its own; NULL: adds up in turn, with the analysis' */
	size_t held;
	struct block block;
	struct record_decoder decoder;
	struct columns *records;
	uint64_t number; /* of the block */
	struct parked parked;
};

/* Most often the lock is free again before a sleeping thread would have been woken. Yielding instead would be wrong: a
 * thread that is never woken stays on its processor even if another processor becomes idle. */
static void lock_soon(pthread_mutex_t *mutex)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (!pthread_mutex_trylock(mutex))
			return;
		cpu_relax();
	}
	pthread_mutex_lock(mutex);
}

static void stop_reading(struct parallel_read *c, int rc, const struct err *err)
{
	c->over = true;
	if (c->rc || !rc)
		return;
	c->rc = rc;
	c->err = *err;
}

/* The next block into m; false at the end. */
static bool fetch_block(struct member *m)
{
	struct parallel_read *c = m->all;
	struct err err;
	int rc = 0;

	lock_soon(&c->reading);
	if (!c->over)
		rc = read_block(c->reader, &m->block, &err);
	if (rc <= 0)
		stop_reading(c, rc, &err);
	m->number = c->taken;
	c->taken += rc > 0;
	pthread_mutex_unlock(&c->reading);
	return rc > 0;
}

/* Usually the other threads are almost done. */
static void wait_for_turn(struct parallel_read *c, uint64_t number)
{
	for (int i = 0; i < PATIENCE && c->placed != number; i++)
		cpu_relax();
	if (c->placed == number)
		return;
	pthread_mutex_lock(&c->placing);
	while (c->placed != number)
		pthread_cond_wait(&c->placed_more, &c->placing);
	pthread_mutex_unlock(&c->placing);
}

static void pass_turn(struct parallel_read *c)
{
	pthread_mutex_lock(&c->placing);
	c->placed++;
	pthread_cond_broadcast(&c->placed_more);
	pthread_mutex_unlock(&c->placing);
}

/* Reads bytes while other threads take theirs. After a read error there are no more blocks: this thread ends, and the
 * others get their turn. */
static void decode_records(struct member *m, unsigned part, struct tally *tally)
{
	struct err err;
	int rc = read_records(&m->block, &m->decoder, part, m->records, tally, &err);

	if (!rc)
		return;
	lock_soon(&m->all->reading);
	stop_reading(m->all, rc, &err);
	pthread_mutex_unlock(&m->all->reading);
}

static void add_up(struct member *m)
{
	size_t held;

	gathering_add(m->numbers);
	held = gathering_sessions(m->numbers);
	m->all->held += held - m->held;
	m->held = held;
}

/* Called in turn: if there are so many sessions at a time that each thread holds numbers of most of them, the thread
 * gives up its own numbers.
 */
static void give_up_numbers(struct member *m)
{
	struct parallel_read *c = m->all;

	if (c->held <= analyze_sessions(c->analysis) + HELD_TWICE_MAX)
		return;
	add_up(m);
	c->held -= m->held;
	analyze_take(c->analysis, m->numbers);
	m->numbers = NULL;
}

/* Called in turn: places rows; returns how many are best taken at once. */
static size_t place_records(struct member *m, const struct tally *tally, size_t wanted)
{
	struct parallel_read *c = m->all;

	read_account(c->reader, tally);
	if (c->observer)
		c->observer->see(c->observer->ctx, m->records);
	if (!m->numbers)
		return analyze_push_columns(c->analysis, m->records);
	analyze_in_order(c->analysis, m->numbers);
	return wanted;
}

/* Places rows, in turn; `last`: of their block. */
static void place_and_add(struct member *m, const struct tally *tally, size_t *wanted, bool last)
{
	const bool has_own = m->numbers;

	*wanted = place_records(m, tally, *wanted);
	if (has_own)
		give_up_numbers(m);
	if (last)
		pass_turn(m->all);
	if (m->numbers)
		add_up(m);
}

static void exchange(struct member *m)
{
	struct columns *records = m->records;

	m->records = m->parked.records;
	m->parked.records = records;
}

/* Waits for the turn of the block that was decoded before its turn. */
static void place_parked(struct member *m)
{
	if (!m->parked.is)
		return;
	m->parked.is = false;
	wait_for_turn(m->all, m->parked.number);
	exchange(m);
	gathering_park(m->numbers);
	place_and_add(m, &m->parked.tally, &m->parked.wanted, true);
	exchange(m);
	if (m->numbers)
		gathering_park(m->numbers);
}

/* A block that is decoded as a whole and whose turn has not come may wait while the next one is decoded. */
static bool park(struct member *m, const struct tally *tally, size_t wanted)
{
	const struct columns *records = m->records;

	if (m->all->placed == m->number || !m->numbers || records->n_whole || !block_over(&m->block, &m->decoder) ||
	    !record_decoder_has_room(&m->decoder))
		return false;
	if (!m->parked.records)
		m->parked.records = aligned_alloc(64, sizeof *m->parked.records);
	if (!m->parked.records || !gathering_park(m->numbers))
		return false;
	m->parked.is = true;
	m->parked.number = m->number;
	m->parked.wanted = wanted;
	m->parked.tally = *tally;
	exchange(m);
	return true;
}

/* A block is placed as a whole: its later parts are decoded while the others wait. */
static void work_through(struct member *m)
{
	struct record_decoder *d = &m->decoder;
	size_t rows = 0, wanted = 0, bytes = 0;

	for (unsigned part = 0; !part || !block_over(&m->block, d); part++) {
		struct tally tally;

		if (!m->parked.is)
			record_decoder_release(d);
		decode_records(m, part, &tally);
		bytes += tally.bytes;
		rows += m->records->n;
		if (m->numbers)
			wanted = gathering_sort(m->numbers, m->records);
		place_parked(m);
		if (!part && park(m, &tally, wanted))
			break;
		if (!part)
			wait_for_turn(m->all, m->number);
		place_and_add(m, &tally, &wanted, block_over(&m->block, d));
	}
	if (rows)
		m->block.wanted_bytes = bytes / rows * wanted;
}

static void free_buffers(struct member *m)
{
	block_free(&m->block);
	record_decoder_free(&m->decoder);
	free(m->records);
	free(m->parked.records);
	m->records = m->parked.records = NULL;
}

static void *work(void *ctx)
{
	struct member *m = ctx;

	while ((m->numbers || m->place < THREADS_IN_TURN) && fetch_block(m))
		work_through(m);
	place_parked(m);
	free_buffers(m);
	return NULL;
}

static bool start_member(struct member *m, struct parallel_read *c, unsigned place, struct err *err)
{
	*m = (struct member){ .all = c, .place = place, .decoder.map = read_map(c->reader) };
	m->records = aligned_alloc(64, sizeof *m->records);
	if (!m->records) {
		err_set(err, ERR_NOMEM, "no memory to read with");
		return false;
	}
	m->numbers = analyze_helper(c->analysis, err);
	return m->numbers;
}

static void end_member(struct member *m)
{
	if (m->numbers)
		analyze_take(m->all->analysis, m->numbers);
	free_buffers(m);
}

unsigned parallel_read_threads(const struct reader *r, uint64_t most)
{
	uint64_t cores = (uint64_t)limits_threads(""), bytes = read_total_bytes(r);

	if (most == UINT64_MAX)
		most = cores < THREADS_DEFAULT_MAX ? cores : THREADS_DEFAULT_MAX;
	if (most > PARALLEL_READ_MAX)
		most = PARALLEL_READ_MAX;
	if (bytes && most > 1 + bytes / BYTES_PER_THREAD)
		most = 1 + bytes / BYTES_PER_THREAD;
	return most ? (unsigned)most : 1;
}

/* The helpers work until there are no more blocks; the caller works with them. */
static void work_together(struct member *m, unsigned n)
{
	pthread_t thread[PARALLEL_READ_MAX];
	struct affinity apart;
	unsigned started = 1;

	affinity_split(&apart, n);
	while (started < n && !affinity_start(&apart, started, &thread[started], work, &m[started]))
		started++;
	work(&m[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
	affinity_rejoin(&apart);
}

int parallel_read(struct reader *r, struct analysis *a, const struct read_observer *observer, unsigned threads,
		  struct err *err)
{
	struct parallel_read all = { .reader = r,
				     .analysis = a,
				     .observer = observer,
				     .reading = PTHREAD_MUTEX_INITIALIZER,
				     .placing = PTHREAD_MUTEX_INITIALIZER,
				     .placed_more = PTHREAD_COND_INITIALIZER };
	struct member member[PARALLEL_READ_MAX];
	unsigned n = 0;
	bool fine = true;

	if (threads > 1)
		memory_share();
	for (; n < threads && fine; n++)
		fine = start_member(&member[n], &all, n, err);
	if (fine)
		work_together(member, n);
	while (n)
		end_member(&member[--n]);
	if (!fine)
		return -ERR_NOMEM;
	if (all.rc && err)
		*err = all.err;
	return all.rc ? all.rc : read_end(r, err);
}
