/* What process, machine and GPU use: real numbers, or none. With the fake NVML before the
 * loader's eyes (RWKVMON_FAKE_NVML=1) a GPU is there; without, none is made up. */
#include "test.h"

#include "base/cpu.h"
#include "collect/cgroup.h"
#include "collect/drm.h"
#include "collect/limits.h"
#include "collect/nvml.h"
#include "collect/resources.h"
#include "collect/slowdown.h"

#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static void gpu_numbers_are_nvmls_or_absent(void **state)
{
	struct resources *r = resources_open(NULL, NULL);
	struct field_values session = { 0 };
	struct record rec = { 0 };
	void *real = dlopen("libnvidia-ml.so.1", RTLD_NOW);

	(void)state;
	assert_non_null(r);
	resources_describe(r, &session);
	resources_fill(r, 1, &rec);
	if (getenv("RWKVMON_FAKE_NVML")) {
		assert_float_equal(rec.metric[M_VRAM_USED_MB], 2731, 0);
		assert_float_equal(rec.metric[M_PROCESS_VRAM_MB], 1500, 0);
		assert_float_equal(rec.metric[M_GPU_UTILIZATION_PCT], 78, 0);
		assert_float_equal(fields_number(&session, F_VRAM_TOTAL_MB, 0), 24576, 0);
		assert_true(slice_is(fields_text(&session, F_GPU_SOURCE), "nvml"));
		assert_true(slice_is(fields_text(&session, F_HOST_GPU), "Test GPU"));
		assert_float_equal(fields_number(&session, F_HOST_GPU_SLOWDOWN_C, 0), 87, 0);
	} else if (!real && access("/sys/class/drm/card0", F_OK)) {
		assert_false(record_has(&rec, M_VRAM_USED_MB));
		assert_false(record_has(&rec, M_PROCESS_VRAM_MB));
		assert_false(record_has(&rec, M_GPU_UTILIZATION_PCT));
		assert_false(fields_have(&session, F_GPU_SOURCE));
	}
	assert_true(rec.metric[M_PROCESS_MEMORY_MB] > 0);
	assert_true(fields_number(&session, F_HOST_CORES, 0) >= 1);
	assert_true(fields_number(&session, F_HOST_MEMORY_MB, 0) > 1);
	resources_close(r);
	if (real)
		dlclose(real);
}

/* The fake machine has GPUs 0, 1 and 2 with 24, 48 and 80 GiB; a part of the last is a MIG device with 10. */
static void the_strategy_and_the_environment_choose_the_gpu(void **state)
{
	static const struct {
		const char *visible, *strategy;
		double total_gib; /* 0: none */
		const char *name;
	} cases[] = {
		{ NULL, NULL, 24, "Test GPU" },
		{ NULL, "cuda fp16", 24, "Test GPU" },
		{ NULL, "cuda:1 fp16", 48, "Test GPU 1" },
		{ NULL, "cpu fp32", 24, "Test GPU" },
		{ NULL, "cuda:0 fp16 *10 -> cuda:1 fp16", 72, "Test GPU (cuda:0), Test GPU 1 (cuda:1)" },
		{ NULL, "cuda:1 fp16 *10 -> cuda:1 fp16i8", 48, "Test GPU 1" },
		{ NULL, "cuda:7 fp16", 0, "" },
		{ "2", "cuda fp16", 80, "Test GPU 2" },
		{ "2,0", "cuda:1 fp16", 24, "Test GPU" },
		{ "2, 1", "cuda:0 fp16 -> cuda:1 fp16", 128, "Test GPU 2 (cuda:0), Test GPU 1 (cuda:1)" },
		{ "GPU-1111aaaa-0000-0000-0000-000000000001", "cuda fp16", 48, "Test GPU 1" },
		{ "GPU-2222", "cuda fp16", 80, "Test GPU 2" },
		{ "GPU-2222,GPU-1111", "cuda:1 fp16", 48, "Test GPU 1" },
		{ "MIG-3333cccc-0000-0000-0000-000000000001", "cuda fp16", 10, "Test MIG" },
		{ "GPU-9999", "cuda fp16", 0, "" },
		{ "", "cuda fp16", 0, "" },
		{ "-1", "cuda fp16", 0, "" },
		{ "1", "cuda:1 fp16", 0, "" },
	};
	const char *before = getenv("CUDA_VISIBLE_DEVICES");

	(void)state;
	if (!getenv("RWKVMON_FAKE_NVML"))
		return;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double used = 0, total = 0;
		struct nvml *n;

		if (cases[i].visible)
			setenv("CUDA_VISIBLE_DEVICES", cases[i].visible, 1);
		else
			unsetenv("CUDA_VISIBLE_DEVICES");
		n = nvml_open(cases[i].strategy);
		nvml_memory(n, &used, &total);
		if (total != 1024 * cases[i].total_gib || strcmp(nvml_name(n), cases[i].name))
			fail_msg("case %zu: %g MiB of \"%s\"", i, total, nvml_name(n));
		nvml_close(n);
	}
	setenv("CUDA_VISIBLE_DEVICES", before ? before : "0", 1);
}

