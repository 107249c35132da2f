/* nvml.c - symbols by dlsym; a missing one leaves its number unknown. */
#include "collect/nvml.h"

#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The few entries that are needed, as NVML's header declares them. */
struct nvml_memory {
	unsigned long long total, free, used; /* bytes */
};

struct nvml_rates {
	unsigned gpu, memory; /* % */
};

/* nvmlProcessInfo_v2_t */
struct nvml_process {
	unsigned pid;
	unsigned long long used; /* bytes; all ones: unknown */
	unsigned gpu_instance, compute_instance;
};

enum {
	PROCESSES_MAX = 256,
	CLOCK_SM = 1,
	SENSOR_GPU = 0,
	THRESHOLD_SLOWDOWN = 1,
	UUID_MAX = 96,
	UUID_BYTES = 16,
	NAME_MAX = 96,
	ORDINAL_MOST = 1023
};

/* Bits of nvmlClocksThrottleReasons; a capped application clock and an idle GPU are none of its faults. */
enum { POWER_CAP = 0x4, HW_SLOWDOWN = 0x8, SW_THERMAL = 0x20, HW_THERMAL = 0x40, HW_POWER_BRAKE = 0x80 };

struct nvml {
	void *library, *device[GPUS_MAX]; /* (n) */
	unsigned ordinal[GPUS_MAX];
	size_t n;
	int (*shutdown)(void);
	int (*get_memory)(void *device, struct nvml_memory *out);
	int (*get_rates)(void *device, struct nvml_rates *out);
	/* These may be NULL. */
	int (*get_processes)(void *device, unsigned *n, struct nvml_process *out);
	int (*get_clock)(void *device, int kind, unsigned *mhz);
	int (*get_reasons)(void *device, unsigned long long *bits);
	int (*get_temperature)(void *device, int sensor, unsigned *c);
	int (*get_threshold)(void *device, int kind, unsigned *c);
	char name[GPUS_MAX * (NAME_MAX + 16)];
};

/* Object and function pointers convert through memory, as dlsym's users must. */
static bool find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof symbol);
	return symbol != NULL;
}

/* How devices are looked for; all but by_index may be NULL. */
struct lookup {
	int (*by_index)(unsigned index, void **device);
	int (*by_uuid)(const char *uuid, void **device);
	int (*count)(unsigned *n);
	int (*uuid)(void *device, char *uuid, unsigned bytes);
};

/* A GPU's UUID may be cut short as long as it is unambiguous: the first that begins so. */
static bool find_uuid(const struct lookup *by, const char *uuid, void **device)
{
	char of[UUID_MAX];
	unsigned n = 0;

	if (by->by_uuid && !by->by_uuid(uuid, device))
		return true;
	if (!by->count || !by->uuid || by->count(&n))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!by->by_index(i, device) && !by->uuid(*device, of, sizeof of) && !strncmp(of, uuid, strlen(uuid)))
			return true;
	return false;
}

/* What CUDA says where this process has begun to use it: only CUDA knows how it orders GPUs that differ. It is neither
 * loaded nor initialised here. */
static bool cuda_uuid(unsigned ordinal, unsigned char uuid[UUID_BYTES])
{
	void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
	int (*get_device)(int *device, int ordinal), (*get_uuid)(unsigned char *uuid, int device), device;
	bool said = cuda && find(cuda, "cuDeviceGet", &get_device) &&
		    (find(cuda, "cuDeviceGetUuid_v2", &get_uuid) || find(cuda, "cuDeviceGetUuid", &get_uuid)) &&
		    !get_device(&device, (int)ordinal) && !get_uuid(uuid, device);

	if (cuda)
		dlclose(cuda);
	return said;
}

static bool find_as_cuda(const struct lookup *by, unsigned ordinal, void **device)
{
	static const char *const kinds[] = { "GPU", "MIG" };
	unsigned char u[UUID_BYTES];
	char text[UUID_MAX];

	if (!cuda_uuid(ordinal, u))
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(text, sizeof text, "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 kinds[i], u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
			 u[13], u[14], u[15]);
		if (find_uuid(by, text, device))
			return true;
	}
	return false;
}

/* The device that CUDA numbers so in this process. */
static bool find_ordinal(const struct lookup *by, unsigned ordinal, void **device)
{
	const char *entry = getenv("CUDA_VISIBLE_DEVICES");
	char text[UUID_MAX], *end;
	unsigned long index;

	if (find_as_cuda(by, ordinal, device))
		return true;
	if (!entry)
		return !by->by_index(ordinal, device);
	for (unsigned i = 0; i < ordinal; i++) {
		entry = strchr(entry, ',');
		if (!entry++)
			return false;
	}
	entry += strspn(entry, " ");
	snprintf(text, sizeof text, "%.*s", (int)(strcspn(entry, ", ") % sizeof text), entry);
	index = strtoul(text, &end, 10);
	if (end != text && !*end && *text != '-')
		return index <= ORDINAL_MOST && !by->by_index((unsigned)index, device);
	return isalpha((unsigned char)*text) && find_uuid(by, text, device); /* "" and -1 hide all GPUs */
}

