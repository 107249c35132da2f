#include "collect/resources.h"

#include "base/cpu.h"
#include "collect/drm.h"
#include "collect/limits.h"
#include "collect/nvml.h"
#include "collect/slowdown.h"
#include "collect/small_file.h"
#include "collect/worker.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t FIRST_NS = 250000000, LOOK_NS = 250000000, EVERY_NS = UINT64_C(5) * 1000000000;
enum { VRAM_TOKENS = 100 };

enum { VRAM, PROCESS_VRAM, GPU, CPU, MACHINE_CPU, MEMORY, SAMPLED };
static const enum metric_id sampled[SAMPLED] = {
	[VRAM] = M_VRAM_USED_MB,	   [PROCESS_VRAM] = M_PROCESS_VRAM_MB,		  [GPU] = M_GPU_UTILIZATION_PCT,
	[CPU] = M_CPU_UTILIZATION_PCT, [MACHINE_CPU] = M_MACHINE_CPU_UTILIZATION_PCT, [MEMORY] = M_PROCESS_MEMORY_MB,
};

/* Written once a sample, with the first call after it: what slows a machine down changes the log by a few bytes in 5 s. */
enum { CPU_CLOCK, CPU_HOT, CPU_STOPPED, CPU_WAITING, GPU_CLOCK, GPU_HOT, GPU_POWER, SPARSE };
static const enum metric_id sparse[SPARSE] = {
	[CPU_CLOCK] = M_CPU_CLOCK_MHZ,	    [CPU_HOT] = M_CPU_THERMAL_THROTTLES, [CPU_STOPPED] = M_CPU_QUOTA_STOPPED_PCT,
	[CPU_WAITING] = M_CPU_WAITING_PCT,  [GPU_CLOCK] = M_GPU_CLOCK_MHZ,	 [GPU_HOT] = M_GPU_THERMAL_THROTTLED_PCT,
	[GPU_POWER] = M_GPU_POWER_THROTTLED_PCT,
};

/* Counters whose differences are utilisation. */
struct cpu_times {
	uint64_t mono_ns;
	double process_ticks;		     /* user + system */
	double machine_ticks, machine_idle_ticks; /* of all cores */
};

struct resources {
	_Atomic double latest[SAMPLED], latest_sparse[SPARSE]; /* NaN: unknown */
	_Atomic unsigned samples; /* of everything, so far */
	unsigned samples_written; /* the caller's: whose sparse values are in a record */
	_Atomic uint64_t tokens;	/* fed so far; written by the caller's thread */
	uint64_t tokens_at_vram;	/* when the GPU's memory was sampled last */
	struct cpu_times before;
	struct slowdown_before slowdown;
	struct nvml *nvml;
	double vram_total_mb;
	const char *gpu_source; /* NULL: no GPU is known; it and the total are of the first look */
	bool looked, ticked;
	struct limits limits;
	double most_mhz; /* of a processor */
	struct worker worker;
};

