/* Nothing grows: memory, descriptors, threads and disk of a program that is watched for long.
 *
 * One handle stays open over all rounds with a rotated, compressed log of which two old files are kept;
 * in each round thousands of calls go through it, sequences change, own fields come and go, and a
 * second handle is opened, used and closed. After a tenth of the rounds everything is as large as it
 * will ever be. `make soak` runs RWKVMON_SOAK_ROUNDS=20000, about ten minutes. */
#include "log_files.h"
#include "scratch.h"

#include <dirent.h>
#include <rwkvmon.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CALLS = 2000, VOCAB = 4096, STATE = 8192, ROTATE_BYTES = 200000, KEEP = 2 };

static char dir[64];

struct size {
	double memory_mb;
	size_t descriptors, threads, files;
	uint64_t disk_bytes;
};

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A thread that was joined is listed until the kernel has taken it apart: a minute at most, on a machine as busy as
 * any. */
static size_t threads_that_last(size_t known)
{
	size_t n = entries("/proc/self/task");

	for (int ms = 0; ms < 60000 && known && n > known; ms++) {
		usleep(1000);
		n = entries("/proc/self/task");
	}
	return n;
}

static void measure_files(struct size *s)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d))) {
		char path[400];
		struct stat st;

		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (!stat(path, &st) && S_ISREG(st.st_mode)) {
			s->files++;
			s->disk_bytes += (uint64_t)st.st_size;
		}
	}
	closedir(d);
}

/* threads: that there should be; 0: not known yet. */
static struct size measure(size_t threads)
{
	struct size s = { .descriptors = entries("/proc/self/fd"), .threads = threads_that_last(threads) };
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	s.memory_mb = (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
	measure_files(&s);
	return s;
}

static rwkvmon *open_handle(const char *name)
{
	char path[256], why[RWKVMON_ERROR_BYTES];
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = path,
				      .model_name = "m",
				      .vocab_size = VOCAB,
				      .block_when_full = 1,
				      .log_rotate_bytes = ROTATE_BYTES,
				      .log_keep = KEEP,
				      .log_tokens = 1,
				      .fsync = RWKVMON_SYNC_NEVER };
	rwkvmon *mon;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	return mon;
}

static void use(rwkvmon *mon, int calls, uint32_t round)
{
	static float logits[VOCAB], state[STATE];
	struct rwkvmon_tensor tensor = { state, STATE, RWKVMON_F32, RWKVMON_WKV };

	for (int i = 0; i < calls; i++) {
		uint32_t token = ((uint32_t)i * 7919 + round) % VOCAB;
		struct rwkvmon_step step = { .struct_size = sizeof step,
					     .tokens = &token,
					     .n_tokens = 1,
					     .logits = logits,
					     .n_logits = VOCAB,
					     .state = &tensor,
					     .n_state = 1 };

		logits[token] = (float)(i % 13);
		state[token] = (float)(i % 11);
		if (i % 500 == 0)
			rwkvmon_new_sequence(mon);
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &step);
	}
}

static void one_round(rwkvmon *mon, uint32_t round)
{
	char field[32];
	rwkvmon *other = open_handle("other.log");

	snprintf(field, sizeof field, "field_%u", (unsigned)round % 8);
	assert_int_equal(rwkvmon_set_number(mon, field, round, NULL), 0);
	use(mon, CALLS, round);
	assert_int_equal(rwkvmon_set_text(mon, field, NULL, NULL), 0);
	use(other, 50, round);
	assert_int_equal(rwkvmon_close(other, NULL), 0);
}

static void nothing_grows(void **state)
{
	const char *wanted = getenv("RWKVMON_SOAK_ROUNDS");
	uint32_t rounds = wanted ? (uint32_t)strtoul(wanted, NULL, 10) : 30, warm = rounds / 10 > 10 ? rounds / 10 : 10;
	rwkvmon *mon = open_handle("soak.log.zst");
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct size early, late;

	(void)state;
	for (uint32_t i = 0; i < warm; i++)
		one_round(mon, i);
	early = measure(0);
	for (uint32_t i = warm; i < rounds; i++)
		one_round(mon, i);
	late = measure(early.threads);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	printf("%u rounds of %d calls: memory %.1f, then %.1f MiB; %zu descriptors, %zu threads; %zu files of %.0f "
	       "KiB\n",
	       (unsigned)rounds, CALLS, early.memory_mb, late.memory_mb, late.descriptors, late.threads, late.files,
	       (double)late.disk_bytes / 1024);
	assert_int_equal(totals.records, (uint64_t)rounds * CALLS);
	assert_int_equal(totals.dropped, 0);
	assert_int_equal(late.descriptors, early.descriptors);
	assert_true(late.threads <= early.threads);        /* fewer: one that was joined was still listed before */
	assert_true(late.memory_mb < early.memory_mb + 2); /* an arena's odd page, never a call's worth */
	assert_true(late.files <= 2 * (KEEP + 1));
	assert_true(late.disk_bytes <
		    2 * (KEEP + 1) * (ROTATE_BYTES + (128 << 10))); /* a file may exceed by one write */
}

static int make_dir(void **state)
{
	(void)state;
	return scratch_make(dir, sizeof dir, "soak");
}

static int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_grows) };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("SKIPPED: soak: a sanitizer keeps freed memory for a while\n");
	return 77;
#endif
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
