/* The ring: order, bounds, wrap-around; two threads under TSan. */
#include "test.h"

#include "record/ring.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void entries_come_out_as_they_went_in(void **state)
{
	struct ring r;
	uint64_t put = 0, got = 0;
	uint64_t seed = 1;

	(void)state;
	assert_int_equal(ring_open(&r, 4096, NULL), 0);
	while (got < 20000) {
		size_t n, bytes = 8 + (seed = seed * 6364136223846793005u + 1442695040888963407u) % 500;
		uint64_t *in = put < 20000 ? ring_reserve(&r, bytes) : NULL;
		const uint64_t *out;

		if (in) {
			memset(in, (int)(put & 0xff), bytes);
			*in = put++;
			ring_commit(&r);
			if (seed % 3)
				continue;
		}
		out = ring_front(&r, &n);
		if (!out)
			continue;
		assert_true(*out == got);
		if (n > 8)
			assert_int_equal(((const unsigned char *)out)[n - 1], got & 0xff);
		got++;
		ring_pop(&r);
	}
	ring_close(&r);
}

static void a_full_ring_refuses_and_recovers(void **state)
{
	struct ring r;
	size_t n, taken = 0;

	(void)state;
	assert_int_equal(ring_open(&r, 4096, NULL), 0);
	assert_null(ring_reserve(&r, 4096 / 4 + 1)); /* larger than any entry may be */
	while (ring_reserve(&r, 100)) {
		ring_commit(&r);
		taken++;
	}
	assert_in_range(taken, 36, 37);
	assert_non_null(ring_front(&r, &n));
	ring_pop(&r);
	assert_non_null(ring_reserve(&r, 100));
	ring_close(&r);
}

static size_t resident_bytes(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What a sanitizer keeps beside the memory is as large as all of it. */
static void assert_resident_below(size_t bytes)
{
#if !defined(__SANITIZE_THREAD__)
	assert_true(resident_bytes() < bytes);
#else
	(void)bytes;
#endif
}

static void a_ring_takes_what_is_used_of_it(void **state)
{
	size_t before = resident_bytes();
	struct ring r;

	(void)state;
	assert_int_equal(ring_open(&r, 64 << 20, NULL), 0);
	ring_touch(&r);
	assert_resident_below(before + (16 << 20));
	assert_int_equal((uintptr_t)r.bytes % RING_LINE, 0);
	for (uint64_t put = 0; put < UINT64_C(3) << 20; put += 4096) {
		void *entry = ring_reserve(&r, 4096 - 8);

		memset(entry, 7, 4096 - 8);
		ring_commit(&r);
		ring_touch(&r);
		assert_int_equal(r.touched, put + 4096 + RING_TOUCHED);
	}
	for (size_t n; ring_front(&r, &n); ring_pop(&r))
		assert_int_equal(((const char *)ring_front(&r, &n))[n - 1], 7); /* what is touched stays as it is */
	assert_resident_below(before + (16 << 20));
	ring_close(&r);
}

static void what_is_reserved_is_unseen_until_commit(void **state)
{
	struct ring r;
	size_t n;

	(void)state;
	assert_int_equal(ring_open(&r, 4096, NULL), 0);
	assert_non_null(ring_reserve(&r, 16));
	assert_null(ring_front(&r, &n));
	ring_commit(&r);
	assert_non_null(ring_front(&r, &n));
	assert_int_equal(n, 16);
	ring_close(&r);
}

static void the_producer_sees_when_half_is_full(void **state)
{
	struct ring r;
	size_t n;

	(void)state;
	assert_int_equal(ring_open(&r, 4096, NULL), 0);
	for (int i = 0; i < 20; i++) { /* 5 entries of 504 + 8 bytes are more than half, again and again */
		for (int k = 0; k < 5; k++) {
			assert_non_null(ring_reserve(&r, 504));
			ring_commit(&r);
			assert_int_equal(ring_is_half_full(&r), k == 4);
		}
		for (int k = 0; k < 5; k++) {
			assert_non_null(ring_front(&r, &n));
			ring_pop(&r);
		}
		assert_false(ring_is_half_full(&r));
	}
	ring_close(&r);
}

enum { RECORDS = 300000 };

static void *produce(void *ctx)
{
	struct ring *r = ctx;

	for (uint64_t i = 0; i < RECORDS; i++) {
		uint64_t *in;

		while (!(in = ring_reserve(r, 64 + i % 64)))
			;
		in[0] = i;
		in[7] = ~i;
		ring_commit(r);
	}
	return NULL;
}

static void two_threads_lose_nothing(void **state)
{
	struct ring r;
	pthread_t producer;
	size_t n;

	(void)state;
	assert_int_equal(ring_open(&r, 1 << 14, NULL), 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
	for (uint64_t i = 0; i < RECORDS;) {
		const uint64_t *out = ring_front(&r, &n);

		if (!out)
			continue;
		assert_true(out[0] == i && out[7] == ~i && n == 64 + i % 64);
		ring_pop(&r);
		i++;
	}
	pthread_join(producer, NULL);
	ring_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_come_out_as_they_went_in),
		cmocka_unit_test(a_full_ring_refuses_and_recovers),
		cmocka_unit_test(a_ring_takes_what_is_used_of_it),
		cmocka_unit_test(what_is_reserved_is_unseen_until_commit),
		cmocka_unit_test(the_producer_sees_when_half_is_full),
		cmocka_unit_test(two_threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
