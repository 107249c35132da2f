/* fake_cuda.c - stands in for libcuda.so.1 of fake_nvml.c's machine: the fastest GPU is the first, as CUDA counts by
 * default. */
#include <string.h>

int cuInit(unsigned flags);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetUuid_v2(unsigned char *uuid, int device);

enum { NOT_INITIALISED = 3, INVALID_DEVICE = 101, DEVICES = 3 };

static int initialised;
static const unsigned char uuids[DEVICES][16] = {
	{ 0x22, 0x22, 0xbb, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 },
	{ 0x00, 0x00, 0xee, 0xee, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ 0x33, 0x33, 0xcc, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
};

int cuInit(unsigned flags)
{
	initialised = flags == 0;
	return 0;
}

int cuDeviceGet(int *device, int ordinal)
{
	if (!initialised)
		return NOT_INITIALISED;
	*device = ordinal;
	return ordinal < DEVICES ? 0 : INVALID_DEVICE;
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
	memcpy(uuid, uuids[device], sizeof uuids[device]);
	return 0;
}