static void expect_gpu(const char *strategy, double total_gib)
{
	double used = 0, total = 0;
	struct nvml *n = nvml_open(strategy);

	nvml_memory(n, &used, &total);
	assert_true(total == 1024 * total_gib);
	nvml_close(n);
}

/* GPUs that differ are in another order for CUDA than on the bus (gpustack/gpustack#1633, nicolargo/glances#1329,
 * Project-HAMi/HAMi-core#318): a process that uses CUDA has its GPUs as CUDA numbers them there. */
static void cuda_itself_says_which_gpu_it_numbers_so(void **state)
{
	int (*init)(unsigned flags);
	void *cuda;

	(void)state;
	if (!getenv("RWKVMON_FAKE_NVML"))
		return;
	unsetenv("CUDA_VISIBLE_DEVICES");
	cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	assert_non_null(cuda);
	expect_gpu("cuda fp16", 24); /* nobody has initialised it: the bus's order */
	*(void **)&init = dlsym(cuda, "cuInit");
	assert_int_equal(init(0), 0);
	expect_gpu("cuda fp16", 80);
	expect_gpu("cuda:1 fp16", 24);
	expect_gpu("cuda:2 fp16", 10); /* a part of a GPU */
	expect_gpu("cuda:0 fp16 *3 -> cuda:1 fp16", 104);
	dlclose(cuda);
	expect_gpu("cuda fp16", 24);
	setenv("CUDA_VISIBLE_DEVICES", "0", 1);
}

/* Of several GPUs the log tells each, once a sample; what the driver does not say of one is left out for that one. */
static void several_gpus_are_told_apart(void **state)
{
	static const struct {
		const char *visible, *strategy;
		size_t n;
		const char *device[2];
		double total[2];
		unsigned fullest;
	} cases[] = {
		{ NULL, "cuda:0 fp16 *10 -> cuda:1 fp16", 2, { "cuda:0", "cuda:1" }, { 24576, 49152 }, 0 },
		{ "MIG-3333cccc-0000-0000-0000-000000000001,GPU-0000",
		  "cuda:1 fp16 *3 -> cuda:0 fp16",
		  2,
		  { "cuda:1", "cuda:0" },
		  { 24576, 10240 },
		  0 },
		{ NULL, "cuda:1 fp16", 0, { "" }, { 0 }, 0 },
		{ NULL, "cuda fp16 *5+", 0, { "" }, { 0 }, 0 },
	};
	const char *before = getenv("CUDA_VISIBLE_DEVICES");

	(void)state;
	if (!getenv("RWKVMON_FAKE_NVML"))
		return;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct gpu_sample gpu[GPUS_MAX];
		struct record rec = { 0 };
		struct resources *r;
		size_t n = 0;

		if (cases[i].visible)
			setenv("CUDA_VISIBLE_DEVICES", cases[i].visible, 1);
		else
			unsetenv("CUDA_VISIBLE_DEVICES");
		r = resources_open(cases[i].strategy, NULL);
		for (int wait = 0; wait < 600 && !record_has(&rec, M_CPU_WAITING_PCT); wait++) {
			n = resources_gpus(r, gpu);
			resources_fill(r, 1, &rec);
			usleep(50000);
		}
		assert_int_equal(n, cases[i].n);
		for (size_t k = 0; k < n; k++) {
			assert_string_equal(gpu[k].device, cases[i].device[k]);
			assert_true(gpu[k].value[GPU_USED_MB] == 2731 &&
				    gpu[k].value[GPU_TOTAL_MB] == cases[i].total[k]);
		}
		if (n) {
			assert_true(gpu[0].value[GPU_UTILIZATION_PCT] == 78 && gpu[0].value[GPU_CLOCK_MHZ] == 1410 &&
				    gpu[0].value[GPU_HOT_PCT] == 100);
			assert_true(isnan(gpu[1].value[GPU_UTILIZATION_PCT]));
			assert_true(rec.metric[M_VRAM_FULLEST_GPU] == cases[i].fullest);
			assert_true(rec.metric[M_VRAM_FULLEST_PCT] ==
				    100 * 2731.0 / fmin(cases[i].total[0], cases[i].total[1]));
		}
		assert_int_equal(record_has(&rec, M_VRAM_FULLEST_PCT), n > 0);
		assert_int_equal(resources_gpus(r, gpu), 0); /* once a sample */
		resources_close(r);
	}
	setenv("CUDA_VISIBLE_DEVICES", before ? before : "0", 1);
}

