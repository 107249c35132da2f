/* resources.c - a job of the pool samples /proc and the GPU; steps carry the latest sample. */
#include "collect/resources.h"

#include "base/cpu.h"
#include "collect/drm.h"
#include "collect/limits.h"
#include "collect/nvml.h"
#include "collect/pool.h"
#include "collect/slowdown.h"
#include "collect/small_file.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const uint64_t FIRST_NS = 250000000, LOOK_NS = 250000000, EVERY_NS = UINT64_C(5) * 1000000000;
static const uint64_t EARLY_NS = 1000000000; /* as early as the pool may run a job that comes every 5 s */
enum { VRAM_TOKENS = 100 };

enum { VRAM, PROCESS_VRAM, GPU, CPU, MACHINE_CPU, MEMORY, SAMPLED };
static const enum metric_id sampled[SAMPLED] = {
	[VRAM] = M_VRAM_USED_MB,
	[PROCESS_VRAM] = M_PROCESS_VRAM_MB,
	[GPU] = M_GPU_UTILIZATION_PCT,
	[CPU] = M_CPU_UTILIZATION_PCT,
	[MACHINE_CPU] = M_MACHINE_CPU_UTILIZATION_PCT,
	[MEMORY] = M_PROCESS_MEMORY_MB,
};

/* Written once a sample, with the first call after it: what slows a machine down changes the log by a few bytes in 5 s.
 */
enum { CPU_CLOCK, CPU_HOT, CPU_STOPPED, CPU_WAITING, GPU_CLOCK, GPU_HOT, GPU_POWER, GPU_TEMPERATURE, SPARSE };
static const enum metric_id sparse[SPARSE] = {
	[CPU_CLOCK] = M_CPU_CLOCK_MHZ,           [CPU_HOT] = M_CPU_THERMAL_THROTTLES,
	[CPU_STOPPED] = M_CPU_QUOTA_STOPPED_PCT, [CPU_WAITING] = M_CPU_WAITING_PCT,
	[GPU_CLOCK] = M_GPU_CLOCK_MHZ,           [GPU_HOT] = M_GPU_THERMAL_THROTTLED_PCT,
	[GPU_POWER] = M_GPU_POWER_THROTTLED_PCT, [GPU_TEMPERATURE] = M_GPU_TEMPERATURE_C,
};

/* Counters whose differences are utilisation. */
struct cpu_times {
	uint64_t mono_ns;
	double process_s;                         /* user + system */
	double machine_ticks, machine_idle_ticks; /* of all cores */
};

/* Samples of the machine and of the GPUs that a strategy names; shared by the handles with the same strategy. */
struct look {
	struct look *next;
	unsigned users;
	char *strategy;                                        /* NULL: none is named */
	_Atomic double latest[SAMPLED], latest_sparse[SPARSE]; /* NaN: unknown */
	_Atomic unsigned samples;                              /* of everything, so far */
	_Atomic double latest_of[GPUS_MAX][GPU_VALUE_COUNT];   /* of each GPU, when there are several */
	char device[GPUS_MAX][GPU_DEVICE_BYTES];               /* what CUDA calls them, */
	unsigned ordinal[GPUS_MAX];                            /* by number: fixed at opening */
	size_t n_gpus;                                         /* 0: one or none */
	_Atomic uint64_t tokens;                               /* fed so far, by all of them */
	uint64_t tokens_at_vram;                               /* when the GPU's memory was sampled last */
	struct cpu_times before;
	pthread_mutex_t threads_lock; /* of slowdown */
	struct slowdown_before slowdown;
	struct nvml *nvml;
	double vram_total_mb;
	const char *gpu_source; /* NULL: no GPU is known; it and the total are of the first look */
	bool looked, ticked;
	struct machine_share limits;
	double most_mhz; /* of a processor */
	struct pool_job job;
};