/* /proc/self/stat: the name in parentheses may hold anything, so count from the last ')'. */
static double process_ticks(void)
{
	char text[1024], *p;

	if (!small_file_read(text, sizeof text, "/proc/self/stat") || !(p = strrchr(text, ')')))
		return NAN;
	for (int field = 2; field < 14 && p; field++)
		p = strchr(p + 1, ' ');
	return p ? strtod(p, &p) + strtod(p, NULL) : NAN;
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
	struct cpu_times t = { .mono_ns = clock_mono_ns(&clock_system), .process_ticks = process_ticks() };

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

static double share_pct(double part, double whole)
{
	return whole > 0 ? fmax(0, fmin(100, 100 * part / whole)) : NAN;
}

/* NVML where there is an NVIDIA GPU; else what the kernel says. */
static void sample_gpu(struct resources *r, double value[SAMPLED])
{
	struct drm_card card = { NAN, NAN, NAN };
	const char *source = "nvml";

	r->tokens_at_vram = atomic_load_explicit(&r->tokens, memory_order_relaxed);
	value[VRAM] = value[PROCESS_VRAM] = value[GPU] = NAN;
	if (r->nvml) {
		nvml_memory(r->nvml, &value[VRAM], &card.total_mb);
		nvml_utilization(r->nvml, &value[GPU]);
		nvml_process_memory(r->nvml, &value[PROCESS_VRAM]);
	} else {
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

static void sample_sparse(struct resources *r, double seconds)
{
	struct slowdown s = slowdown_look(&r->slowdown, "", seconds);
	double value[SPARSE] = { [CPU_CLOCK] = s.clock_mhz, [CPU_HOT] = s.hot, [CPU_STOPPED] = s.stopped_pct,
				 [CPU_WAITING] = s.waiting_pct, [GPU_CLOCK] = NAN, [GPU_HOT] = NAN, [GPU_POWER] = NAN };

	nvml_clock(r->nvml, &value[GPU_CLOCK]);
	nvml_throttling(r->nvml, &value[GPU_HOT], &value[GPU_POWER]);
	for (int i = 0; i < SPARSE; i++)
		atomic_store_explicit(&r->latest_sparse[i], value[i], memory_order_relaxed);
	if (seconds > 0)
		atomic_fetch_add_explicit(&r->samples, 1, memory_order_release);
}

static void sample(struct resources *r)
{
	struct cpu_times now = cpu_times();
	double seconds = (double)(now.mono_ns - r->before.mono_ns) / 1e9;
	double process_s = (now.process_ticks - r->before.process_ticks) / (double)sysconf(_SC_CLK_TCK);
	double machine = now.machine_ticks - r->before.machine_ticks;
	double idle = now.machine_idle_ticks - r->before.machine_idle_ticks;
	double value[SAMPLED];

	sample_gpu(r, value);
	value[CPU] = value[MACHINE_CPU] = NAN;
	if (r->before.mono_ns) { /* utilisation needs a second look */
		value[CPU] = share_pct(process_s, seconds * r->limits.cores);
		value[MACHINE_CPU] = share_pct(machine - idle, machine);
	}
	value[MEMORY] = resident_mb();
	for (int i = 0; i < SAMPLED; i++)
		atomic_store_explicit(&r->latest[i], value[i], memory_order_relaxed);
	sample_sparse(r, r->before.mono_ns ? seconds : 0);
	r->before = now;
}

static void sample_vram(struct resources *r)
{
	double value[SAMPLED];

	sample_gpu(r, value);
	atomic_store_explicit(&r->latest[VRAM], value[VRAM], memory_order_relaxed);
	atomic_store_explicit(&r->latest[PROCESS_VRAM], value[PROCESS_VRAM], memory_order_relaxed);
}

enum resources_due resources_due(uint64_t since_all_ns, uint64_t tokens_since_vram)
{
	if (since_all_ns + LOOK_NS / 2 >= EVERY_NS)
		return RESOURCES_ALL;
	return tokens_since_vram >= VRAM_TOKENS ? RESOURCES_VRAM : RESOURCES_NONE;
}

/* The first look is of everything: the one at opening had nothing to form a share with. */
static uint64_t tick(void *ctx)
{
	struct resources *r = ctx;
	uint64_t fed = atomic_load_explicit(&r->tokens, memory_order_relaxed) - r->tokens_at_vram;
	enum resources_due due = resources_due(clock_mono_ns(&clock_system) - r->before.mono_ns, fed);

	if (due == RESOURCES_ALL || !r->ticked)
		sample(r);
	else if (due == RESOURCES_VRAM)
		sample_vram(r);
	r->ticked = true;
	return r->gpu_source ? LOOK_NS : EVERY_NS;
}

struct resources *resources_open(void)
{
	struct resources *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	for (int i = 0; i < SAMPLED; i++)
		r->latest[i] = NAN;
	for (int i = 0; i < SPARSE; i++)
		r->latest_sparse[i] = NAN;
	r->vram_total_mb = NAN;
	r->limits = limits_find("");
	r->most_mhz = slowdown_most_mhz("");
	r->nvml = nvml_open();
	sample(r);
	if (worker_start(&r->worker, "rwkvmon-res", tick, r, FIRST_NS)) {
		nvml_close(r->nvml);
		free(r);
		return NULL;
	}
	return r;
}

void resources_close(struct resources *r)
{
	if (!r)
		return;
	worker_stop(&r->worker);
	nvml_close(r->nvml);
	free(r);
}

static void set_known(struct record *out, enum metric_id m, const _Atomic double *latest)
{
	double value = atomic_load_explicit(latest, memory_order_relaxed);

	if (!isnan(value))
		record_set(out, m, value);
}

void resources_fill(struct resources *r, size_t tokens, struct record *out)
{
	unsigned samples;

	if (!r)
		return;
	/* One writer: a plain addition, which the sampling thread may read. */
	atomic_store_explicit(&r->tokens, atomic_load_explicit(&r->tokens, memory_order_relaxed) + tokens, memory_order_relaxed);
	for (int i = 0; i < SAMPLED; i++)
		set_known(out, sampled[i], &r->latest[i]);
	samples = atomic_load_explicit(&r->samples, memory_order_acquire);
	if (samples == r->samples_written)
		return;
	r->samples_written = samples;
	for (int i = 0; i < SPARSE; i++)
		set_known(out, sparse[i], &r->latest_sparse[i]);
}

void resources_describe(const struct resources *r, struct field_values *session)
{
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
	if (*nvml_name(r->nvml))
		fields_set_text(session, F_HOST_GPU, slice_of(nvml_name(r->nvml)));
}