static void each_sample_has_its_cadence(void **state)
{
	const uint64_t second = 1000000000;

	(void)state;
	assert_int_equal(resources_due(1 * second, 99), RESOURCES_NONE);
	assert_int_equal(resources_due(1 * second, 100), RESOURCES_VRAM);
	assert_int_equal(resources_due(5 * second, 0), RESOURCES_ALL);
	assert_int_equal(resources_due(5 * second, 1000), RESOURCES_ALL);
}

/* --- a machine made of files ---------------------------------------------------------- */

static char root[64];

static void put(const char *path, const char *text)
{
	char full[400], command[500];
	FILE *f;

	snprintf(full, sizeof full, "%s%s", root, path);
	snprintf(command, sizeof command, "mkdir -p %.*s", (int)(strrchr(full, '/') - full), full);
	assert_int_equal(system(command), 0);
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void take(const char *path)
{
	char full[400];

	snprintf(full, sizeof full, "%s%s", root, path);
	assert_int_equal(unlink(full), 0);
}

static void control_groups_are_respected(void **state)
{
	struct machine_share l;

	(void)state;
	put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
	l = limits_find(root);
	assert_float_equal(l.memory_mb, 16384, 0);
	assert_float_equal(l.cores, cpu_count(), 0);
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/b/memory.max", "4294967296\n");
	put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	l = limits_find(root);
	assert_float_equal(l.cores, 0.5, 1e-9); /* the group above is the tighter one */
	assert_int_equal(limits_threads(root), 1);
	put("/sys/fs/cgroup/a/cpu.max", "100001 100000\n");
	assert_int_equal(limits_threads(root), cpu_count() < 2 ? 1 : 2);
	put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	assert_float_equal(l.memory_mb, 4096, 0);
}

/* Each controller of version 1 has its own hierarchy; the process lies below its root. */
static void control_groups_of_version_1_are_respected(void **state)
{
	struct machine_share l;

	(void)state;
	put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
	put("/proc/self/cgroup", "12:memory:/jobs/one\n4:cpu,cpuacct:/jobs/two\n1:name=systemd:/x\n0::/\n");
	put("/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "268435456\n");
	put("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/cpu/jobs/two/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu/jobs/two/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "20000\n");
	put("/sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n");
	l = limits_find(root);
	assert_float_equal(l.memory_mb, 256, 0);
	assert_float_equal(l.cores, 0.2, 1e-9);
	put("/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
	put("/proc/meminfo", "");
	assert_true(isnan(limits_find(root).memory_mb)); /* "no limit" is no size */
	put("/proc/self/cgroup", "0::/a/b\n");
}

static void the_kernel_tells_of_other_gpus(void **state)
{
	struct drm_card card;

	(void)state;
	assert_false(drm_is_there(root));
	assert_true(isnan(drm_process_vram_mb(root)));
	assert_true(isnan(drm_card_find(root).used_mb));
	put("/proc/self/fdinfo/3", "pos:\t0\nflags:\t02\n");
	put("/proc/self/fdinfo/4", "drm-driver:\tamdgpu\ndrm-client-id:\t7\ndrm-memory-vram:\t2048 KiB\n");
	put("/proc/self/fdinfo/5", "drm-driver:\tamdgpu\ndrm-client-id:\t7\ndrm-memory-vram:\t2048 KiB\n");
	put("/proc/self/fdinfo/6",
	    "drm-driver:\txe\ndrm-client-id:\t9\ndrm-total-vram0:\t8 MiB\ndrm-resident-vram0:\t4 MiB\n");
	assert_float_equal(drm_process_vram_mb(root), 6, 0);
	put("/sys/class/drm/card1/device/mem_info_vram_used", "1073741824\n");
	put("/sys/class/drm/card1/device/mem_info_vram_total", "8589934592\n");
	put("/sys/class/drm/card1/device/gpu_busy_percent", "33\n");
	assert_true(drm_is_there(root));
	card = drm_card_find(root);
	assert_float_equal(card.used_mb, 1024, 0);
	assert_float_equal(card.total_mb, 8192, 0);
	assert_float_equal(card.busy_pct, 33, 0);
}

static void quotas_of_both_versions_are_read(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/a/b\n");
	assert_true(isnan(cgroup_stopped_s(root)));
	put("/sys/fs/cgroup/a/b/cpu.stat", "usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500000\n");
	assert_float_equal(cgroup_stopped_s(root), 1.5, 1e-9);
	put("/sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nthrottled_usec 500000\n"); /* the group above has a quota too */
	assert_float_equal(cgroup_stopped_s(root), 2, 1e-9);
	/* In a container the group's own name is unknown; what it sees of version 1 is at the top. */
	put("/proc/self/cgroup", "5:memory:/x\n4:cpuacct,cpu:/docker/123\n0::/\n");
	put("/sys/fs/cgroup/cpu/cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 250000000\n");
	assert_float_equal(cgroup_stopped_s(root), 0.25, 1e-9);
	put("/sys/fs/cgroup/cpu/docker/123/cpu.stat", "throttled_time 2000000000\n");
	assert_float_equal(cgroup_stopped_s(root), 2.25, 1e-9);
}

static void what_waited_in_short_sessions_is_summed(void **state)
{
	struct slowdown_before before = { .n_threads = 0 };
	struct slowdown_sums opened, closed;

	(void)state;
	put("/proc/self/cgroup", "0::/short\n");
	put("/sys/fs/cgroup/short/cpu.stat", "throttled_usec 1000000\n");
	put("/proc/self/task/11/schedstat", "1000000000 700000000 3\n");
	put("/proc/self/task/12/schedstat", "500000000 0 3\n");
	opened = slowdown_sums(&before, root);
	put("/proc/self/task/11/schedstat", "1100000000 1000000000 9\n");
	put("/proc/self/task/12/schedstat", "500000000 300000000 9\n");
	slowdown_look(&before, root, 5);      /* a sample in between takes nothing away … */
	take("/proc/self/task/12/schedstat"); /* … and a thread that ended keeps what it waited until then */
	put("/proc/self/task/11/schedstat", "1200000000 1200000000 9\n");
	put("/sys/fs/cgroup/short/cpu.stat", "throttled_usec 1500000\n");
	closed = slowdown_sums(&before, root);
	assert_float_equal(slowdown_waiting_pct(&opened, &closed), 80, 1e-9); /* 0.8 s beside 0.2 s that they ran */
	assert_float_equal(slowdown_stopped_pct(&opened, &closed, 2), 25, 1e-9);
	assert_true(isnan(slowdown_waiting_pct(&closed, &closed)));
	take("/proc/self/task/11/schedstat");
	take("/proc/self/cgroup");
}

static void slowdown_is_clock_heat_quota_and_waiting(void **state)
{
	struct slowdown_before before = { .n_threads = 0 };
	struct slowdown s;

	(void)state;
	s = slowdown_look(&before, "/nowhere", 5);
	assert_true(isnan(s.clock_mhz) && isnan(s.hot) && isnan(s.stopped_pct) && isnan(s.waiting_pct));
	before = (struct slowdown_before){ .n_threads = 0 };
	put("/proc/self/cgroup", "0::/q\n");
	put("/sys/fs/cgroup/q/cpu.stat", "throttled_usec 1000000\n");
	put("/proc/self/task/11/schedstat", "1000000000 0 3\n");
	put("/proc/self/task/11/stat",
	    "11 (a name) b) R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 17 0 0\n");
	slowdown_look(&before, root, 0);
	put("/sys/fs/cgroup/q/cpu.stat", "throttled_usec 3000000\n");
	put("/proc/self/task/11/schedstat", "4000000000 500000000 9\n");
	put("/proc/self/task/12/schedstat", "1000000000 500000000 9\n"); /* a new one */
	put("/proc/self/task/12/stat",
	    "12 (n) R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 0 0\n");
	put("/sys/devices/system/cpu/cpu17/cpufreq/scaling_cur_freq", "2000000\n");
	put("/proc/cpuinfo",
	    "processor\t: 0\ncpu MHz\t\t: 999.0\nprocessor\t: 1\ncpu MHz\t\t: 1200.5\nflags\t\t: fpu tsc\n");
	s = slowdown_look(&before, root, 5);
	assert_float_equal(s.clock_mhz, 2000, 0); /* a constant of cpuinfo is no clock */
	assert_float_equal(s.stopped_pct, 40, 1e-9);
	assert_float_equal(s.waiting_pct, 20, 1e-9); /* 1 s beside 4 s that they ran */
	put("/proc/self/task/11/schedstat", "5000000000 500000000 9\n");
	put("/proc/self/task/12/schedstat", "4000000000 500000000 9\n");
	put("/proc/cpuinfo", "processor\t: 1\ncpu MHz\t\t: 1200.0\nflags\t\t: fpu aperfmperf tsc\n");
	s = slowdown_look(&before, root, 5);
	assert_float_equal(s.clock_mhz, 1400, 1e-9); /* 1 s at 2000, 3 s at 1200 */
	assert_float_equal(s.stopped_pct, 0, 0);
	assert_float_equal(s.waiting_pct, 0, 0);
	put("/proc/self/task/11/schedstat", "5000900000 500000000 9\n");
	assert_true(isnan(slowdown_look(&before, root, 5).clock_mhz)); /* nobody ran to speak of */
}

static void heat_and_the_highest_clock_are_the_kernels(void **state)
{
	struct slowdown_before before = { .n_threads = 0 };
	cpu_set_t may;
	char path[120];
	size_t cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof may, &may), 0);
	while (!CPU_ISSET(cpu, &may))
		cpu++;
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/thermal_throttle/core_throttle_count", cpu);
	put(path, "4\n");
	slowdown_look(&before, root, 0);
	put(path, "11\n");
	assert_float_equal(slowdown_look(&before, root, 5).hot, 7, 0);
	assert_float_equal(slowdown_look(&before, root, 5).hot, 0, 0);
	assert_true(isnan(slowdown_most_mhz(root)));
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/cpufreq/cpuinfo_max_freq", cpu);
	put(path, "4600000\n");
	assert_float_equal(slowdown_most_mhz(root), 4600, 0);
}

/* Once a sample, with the first call after it. */
static void what_slows_down_is_written_once(void **state)
{
	struct resources *r = resources_open(NULL, "some.log");
	struct record rec = { 0 };

	(void)state;
	assert_non_null(r);
	if (access("/proc/thread-self/schedstat", R_OK))
		print_message("SKIPPED: this kernel does not count how long threads wait\n");
	else
		while (!record_has(&rec, M_CPU_WAITING_PCT)) /* the first look comes soon */
			resources_fill(r, 1, &rec);
	if (getenv("RWKVMON_FAKE_NVML")) {
		assert_float_equal(rec.metric[M_GPU_CLOCK_MHZ], 1410, 0);
		assert_float_equal(rec.metric[M_GPU_THERMAL_THROTTLED_PCT], 100, 0);
		assert_float_equal(rec.metric[M_GPU_POWER_THROTTLED_PCT], 0, 0);
		assert_float_equal(rec.metric[M_GPU_TEMPERATURE_C], 71, 0);
	}
	while (!record_has(&rec, M_LOG_DISK_FREE_MB))
		resources_fill(r, 1, &rec);
	assert_true(rec.metric[M_LOG_DISK_FREE_MB] > 0);
	rec = (struct record){ 0 };
	resources_fill(r, 1, &rec);
	assert_true(record_has(&rec, M_PROCESS_MEMORY_MB));
	assert_false(record_has(&rec, M_CPU_WAITING_PCT));
	assert_false(record_has(&rec, M_GPU_CLOCK_MHZ));
	resources_close(r);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/rwkvmon-root-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpu_numbers_are_nvmls_or_absent),
		cmocka_unit_test(the_strategy_and_the_environment_choose_the_gpu),
		cmocka_unit_test(cuda_itself_says_which_gpu_it_numbers_so),
		cmocka_unit_test(several_gpus_are_told_apart),
		cmocka_unit_test(each_sample_has_its_cadence),
		cmocka_unit_test(control_groups_are_respected),
		cmocka_unit_test(control_groups_of_version_1_are_respected),
		cmocka_unit_test(the_kernel_tells_of_other_gpus),
		cmocka_unit_test(quotas_of_both_versions_are_read),
		cmocka_unit_test(what_waited_in_short_sessions_is_summed),
		cmocka_unit_test(slowdown_is_clock_heat_quota_and_waiting),
		cmocka_unit_test(heat_and_the_highest_clock_are_the_kernels),
		cmocka_unit_test(what_slows_down_is_written_once),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
