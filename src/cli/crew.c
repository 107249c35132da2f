#include "cli/crew.h"

#include "base/cpu.h"

#include <pthread.h>
#include <stdlib.h>

enum { CREW_DEFAULT_MAX = 16, PATIENCE = 500 /* looks, some 10 to 40 us */ };
static const uint64_t BYTES_PER_THREAD = 2 << 20; /* less is read before another thread has begun */

struct crew {
	struct reader *reader;
	struct analysis *analysis;
	const struct crew_witness *witness; /* NULL: none */

	pthread_mutex_t reading;
	uint64_t taken; /* blocks */
	bool over;	/* no more blocks, or an error */
	int rc;
	struct err err;

	pthread_mutex_t placing;
	pthread_cond_t placed_more;
	_Atomic uint64_t placed; /* blocks; changed under `placing` */
};

struct member {
	struct crew *crew;
	struct gather *numbers;
	struct block block;
	struct record_decoder decoder;
	struct columns *records;
	uint64_t number; /* of the block */
};

/* Most often the lock is free again before a sleeping thread would have been woken. To yield instead would be wrong: who is
 * never woken stays on his processor when another one falls idle. */
static void lock_soon(pthread_mutex_t *mutex)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (!pthread_mutex_trylock(mutex))
			return;
		cpu_relax();
	}
	pthread_mutex_lock(mutex);
}

static void stop_reading(struct crew *c, int rc, const struct err *err)
{
	c->over = true;
	if (c->rc || !rc)
		return;
	c->rc = rc;
	c->err = *err;
}

/* Its bytes are read while others take theirs. What cannot be read is an empty block, so that the others have their turn. */
static void fetch_block(struct member *m)
{
	struct err err;
	int rc = block_fetch(&m->block, &err);

	if (!rc)
		return;
	lock_soon(&m->crew->reading);
	stop_reading(m->crew, rc, &err);
	pthread_mutex_unlock(&m->crew->reading);
}

/* The next block into m; false at the end. */
static bool take_block(struct member *m)
{
	struct crew *c = m->crew;
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
	if (rc > 0)
		fetch_block(m);
	return rc > 0;
}

/* Most often the others are about to be done. */
static void wait_for_turn(struct member *m)
{
	struct crew *c = m->crew;

	for (int i = 0; i < PATIENCE && c->placed != m->number; i++)
		cpu_relax();
	if (c->placed == m->number)
		return;
	pthread_mutex_lock(&c->placing);
	while (c->placed != m->number)
		pthread_cond_wait(&c->placed_more, &c->placing);
	pthread_mutex_unlock(&c->placing);
}

static void pass_turn(struct crew *c)
{
	pthread_mutex_lock(&c->placing);
	c->placed++;
	pthread_cond_broadcast(&c->placed_more);
	pthread_mutex_unlock(&c->placing);
}

/* A block is placed as a whole: its later parts are decoded while the others wait. */
static void work_through(struct member *m)
{
	struct record_decoder *d = &m->decoder;

	record_decoder_feed(d, m->block.text);
	for (unsigned part = 0; !part || d->p != d->end; part++) {
		struct tally tally;

		record_decoder_release(d);
		read_records(&m->block, d, part, m->records, &tally);
		gather_sort(m->numbers, m->records);
		if (!part)
			wait_for_turn(m);
		read_account(m->crew->reader, &tally);
		analyze_place(m->crew->analysis, m->numbers);
		if (m->crew->witness)
			m->crew->witness->see(m->crew->witness->ctx, m->records);
		if (d->p == d->end)
			pass_turn(m->crew);
		gather_add(m->numbers);
	}
}

static void *work(void *ctx)
{
	struct member *m = ctx;

	while (take_block(m))
		work_through(m);
	return NULL;
}

static bool join_crew(struct member *m, struct crew *c, struct err *err)
{
	*m = (struct member){ .crew = c, .decoder.map = read_map(c->reader) };
	m->records = aligned_alloc(64, sizeof *m->records);
	if (!m->records) {
		err_set(err, ERR_NOMEM, "no memory to read with");
		return false;
	}
	m->numbers = analyze_helper(c->analysis, err);
	return m->numbers;
}

static void leave_crew(struct member *m)
{
	if (m->numbers)
		analyze_take(m->crew->analysis, m->numbers);
	block_free(&m->block);
	record_decoder_free(&m->decoder);
	free(m->records);
}

unsigned crew_size(const struct reader *r, uint64_t most)
{
	uint64_t cores = (uint64_t)cpu_count(), bytes = read_total_bytes(r);

	if (most == UINT64_MAX)
		most = cores < CREW_DEFAULT_MAX ? cores : CREW_DEFAULT_MAX;
	if (most > CREW_MAX)
		most = CREW_MAX;
	if (bytes && most > 1 + bytes / BYTES_PER_THREAD)
		most = 1 + bytes / BYTES_PER_THREAD;
	return most ? (unsigned)most : 1;
}

/* The helpers work until there are no more blocks; the caller works with them. */
static void work_together(struct member *m, unsigned n)
{
	pthread_t thread[CREW_MAX];
	unsigned started = 1;

	while (started < n && !pthread_create(&thread[started], NULL, work, &m[started]))
		started++;
	work(&m[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(thread[i], NULL);
}

int crew_read(struct reader *r, struct analysis *a, const struct crew_witness *witness, unsigned threads, struct err *err)
{
	struct crew crew = { .reader = r, .analysis = a, .witness = witness, .reading = PTHREAD_MUTEX_INITIALIZER,
			     .placing = PTHREAD_MUTEX_INITIALIZER, .placed_more = PTHREAD_COND_INITIALIZER };
	struct member member[CREW_MAX];
	unsigned n = 0;
	bool fine = true;

	while (n < threads && fine)
		fine = join_crew(&member[n++], &crew, err);
	if (fine)
		work_together(member, n);
	while (n)
		leave_crew(&member[--n]);
	if (!fine)
		return -ERR_NOMEM;
	if (crew.rc && err)
		*err = crew.err;
	return crew.rc ? crew.rc : read_end(r, err);
}
