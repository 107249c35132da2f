/* The GPUs that a strategy names, and samples of several: kept by time, however they come. */
#include "analyze/devices.h"
#include "test.h"

#include <math.h>

static void strategies_name_gpus(void **state)
{
	static const struct {
		const char *strategy;
		size_t n;
		unsigned ordinal[3];
	} cases[] = {
		{ "cpu fp32", 0, { 0 } },
		{ "", 0, { 0 } },
		{ "cuda fp16", 1, { 0 } },
		{ "cuda:1 fp16", 1, { 1 } },
		{ "cuda fp16 *10 -> cuda:1 fp16 *3 -> cuda:12 fp16i8", 3, { 0, 1, 12 } },
		{ "cuda:1 fp16 *10 -> cpu fp32 *2 -> cuda:1 fp16", 1, { 1 } },
		{ "cuda:99999999999", 1, { 1000 } },
		{ "cud", 0, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned ordinal[GPUS_MAX];

		assert_int_equal(strategy_gpus(slice_of(cases[i].strategy), ordinal), cases[i].n);
		for (size_t k = 0; k < cases[i].n && i != 6; k++)
			assert_int_equal(ordinal[k], cases[i].ordinal[k]);
	}
	assert_true(strategy_uses(slice_of("cuda:1 fp16"), "cuda:1"));
	assert_false(strategy_uses(slice_of("cuda:1 fp16"), "cuda:0"));
	assert_false(strategy_uses(slice_of("cuda:1 fp16"), "cuda:11"));
	assert_true(strategy_uses(slice_of("cuda fp16"), "cuda:0"));
	assert_true(strategy_uses(slice_of("gpu, all layers"), "cuda:3"));
	assert_true(strategy_uses(slice_of("cuda:1 fp16"), "card of another kind"));
}

static struct gpu_sample sample(const char *device, double used_mb, double total_mb)
{
	struct gpu_sample s;

	assert_true(gpu_sample_begin(&s, slice_of(device)));
	s.value[GPU_USED_MB] = used_mb;
	s.value[GPU_TOTAL_MB] = total_mb;
	return s;
}

static void the_fullest_is_one_that_is_used(void **state)
{
	struct gpu_sample gpu[3] = { sample("cuda:0", 990, 1000), sample("cuda:1", 300, 1000),
				     sample("cuda:2", 40, 50) };
	double pct = 0;

	(void)state;
	assert_int_equal(gpus_fullest(gpu, 3, slice_of("cuda:1 fp16 *2 -> cuda:2 fp16"), &pct), 2);
	assert_true(pct == 80);
	assert_int_equal(gpus_fullest(gpu, 3, slice_of("cpu fp32"), &pct), 0);
	assert_int_equal(gpus_fullest(gpu, 3, slice_of("cuda:7 fp16"), &pct), 3);
	gpu[2].value[GPU_TOTAL_MB] = (double)NAN;
	assert_int_equal(gpus_fullest(gpu, 3, slice_of("cuda:2 fp16"), &pct), 3);
}

static void add(struct devices *d, int64_t time_us, double a, double b)
{
	struct gpu_sample gpu[2] = { sample("cuda:0", a, 1000), sample("cuda:1", b, 1000) };

	gpu[1].value[GPU_UTILIZATION_PCT] = a < 500 ? 5 : 50;
	gpu[1].value[GPU_CLOCK_MHZ] = b;
	devices_add(d, &(struct record){ .time_us = time_us, .gpu = gpu, .n_gpus = 2 }, 15);
}

/* The time per sample becomes coarser as samples come, so that a device's memory does not grow. */
static void many_samples_take_no_more_room(void **state)
{
	struct devices d = { .n = 0 };
	const int64_t from = INT64_C(1757594096000000);

	(void)state;
	for (int i = 0; i < 3000; i++)
		add(&d, from + (int64_t)i * 5000000, i * 7 % 1000, i * 13 % 900);
	assert_int_equal(d.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(d.device[i].n <= DEVICE_BUCKETS_MAX && d.device[i].n > DEVICE_BUCKETS_MAX / 4);
	assert_string_equal(d.device[1].name, "cuda:1");
	assert_int_equal(d.device[1].seen[GPU_CLOCK_MHZ], 1500); /* idle ones do not count: 0..499 of 1000 */
	devices_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strategies_name_gpus),
		cmocka_unit_test(the_fullest_is_one_that_is_used),
		cmocka_unit_test(many_samples_take_no_more_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
