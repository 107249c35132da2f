/* fake_nvml.c - stands in for libnvidia-ml.so.1: a GPU whose numbers the test knows. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct memory {
	unsigned long long total, free, used;
};
struct rates {
	unsigned gpu, memory;
};
struct process {
	unsigned pid;
	unsigned long long used;
	unsigned gpu_instance, compute_instance;
};

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned bytes);
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device);
int nvmlDeviceGetMemoryInfo(void *device, struct memory *m);
int nvmlDeviceGetUtilizationRates(void *device, struct rates *r);
int nvmlDeviceGetName(void *device, char *name, unsigned bytes);
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *n, struct process *p);
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *mhz);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits);

/* Three GPUs, and a MIG device of the last. */
static int device_0, device_1, device_2, mig;
static const struct {
	int *device;
	const char *uuid, *name;
	unsigned long long total_mib;
} devices[] = {
	{ &device_0, "GPU-0000eeee-0000-0000-0000-000000000000", "Test GPU", 24576 },
	{ &device_1, "GPU-1111aaaa-0000-0000-0000-000000000001", "Test GPU 1", 49152 },
	{ &device_2, "GPU-2222bbbb-0000-0000-0000-000000000002", "Test GPU 2", 81920 },
	{ &mig, "MIG-3333cccc-0000-0000-0000-000000000001", "Test MIG", 10240 },
};

enum { GPUS = 3, DEVICES = 4 };

static unsigned number_of(const void *device)
{
	unsigned i = 0;

	while (i < DEVICES && devices[i].device != device)
		i++;
	return i;
}

int nvmlInit_v2(void)
{
	return 0;
}
int nvmlShutdown(void)
{
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	if (index < GPUS)
		*device = devices[index].device;
	return index < GPUS ? 0 : 2;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
	*n = GPUS;
	return 0;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned bytes)
{
	unsigned i = number_of(device);

	if (i < DEVICES)
		snprintf(uuid, bytes, "%s", devices[i].uuid);
	return i < DEVICES ? 0 : 2;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
	for (unsigned i = 0; i < DEVICES; i++)
		if (!strcmp(uuid, devices[i].uuid)) {
			*device = devices[i].device;
			return 0;
		}
	return 6;
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *m)
{
	unsigned i = number_of(device);

	if (i < DEVICES)
		*m = (struct memory){ devices[i].total_mib << 20, (devices[i].total_mib - 2731) << 20, 2731ULL << 20 };
	return i < DEVICES ? 0 : 2;
}

int nvmlDeviceGetUtilizationRates(void *device, struct rates *r)
{
	*r = (struct rates){ 78, 40 };
	return device != &device_0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned bytes)
{
	unsigned i = number_of(device);

	if (i < DEVICES)
		snprintf(name, bytes, "%s", devices[i].name);
	return i < DEVICES ? 0 : 2;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *n, struct process *p)
{
	p[0] = (struct process){ 1, 999ULL << 20, 0, 0 };
	p[1] = (struct process){ (unsigned)getpid(), 1500ULL << 20, 0, 0 };
	*n = 2;
	return device != &device_0;
}

int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *mhz)
{
	*mhz = kind == 1 ? 1410 : 99;
	return device != &device_0;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits)
{
	*bits = 0x20 | 0x2; /* hot, and an application clock is set */
	return device != &device_0;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *c)
{
	*c = sensor == 0 ? 71 : 99;
	return device != &device_0;
}

int nvmlDeviceGetTemperatureThreshold(void *device, int kind, unsigned *c)
{
	*c = kind == 1 ? 87 : 92;
	return device != &device_0;
}