static void add_name(struct nvml *n, const char *name, unsigned ordinal, bool several)
{
	size_t used = strlen(n->name);

	if (several)
		snprintf(n->name + used, sizeof n->name - used, "%s%s (cuda:%u)", used ? ", " : "", name, ordinal);
	else
		snprintf(n->name, sizeof n->name, "%s", name);
}

/* The devices that a strategy names, or the first; returns how many. */
static size_t ordinals_of(const char *strategy, unsigned out[GPUS_MAX])
{
	size_t n = strategy ? strategy_gpus(slice_of(strategy), out) : 0;

	if (!n)
		out[n++] = 0;
	return n;
}

static void find_devices(struct nvml *n, const struct lookup *by, const char *strategy)
{
	int (*get_name)(void *, char *, unsigned);
	unsigned ordinal[GPUS_MAX];
	size_t named = ordinals_of(strategy, ordinal);

	if (!find(n->library, "nvmlDeviceGetName", &get_name))
		get_name = NULL;
	for (size_t i = 0; i < named; i++) {
		char name[NAME_MAX];

		if (ordinal[i] > ORDINAL_MOST || !find_ordinal(by, ordinal[i], &n->device[n->n]))
			continue;
		if (get_name && !get_name(n->device[n->n], name, sizeof name))
			add_name(n, name, ordinal[i], named > 1);
		n->ordinal[n->n++] = ordinal[i];
	}
}

static bool start(struct nvml *n, const char *strategy)
{
	struct lookup by;
	int (*init)(void);

	if (!find(n->library, "nvmlInit_v2", &init) || !find(n->library, "nvmlShutdown", &n->shutdown) ||
	    !find(n->library, "nvmlDeviceGetHandleByIndex_v2", &by.by_index) ||
	    !find(n->library, "nvmlDeviceGetMemoryInfo", &n->get_memory) ||
	    !find(n->library, "nvmlDeviceGetUtilizationRates", &n->get_rates))
		return false;
	find(n->library, "nvmlDeviceGetHandleByUUID", &by.by_uuid);
	find(n->library, "nvmlDeviceGetCount_v2", &by.count);
	find(n->library, "nvmlDeviceGetUUID", &by.uuid);
	if (init())
		return false;
	find_devices(n, &by, strategy);
	if (!n->n) {
		n->shutdown();
		return false;
	}
	find(n->library, "nvmlDeviceGetComputeRunningProcesses_v3", &n->get_processes);
	find(n->library, "nvmlDeviceGetClockInfo", &n->get_clock);
	find(n->library, "nvmlDeviceGetTemperature", &n->get_temperature);
	find(n->library, "nvmlDeviceGetTemperatureThreshold", &n->get_threshold);
	if (!find(n->library, "nvmlDeviceGetCurrentClocksThrottleReasons", &n->get_reasons))
		find(n->library, "nvmlDeviceGetCurrentClocksEventReasons", &n->get_reasons); /* its later name */
	return true;
}

struct nvml *nvml_open(const char *strategy)
{
	struct nvml *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (n->library && start(n, strategy))
		return n;
	if (n->library)
		dlclose(n->library);
	free(n);
	return NULL;
}

void nvml_close(struct nvml *n)
{
	if (!n)
		return;
	n->shutdown();
	dlclose(n->library);
	free(n);
}

bool nvml_memory(struct nvml *n, double *used_mb, double *total_mb)
{
	double used = 0, total = 0;

	for (size_t i = 0; n && i < n->n; i++) {
		struct nvml_memory m;

		if (n->get_memory(n->device[i], &m))
			return false;
		used += (double)m.used / (1 << 20);
		total += (double)m.total / (1 << 20);
	}
	if (!n)
		return false;
	*used_mb = used;
	*total_mb = total;
	return true;
}

/* Adds the memory of this process on one GPU; false if it is unknown. */
static bool add_process_memory(struct nvml *n, void *device, double *sum_mb)
{
	struct nvml_process all[PROCESSES_MAX];
	unsigned count = PROCESSES_MAX;
	bool found = false;

	if (n->get_processes(device, &count, all))
		return false;
	for (unsigned i = 0; i < count && i < PROCESSES_MAX; i++)
		if (all[i].pid == (unsigned)getpid() && all[i].used != ~0ULL) {
			*sum_mb += (double)all[i].used / (1 << 20);
			found = true;
		}
	return found;
}

