/* Power cuts. A log is written once, and every write and sync is recorded. Then the power fails
 * at each of these calls, many times: of what no sync had confirmed, any sector may have reached
 * the disk or not, in any order, or in part, and the file may have any length it ever had. The next
 * run opens what is left, and is itself cut off while it repairs.
 *
 * Promises: what a sync confirmed is read; every record whose bytes are whole is read, before
 * and after the damage, once and in order; nothing else is; and no byte of them changes.
 *
 * RWKVMON_FAULT=long runs more of them. */
#include "log_files.h"
#include "scratch.h"

#include "faults.h"
#include "log/log.h"
#include "read/read.h"

#include <fcntl.h>
#include <unistd.h>

enum { SECTOR = 512, FLUSHES = 14, PER_FLUSH = 7, RECORDS = FLUSHES * PER_FLUSH, EVENTS_MAX = 64, MARKER = 1000000 };

static char dir[64], path[128];
static uint64_t seed = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* --- one clean run, recorded ---------------------------------------------------------------- */

struct event {
	size_t size; /* of the file after it */
	bool sync;   /* else a write */
};

/* What the file holds in the end, and how it came to. */
static struct {
	struct buf bytes;
	struct event event[EVENTS_MAX];
	size_t n_events;
	size_t part_end[RECORDS + 1], part_first[RECORDS + 1],
		n_parts; /* lines, or frames with the first record of each */
} run;

static void see(enum fault_call call, size_t n)
{
	size_t size = run.n_events ? run.event[run.n_events - 1].size : 0;

	if (run.n_events < EVENTS_MAX && (call == FAULT_WRITE || call == FAULT_FDATASYNC))
		run.event[run.n_events++] = (struct event){ size + n, call == FAULT_FDATASYNC };
}

static _Atomic uint64_t now_ns;
static int64_t wall_base = INT64_C(1757594096789000);

static uint64_t fake_mono(void *ctx)
{
	(void)ctx;
	return now_ns;
}

static int64_t fake_wall(void *ctx)
{
	return *(int64_t *)ctx + (int64_t)(now_ns / 1000);
}

static const struct clock fake_clock = { fake_mono, fake_wall, &wall_base };
static struct field_values session;

static struct log *open_log(void)
{
	const struct log_config cfg = { .path = path, .session_id = "rwkv-sess-000001", .clock = &fake_clock };
	struct log *log;

	assert_int_equal(log_open(&log, &cfg, NULL), 0);
	return log;
}

static void write_step(struct log *log, uint64_t number)
{
	struct record r = { .time_us = wall_base,
			    .event = EVENT_INFERENCE_STEP,
			    .session = &session,
			    .sequence_length = number,
			    .token_count = 1 };

	log_sink(log)->write(log_sink(log), &r);
}

static void add_part(size_t end, size_t first)
{
	run.part_first[run.n_parts] = first;
	run.part_end[run.n_parts++] = end;
}

/* Lines are parts; in zstd, frames are, one per flush. */
static void find_parts(bool zst)
{
	run.n_parts = 0;
	for (size_t i = 0; !zst && i < run.bytes.used; i++)
		if (run.bytes.p[i] == '\n')
			add_part(i + 1, run.n_parts);
	for (size_t e = 0; zst && e < run.n_events; e++)
		if (!run.event[e].sync)
			add_part(run.event[e].size, run.n_parts * PER_FLUSH);
	assert_int_equal(run.n_parts, zst ? FLUSHES : RECORDS);
	assert_int_equal(run.part_end[run.n_parts - 1], run.bytes.used);
}

static void record_a_run(bool zst)
{
	struct log *log;

	snprintf(path, sizeof path, "%s/%s", dir, zst ? "crash.log.zst" : "crash.log");
	run.n_events = 0;
	buf_clear(&run.bytes);
	unlink(path);
	log = open_log();
	fault_watch(see);
	for (uint64_t i = 0; i < RECORDS; i++) {
		write_step(log, i);
		if (i % PER_FLUSH < PER_FLUSH - 1)
			continue;
		now_ns += 300000000; /* a sync every fourth flush */
		log_sink(log)->flush(log_sink(log));
	}
	fault_watch(NULL);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	assert_int_equal(file_read(&run.bytes, path, 1 << 20, NULL), 0);
	find_parts(zst);
}

/* --- the power fails --------------------------------------------------------------------------- */

/* What may be on the disk: `newer` where a sector made it, else `older`, else nothing. Bytes before `safe` are certain.
 */
static void cut(struct buf *disk, struct slice older, struct slice newer, size_t safe, size_t size)
{
	unsigned survive = (unsigned)draw(101); /* % of the sectors, of this cut */

	buf_clear(disk);
	assert_true(buf_reserve(disk, size + 1));
	disk->used = size;
	memset(disk->p, 0, size);
	memcpy(disk->p, older.p, older.n < size ? older.n : size);
	for (size_t at = 0; at < size && at < newer.n; at += SECTOR) {
		size_t n = newer.n - at < SECTOR ? newer.n - at : SECTOR;

		n = at + n > size ? size - at : n;
		if (draw(100) >= survive)
			n = draw(8) ? 0 : draw(n + 1); /* now and then a torn one */
		memcpy(disk->p + at, newer.p + at, n);
	}
	memcpy(disk->p, newer.p, safe < size ? safe : size);
}

static bool is_part(const struct buf *disk, size_t p)
{
	size_t from = p ? run.part_end[p - 1] : 0, end = run.part_end[p];

	return disk->used >= end && !memcmp(disk->p + from, run.bytes.p + from, end - from);
}

