/* fake_nvml.c - stands in for libnvidia-ml.so.1: a GPU whose numbers the test knows. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct memory { unsigned long long total, free, used; };
struct rates { unsigned gpu, memory; };
struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetMemoryInfo(void *device, struct memory *m);
int nvmlDeviceGetUtilizationRates(void *device, struct rates *r);
int nvmlDeviceGetName(void *device, char *name, unsigned bytes);
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *n, struct process *p);
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *mhz);
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits);

static int device_0;

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	*device = &device_0;
	return index ? 2 : 0;
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *m)
{
	*m = (struct memory){ 24576ULL << 20, 21845ULL << 20, 2731ULL << 20 };
	return device != &device_0;
}

int nvmlDeviceGetUtilizationRates(void *device, struct rates *r)
{
	*r = (struct rates){ 78, 40 };
	return device != &device_0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned bytes)
{
	snprintf(name, bytes, "Test GPU");
	return device != &device_0;
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