bool nvml_process_memory(struct nvml *n, double *used_mb)
{
	double sum = 0;
	bool found = false;

	for (size_t i = 0; n && n->get_processes && i < n->n; i++)
		found |= add_process_memory(n, n->device[i], &sum);
	if (found)
		*used_mb = sum;
	return found;
}

bool nvml_utilization(struct nvml *n, double *pct)
{
	double sum = 0;

	for (size_t i = 0; n && i < n->n; i++) {
		struct nvml_rates r;

		if (n->get_rates(n->device[i], &r))
			return false;
		sum += r.gpu;
	}
	if (!n)
		return false;
	*pct = sum / (double)n->n;
	return true;
}

bool nvml_clock(struct nvml *n, double *mhz)
{
	unsigned slowest = 0;

	for (size_t i = 0; n && n->get_clock && i < n->n; i++) {
		unsigned now;

		if (n->get_clock(n->device[i], CLOCK_SM, &now))
			return false;
		slowest = i && slowest < now ? slowest : now;
	}
	if (!n || !n->get_clock)
		return false;
	*mhz = slowest;
	return true;
}

/* Of one GPU: do heat, and power, keep its clock down? False: the driver does not say. */
static bool reasons_of(struct nvml *n, void *device, bool *heat, bool *power)
{
	unsigned long long bits;
	bool unnamed;

	if (!n->get_reasons || n->get_reasons(device, &bits))
		return false;
	unnamed = bits & HW_SLOWDOWN && !(bits & (HW_THERMAL | HW_POWER_BRAKE)); /* by an old driver */
	*heat = unnamed || bits & (SW_THERMAL | HW_THERMAL);
	*power = unnamed || bits & (POWER_CAP | HW_POWER_BRAKE);
	return true;
}

bool nvml_throttling(struct nvml *n, double *heat_pct, double *power_pct)
{
	bool any_heat = false, any_power = false, heat, power;

	for (size_t i = 0; n && i < n->n; i++) {
		if (!reasons_of(n, n->device[i], &heat, &power))
			return false;
		any_heat |= heat;
		any_power |= power;
	}
	if (!n)
		return false;
	*heat_pct = any_heat ? 100 : 0;
	*power_pct = any_power ? 100 : 0;
	return true;
}

bool nvml_temperature(struct nvml *n, double *c)
{
	unsigned hottest = 0;

	for (size_t i = 0; n && n->get_temperature && i < n->n; i++) {
		unsigned now;

		if (n->get_temperature(n->device[i], SENSOR_GPU, &now))
			return false;
		hottest = now > hottest ? now : hottest;
	}
	if (!n || !n->get_temperature)
		return false;
	*c = hottest;
	return true;
}

bool nvml_slowdown_temperature(struct nvml *n, double *c)
{
	unsigned lowest = 0;

	for (size_t i = 0; n && n->get_threshold && i < n->n; i++) {
		unsigned at;

		if (n->get_threshold(n->device[i], THRESHOLD_SLOWDOWN, &at))
			return false;
		lowest = !i || at < lowest ? at : lowest;
	}
	if (!lowest)
		return false;
	*c = lowest;
	return true;
}

size_t nvml_devices(const struct nvml *n)
{
	return n ? n->n : 0;
}

void nvml_gpu(struct nvml *n, size_t i, struct gpu_sample *out)
{
	void *device = n->device[i];
	struct nvml_memory memory;
	struct nvml_rates rates;
	double own_mb = 0;
	bool heat, power;
	unsigned now;
	char name[GPU_DEVICE_BYTES];

	snprintf(name, sizeof name, "cuda:%u", n->ordinal[i] % 10000);
	gpu_sample_begin(out, slice_of(name));
	if (!n->get_memory(device, &memory)) {
		out->value[GPU_USED_MB] = (double)memory.used / (1 << 20);
		out->value[GPU_TOTAL_MB] = (double)memory.total / (1 << 20);
	}
	if (n->get_processes && add_process_memory(n, device, &own_mb))
		out->value[GPU_PROCESS_MB] = own_mb;
	if (!n->get_rates(device, &rates))
		out->value[GPU_UTILIZATION_PCT] = rates.gpu;
	if (n->get_clock && !n->get_clock(device, CLOCK_SM, &now))
		out->value[GPU_CLOCK_MHZ] = now;
	if (reasons_of(n, device, &heat, &power)) {
		out->value[GPU_HOT_PCT] = heat ? 100 : 0;
		out->value[GPU_POWER_PCT] = power ? 100 : 0;
	}
	if (n->get_temperature && !n->get_temperature(device, SENSOR_GPU, &now))
		out->value[GPU_TEMPERATURE_C] = now;
}

const char *nvml_name(const struct nvml *n)
{
	return n ? n->name : "";
}