struct resources {
	struct look *look;
	char *log_folder; /* NULL: none */
	_Atomic double disk_free_mb;
	uint64_t disk_ns;         /* when that was sampled */
	unsigned samples_written; /* the caller's: whose sparse values are in a record */
	uint64_t opened_ns;
	struct slowdown_sums opened; /* of the process then */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list, and of opening one of it */
static struct look *looks;

static double process_s(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) ? (double)NAN : (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* /proc/stat, first line: user nice system idle iowait irq softirq steal. */
static void machine_ticks(struct cpu_times *t)
{
	char text[512], *p = text + 3;

	t->machine_ticks = t->machine_idle_ticks = NAN;
	if (!small_file_read(text, sizeof text, "/proc/stat") || strncmp(text, "cpu ", 4))
		return;
	t->machine_ticks = t->machine_idle_ticks = 0;
	for (int i = 0; i < 8; i++) {
		double ticks = strtod(p, &p);

		t->machine_ticks += ticks;
		t->machine_idle_ticks += i == 3 || i == 4 ? ticks : 0;
	}
}

static struct cpu_times cpu_times(void)
{
	struct cpu_times t = { .mono_ns = clock_mono_ns(&clock_system), .process_s = process_s() };

	machine_ticks(&t);
	return t;
}

static double resident_mb(void)
{
	char text[256], *p;

	if (!small_file_read(text, sizeof text, "/proc/self/statm") || !(p = strchr(text, ' ')))
		return NAN;
	return strtod(p, NULL) * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* What is left for this user; folder NULL: no log. */
static double free_mb(const char *folder)
{
	struct statvfs disk;

	if (!folder || statvfs(folder, &disk))
		return NAN;
	return (double)disk.f_bavail * (double)disk.f_frsize / (1 << 20);
}

/* NULL: there is none, or no memory. */
static char *folder_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path)
		return NULL;
	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static double share_pct(double part, double whole)
{
	return whole > 0 ? fmax(0, fmin(100, 100 * part / whole)) : NAN;
}

/* NVML where there is an NVIDIA GPU; else what the kernel says. */
static void sample_gpu(struct look *r, double value[SAMPLED])
{
	struct drm_card card = { NAN, NAN, NAN };
	const char *source = r->nvml ? "nvml" : NULL;

	r->tokens_at_vram = atomic_load_explicit(&r->tokens, memory_order_relaxed);
	value[VRAM] = value[PROCESS_VRAM] = value[GPU] = NAN;
	if (r->nvml) {
		nvml_memory(r->nvml, &value[VRAM], &card.total_mb);
		nvml_utilization(r->nvml, &value[GPU]);
		nvml_process_memory(r->nvml, &value[PROCESS_VRAM]);
	} else if (drm_is_there("")) {
		card = drm_card_find("");
		value[VRAM] = card.used_mb;
		value[GPU] = card.busy_pct;
		value[PROCESS_VRAM] = drm_process_vram_mb("");
		source = !isnan(card.used_mb) ? "amdgpu-sysfs" : !isnan(value[PROCESS_VRAM]) ? "drm-fdinfo" : NULL;
	}
	if (r->looked)
		return;
	r->vram_total_mb = card.total_mb;
	r->gpu_source = source;
	r->looked = true;
}

/* Of several GPUs each: their memory as often as their sum's. */
static void sample_each(struct look *r)
{
	for (size_t i = 0; i < r->n_gpus; i++) {
		struct gpu_sample gpu;

		nvml_gpu(r->nvml, i, &gpu);
		for (int v = 0; v < GPU_VALUE_COUNT; v++)
			atomic_store_explicit(&r->latest_of[i][v], gpu.value[v], memory_order_relaxed);
	}
}

static void sample_sparse(struct look *r, double seconds)
{
	double value[SPARSE] = { [GPU_CLOCK] = NAN, [GPU_HOT] = NAN, [GPU_POWER] = NAN, [GPU_TEMPERATURE] = NAN };
	struct slowdown s;

	pthread_mutex_lock(&r->threads_lock);
	s = slowdown_look(&r->slowdown, "", seconds);
	pthread_mutex_unlock(&r->threads_lock);
	value[CPU_CLOCK] = s.clock_mhz;
	value[CPU_HOT] = s.hot;
	value[CPU_STOPPED] = s.stopped_pct;
	value[CPU_WAITING] = s.waiting_pct;
	nvml_clock(r->nvml, &value[GPU_CLOCK]);
	nvml_throttling(r->nvml, &value[GPU_HOT], &value[GPU_POWER]);
	nvml_temperature(r->nvml, &value[GPU_TEMPERATURE]);
	for (int i = 0; i < SPARSE; i++)
		atomic_store_explicit(&r->latest_sparse[i], value[i], memory_order_relaxed);
	if (seconds > 0)
		atomic_fetch_add_explicit(&r->samples, 1, memory_order_release);
}

static void sample(struct look *r)
{
	struct cpu_times now = cpu_times();
	double seconds = (double)(now.mono_ns - r->before.mono_ns) / 1e9;
	double machine = now.machine_ticks - r->before.machine_ticks;
	double idle = now.machine_idle_ticks - r->before.machine_idle_ticks;
	double value[SAMPLED];

	sample_gpu(r, value);
	sample_each(r);
	value[CPU] = value[MACHINE_CPU] = NAN;
	if (r->before.mono_ns) { /* utilisation needs a second look */
		value[CPU] = share_pct(now.process_s - r->before.process_s, seconds * r->limits.cores);
		value[MACHINE_CPU] = share_pct(machine - idle, machine);
	}
	value[MEMORY] = resident_mb();
	for (int i = 0; i < SAMPLED; i++)
		atomic_store_explicit(&r->latest[i], value[i], memory_order_relaxed);
	sample_sparse(r, r->before.mono_ns ? seconds : 0);
	r->before = now;
}

static void sample_vram(struct look *r)
{
	double value[SAMPLED];

	sample_gpu(r, value);
	sample_each(r);
	atomic_store_explicit(&r->latest[VRAM], value[VRAM], memory_order_relaxed);
	atomic_store_explicit(&r->latest[PROCESS_VRAM], value[PROCESS_VRAM], memory_order_relaxed);
}

enum resources_due resources_due(uint64_t since_all_ns, uint64_t tokens_since_vram)
{
	if (since_all_ns + LOOK_NS / 2 >= EVERY_NS)
		return RESOURCES_ALL;
	return tokens_since_vram >= VRAM_TOKENS ? RESOURCES_VRAM : RESOURCES_NONE;
}

/* The first sample takes everything: shares need two readings, and at opening there was only one. */
static uint64_t tick(void *ctx)
{
	struct look *r = ctx;
	uint64_t fed = atomic_load_explicit(&r->tokens, memory_order_relaxed) - r->tokens_at_vram;
	uint64_t since_ns = clock_mono_ns(&clock_system) - r->before.mono_ns;
	enum resources_due due = resources_due(since_ns + (r->gpu_source ? 0 : EARLY_NS), fed);

	if (due == RESOURCES_ALL || !r->ticked)
		sample(r);
	else if (due == RESOURCES_VRAM)
		sample_vram(r);
	since_ns = due == RESOURCES_ALL || !r->ticked ? 0 : since_ns;
	r->ticked = true;
	return r->gpu_source ? LOOK_NS : EVERY_NS - since_ns;
}

static void free_look(struct look *r)
{
	nvml_close(r->nvml);
	pthread_mutex_destroy(&r->threads_lock);
	free(r->strategy);
	free(r);
}

static struct look *new_look(const char *strategy)
{
	struct look *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	for (int i = 0; i < SAMPLED; i++)
		r->latest[i] = NAN;
	for (int i = 0; i < SPARSE; i++)
		r->latest_sparse[i] = NAN;
	pthread_mutex_init(&r->threads_lock, NULL);
	r->strategy = strategy ? strdup(strategy) : NULL;
	r->vram_total_mb = NAN;
	r->limits = limits_find("");
	r->most_mhz = slowdown_most_mhz("");
	r->nvml = nvml_open(strategy);
	r->n_gpus = nvml_devices(r->nvml) > 1 ? nvml_devices(r->nvml) : 0;
	for (size_t i = 0; i < r->n_gpus; i++) {
		struct gpu_sample gpu;

		nvml_gpu(r->nvml, i, &gpu);
		memcpy(r->device[i], gpu.device, sizeof gpu.device);
		gpu_ordinal(gpu.device, &r->ordinal[i]);
	}
	sample(r);
	r->job = (struct pool_job){ .tick = tick, .ctx = r };
	if ((strategy && !r->strategy) || pool_join(&r->job, FIRST_NS)) {
		free_look(r);
		return NULL;
	}
	r->next = looks;
	looks = r;
	return r;
}

static struct look *share_look(const char *strategy)
{
	struct look *r;

	pthread_mutex_lock(&lock);
	for (r = looks; r; r = r->next)
		if (strategy && r->strategy ? !strcmp(r->strategy, strategy) : r->strategy == strategy)
			break;
	if (!r)
		r = new_look(strategy);
	if (r)
		r->users++;
	pthread_mutex_unlock(&lock);
	return r;
}

static void leave_look(struct look *r)
{
	struct look **place = &looks;
	bool last;

	pthread_mutex_lock(&lock);
	last = !--r->users;
	while (last && *place != r)
		place = &(*place)->next;
	if (last)
		*place = r->next;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	pool_leave(&r->job);
	free_look(r);
}

static struct slowdown_sums sums_now(struct look *r)
{
	struct slowdown_sums sums;

	pthread_mutex_lock(&r->threads_lock);
	sums = slowdown_sums(&r->slowdown, "");
	pthread_mutex_unlock(&r->threads_lock);
	return sums;
}

void resources_look_at_disk(struct resources *r)
{
	uint64_t now = clock_mono_ns(&clock_system);

	if (!r || !r->log_folder || (r->disk_ns && now - r->disk_ns < EVERY_NS))
		return;
	r->disk_ns = now;
	atomic_store_explicit(&r->disk_free_mb, free_mb(r->log_folder), memory_order_relaxed);
}

struct resources *resources_open(const char *strategy, const char *log_path)
{
	struct resources *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->disk_free_mb = NAN;
	r->log_folder = folder_of(log_path);
	resources_look_at_disk(r);
	r->look = share_look(strategy);
	if (!r->look) {
		free(r->log_folder);
		free(r);
		return NULL;
	}
	r->opened_ns = clock_mono_ns(&clock_system);
	r->opened = sums_now(r->look);
	return r;
}

struct resources_whole resources_whole(const struct resources *r)
{
	struct slowdown_sums now;
	double seconds;

	if (!r)
		return (struct resources_whole){ NAN, NAN };
	now = sums_now(r->look);
	seconds = (double)(clock_mono_ns(&clock_system) - r->opened_ns) / 1e9;
	return (struct resources_whole){ slowdown_waiting_pct(&r->opened, &now),
					 slowdown_stopped_pct(&r->opened, &now, seconds) };
}

void resources_close(struct resources *r)
{
	if (!r)
		return;
	leave_look(r->look);
	free(r->log_folder);
	free(r);
}

void resources_forget(void)
{
	pthread_mutex_init(&lock, NULL);
	looks = NULL;
}

static void set_known(struct record *out, enum metric_id m, const _Atomic double *latest)
{
	double value = atomic_load_explicit(latest, memory_order_relaxed);

	if (!isnan(value))
		record_set(out, m, value);
}

static void set_fullest(const struct look *r, struct record *out)
{
	size_t fullest = r->n_gpus;
	double most = -1;

	for (size_t i = 0; i < r->n_gpus; i++) {
		double used = atomic_load_explicit(&r->latest_of[i][GPU_USED_MB], memory_order_relaxed);
		double total = atomic_load_explicit(&r->latest_of[i][GPU_TOTAL_MB], memory_order_relaxed);

		if (100 * used / total > most) {
			most = 100 * used / total;
			fullest = i;
		}
	}
	if (fullest == r->n_gpus)
		return;
	record_set(out, M_VRAM_FULLEST_PCT, most);
	record_set(out, M_VRAM_FULLEST_GPU, r->ordinal[fullest]);
}

void resources_fill(struct resources *r, size_t tokens, struct record *out)
{
	unsigned samples;

	if (!r)
		return;
	atomic_fetch_add_explicit(&r->look->tokens, tokens, memory_order_relaxed);
	for (int i = 0; i < SAMPLED; i++)
		set_known(out, sampled[i], &r->look->latest[i]);
	set_fullest(r->look, out);
	samples = atomic_load_explicit(&r->look->samples, memory_order_acquire);
	if (samples == r->samples_written)
		return;
	r->samples_written = samples;
	for (int i = 0; i < SPARSE; i++)
		set_known(out, sparse[i], &r->look->latest_sparse[i]);
	set_known(out, M_LOG_DISK_FREE_MB, &r->disk_free_mb);
}

static void latest_gpu(const struct look *r, size_t i, struct gpu_sample *out)
{
	memcpy(out->device, r->device[i], sizeof out->device);
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		out->value[v] = atomic_load_explicit(&r->latest_of[i][v], memory_order_relaxed);
}

size_t resources_gpus(const struct resources *r, struct gpu_sample out[GPUS_MAX])
{
	if (!r || !r->look->n_gpus ||
	    atomic_load_explicit(&r->look->samples, memory_order_acquire) == r->samples_written)
		return 0;
	for (size_t i = 0; i < r->look->n_gpus; i++)
		latest_gpu(r->look, i, &out[i]);
	return r->look->n_gpus;
}

void resources_describe(const struct resources *of, struct field_values *session)
{
	const struct look *r = of ? of->look : NULL;
	double slowdown_c;

	fields_set_text(session, F_HOST_CPU, slice_of(cpu_model_name()));
	if (!r)
		return;
	fields_set_number(session, F_HOST_CORES, fmax(1, round(r->limits.cores)));
	if (!isnan(r->most_mhz))
		fields_set_number(session, F_HOST_CPU_MAX_MHZ, round(r->most_mhz));
	if (!isnan(r->limits.memory_mb))
		fields_set_number(session, F_HOST_MEMORY_MB, floor(r->limits.memory_mb));
	if (r->gpu_source)
		fields_set_text(session, F_GPU_SOURCE, slice_of(r->gpu_source));
	if (!isnan(r->vram_total_mb))
		fields_set_number(session, F_VRAM_TOTAL_MB, r->vram_total_mb);
	if (nvml_slowdown_temperature(r->nvml, &slowdown_c))
		fields_set_number(session, F_HOST_GPU_SLOWDOWN_C, slowdown_c);
	if (*nvml_name(r->nvml))
		fields_set_text(session, F_HOST_GPU, slice_of(nvml_name(r->nvml)));
}
