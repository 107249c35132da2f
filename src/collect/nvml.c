#include "collect/nvml.h"

#include <dlfcn.h>
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

enum { PROCESSES_MAX = 256, CLOCK_SM = 1 };

/* Bits of nvmlClocksThrottleReasons; a capped application clock and an idle GPU are none of its faults. */
enum { POWER_CAP = 0x4, HW_SLOWDOWN = 0x8, SW_THERMAL = 0x20, HW_THERMAL = 0x40, HW_POWER_BRAKE = 0x80 };

struct nvml {
	void *library, *device;
	int (*shutdown)(void);
	int (*get_memory)(void *device, struct nvml_memory *out);
	int (*get_rates)(void *device, struct nvml_rates *out);
	/* These may be NULL. */
	int (*get_processes)(void *device, unsigned *n, struct nvml_process *out);
	int (*get_clock)(void *device, int kind, unsigned *mhz);
	int (*get_reasons)(void *device, unsigned long long *bits);
	char name[96];
};

/* Object and function pointers convert through memory, as dlsym's users must. */
static bool find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof symbol);
	return symbol != NULL;
}

/* Index of the first visible device; UUID lists and an empty list are left at 0. */
static unsigned first_device(void)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");

	return visible ? (unsigned)strtoul(visible, NULL, 10) : 0;
}

static bool start(struct nvml *n)
{
	int (*init)(void), (*by_index)(unsigned, void **), (*get_name)(void *, char *, unsigned);

	if (!find(n->library, "nvmlInit_v2", &init) || !find(n->library, "nvmlShutdown", &n->shutdown) ||
	    !find(n->library, "nvmlDeviceGetHandleByIndex_v2", &by_index) ||
	    !find(n->library, "nvmlDeviceGetMemoryInfo", &n->get_memory) ||
	    !find(n->library, "nvmlDeviceGetUtilizationRates", &n->get_rates))
		return false;
	if (init())
		return false;
	if (by_index(first_device(), &n->device)) {
		n->shutdown();
		return false;
	}
	if (!find(n->library, "nvmlDeviceGetName", &get_name) || get_name(n->device, n->name, sizeof n->name))
		n->name[0] = 0;
	if (!find(n->library, "nvmlDeviceGetComputeRunningProcesses_v3", &n->get_processes))
		n->get_processes = NULL;
	if (!find(n->library, "nvmlDeviceGetClockInfo", &n->get_clock))
		n->get_clock = NULL;
	if (!find(n->library, "nvmlDeviceGetCurrentClocksThrottleReasons", &n->get_reasons) &&
	    !find(n->library, "nvmlDeviceGetCurrentClocksEventReasons", &n->get_reasons)) /* its later name */
		n->get_reasons = NULL;
	return true;
}

struct nvml *nvml_open(void)
{
	struct nvml *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (n->library && start(n))
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
	struct nvml_memory m;

	if (!n || n->get_memory(n->device, &m))
		return false;
	*used_mb = (double)m.used / (1 << 20);
	*total_mb = (double)m.total / (1 << 20);
	return true;
}

bool nvml_process_memory(struct nvml *n, double *used_mb)
{
	struct nvml_process all[PROCESSES_MAX];
	unsigned count = PROCESSES_MAX;
	double sum = 0;
	bool found = false;

	if (!n || !n->get_processes || n->get_processes(n->device, &count, all))
		return false;
	for (unsigned i = 0; i < count && i < PROCESSES_MAX; i++)
		if (all[i].pid == (unsigned)getpid() && all[i].used != ~0ULL) {
			sum += (double)all[i].used / (1 << 20);
			found = true;
		}
	if (found)
		*used_mb = sum;
	return found;
}

bool nvml_utilization(struct nvml *n, double *pct)
{
	struct nvml_rates r;

	if (!n || n->get_rates(n->device, &r))
		return false;
	*pct = r.gpu;
	return true;
}

bool nvml_clock(struct nvml *n, double *mhz)
{
	unsigned now;

	if (!n || !n->get_clock || n->get_clock(n->device, CLOCK_SM, &now))
		return false;
	*mhz = now;
	return true;
}

bool nvml_throttling(struct nvml *n, double *heat_pct, double *power_pct)
{
	unsigned long long bits;

	if (!n || !n->get_reasons || n->get_reasons(n->device, &bits))
		return false;
	*heat_pct = bits & (SW_THERMAL | HW_THERMAL) ? 100 : 0;
	*power_pct = bits & (POWER_CAP | HW_POWER_BRAKE) ? 100 : 0;
	if (bits & HW_SLOWDOWN && !(bits & (HW_THERMAL | HW_POWER_BRAKE)))
		*heat_pct = *power_pct = 100; /* an old driver does not say which */
	return true;
}

const char *nvml_name(const struct nvml *n)
{
	return n ? n->name : "";
}