/* A line also needs its beginning to be one, and does not need its own end at the end of the file. */
static bool is_line(const struct buf *disk, size_t p)
{
	size_t from = p ? run.part_end[p - 1] : 0, end = run.part_end[p];

	if (from && disk->used > from - 1 && disk->p[from - 1] != '\n')
		return false;
	return is_part(disk, p) ||
	       (disk->used == end - 1 && !memcmp(disk->p + from, run.bytes.p + from, end - 1 - from));
}

/* Numbers of the records that are whole on this disk, in `want`. */
static size_t whole_records(const struct buf *disk, bool zst, uint64_t want[RECORDS])
{
	size_t n = 0;

	for (size_t p = 0; p < run.n_parts; p++) {
		if (!(zst ? is_part(disk, p) : is_line(disk, p)))
			continue;
		for (size_t k = 0; k < (zst ? PER_FLUSH : 1); k++)
			want[n++] = run.part_first[p] + k;
	}
	return n;
}

static size_t read_records_of(uint64_t got[2 * RECORDS])
{
	const char *paths[] = { path };
	struct reader *reader;
	struct record r;
	size_t n = 0;

	assert_int_equal(read_open(&reader, paths, 1, NULL, NULL), 0);
	while (read_next(reader, &r, NULL) == 1)
		if (r.event == EVENT_INFERENCE_STEP) {
			assert_true(n < 2 * RECORDS);
			got[n++] = r.sequence_length;
		}
	read_close(reader);
	return n;
}

/* The next run opens what is left and adds a record. */
static void next_run(const struct buf *disk, uint64_t marker)
{
	struct log *log;

	assert_int_equal(file_write(path, buf_slice(disk), NULL), 0);
	log = open_log();
	write_step(log, marker);
	assert_int_equal(log_close(log, NULL, NULL), 0);
}

static void check(const struct buf *disk, bool zst, const char *when)
{
	uint64_t want[RECORDS + 2], got[2 * RECORDS];
	size_t n_want = whole_records(disk, zst, want), n_got = read_records_of(got), at = 0;

	for (size_t i = 0; i < n_got; i++)
		if (at < n_want && got[i] == want[at])
			at++;
		else if (got[i] < MARKER)
			fail_msg("%s, %s: record %llu is read, %s %llu is next", when, path, (unsigned long long)got[i],
				 at < n_want ? "but" : "nothing, least of all",
				 (unsigned long long)(at < n_want ? want[at] : 0));
	if (at < n_want)
		fail_msg("%s, %s: record %llu is whole on the disk and is not read (%zu of %zu are)", when, path,
			 (unsigned long long)want[at], at, n_want);
	assert_true(n_got && got[n_got - 1] >= MARKER); /* the next run's own */
}

/* The bytes of what was whole lie where they lay. */
static void nothing_changed(const struct buf *disk, const struct buf *now, bool zst)
{
	for (size_t p = 0; p < run.n_parts; p++)
		if (zst ? is_part(disk, p) : is_line(disk, p))
			assert_true(zst ? is_part(now, p) : is_line(now, p));
}

static void one_cut(size_t event, bool zst)
{
	size_t safe = 0, size = 0, first = 0;
	struct buf disk = { 0 }, after = { 0 }, again = { 0 };
	uint64_t want[RECORDS];
	size_t n;

	for (size_t e = 0; e <= event; e++)
		if (run.event[e].sync) {
			safe = run.event[e].size;
			first = e;
		}
	size = first < event ? run.event[first + draw(event - first + 1)].size : safe; /* any length since the sync */
	cut(&disk, (struct slice){ run.bytes.p, safe }, (struct slice){ run.bytes.p, run.event[event].size }, safe,
	    size);
	n = whole_records(&disk, zst, want);
	for (size_t p = 0; p < run.n_parts && run.part_end[p] <= safe; p++) /* the simulation itself */
		assert_true(n > run.part_first[p]);

	next_run(&disk, MARKER);
	assert_int_equal(file_read(&after, path, 1 << 20, NULL), 0);
	nothing_changed(&disk, &after, zst);
	check(&disk, zst, "after a power cut");

	/* The run that repaired is cut off as well, before any sync. */
	cut(&again, buf_slice(&disk), buf_slice(&after), safe, draw(2) ? after.used : disk.used);
	next_run(&again, MARKER + 1);
	check(&again, zst, "after a second cut, while repairing");
	buf_free(&disk);
	buf_free(&after);
	buf_free(&again);
}

static void cut_everywhere(bool zst)
{
	const char *form = getenv("RWKVMON_FAULT");
	int times = form && !strcmp(form, "long") ? 3000 : 60;

	record_a_run(zst);
	for (size_t e = 0; e < run.n_events; e++)
		for (int i = 0; i < times; i++)
			one_cut(e, zst);
	printf("%zu power cuts at %zu calls, each with a second one during the repair\n", run.n_events * (size_t)times,
	       run.n_events);
}

static void a_power_cut_loses_only_what_no_sync_confirmed(void **state)
{
	(void)state;
	cut_everywhere(false);
}

static void the_same_in_zstd(void **state)
{
	(void)state;
	cut_everywhere(true);
}

static int make_dir(void **state)
{
	(void)state;
	fields_set_text(&session, F_SESSION_ID, slice_of("rwkv-sess-000001"));
	return scratch_make(dir, sizeof dir, "crash");
}

static int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_loses_only_what_no_sync_confirmed),
		cmocka_unit_test(the_same_in_zstd),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
