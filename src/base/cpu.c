/* cpu.c - queries the processor's features once; RWKVMON_SIMD may limit them. */
#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cpu_features features;
static bool unknown_ceiling;
static char model_name[96] = "unknown";

/* false: unknown value, and nothing is limited. */
static bool lower_to(const char *ceiling)
{
	if (!strcmp(ceiling, "scalar"))
		features = (struct cpu_features){ 0 };
	else if (!strcmp(ceiling, "avx2"))
		features.avx512 = features.avx512vnni = features.vbmi2 = false;
	else if (!strcmp(ceiling, "avx512"))
		features.avx512vnni = false;
	else
		return !strcmp(ceiling, "avx512vnni") || !strcmp(ceiling, "neon"); /* the highest: nothing to lower */
	return true;
}

static void read_model_name(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		colon[strcspn(colon, "\n")] = 0;
		snprintf(model_name, sizeof model_name, "%s", colon + 1 + strspn(colon + 1, " \t"));
		break;
	}
	if (f)
		fclose(f);
}

static void detect(void)
{
	const char *ceiling;

#if defined(__x86_64__)
	__builtin_cpu_init();
	/* Every processor with these has F16C and LZCNT; clang 14 cannot ask for them by name. */
	features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
			__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
	features.avx512 = features.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
			  __builtin_cpu_supports("avx512cd");
	features.vbmi2 = features.avx512 && __builtin_cpu_supports("avx512vbmi2");
	features.avx512vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
	features.neon = true;
#endif
	ceiling = secure_getenv("RWKVMON_SIMD");
	unknown_ceiling = ceiling && *ceiling && !lower_to(ceiling);
	read_model_name();
}

const struct cpu_features *cpu_features(void)
{
	pthread_once(&once, detect);
	return &features;
}

bool cpu_ceiling_is_known(void)
{
	pthread_once(&once, detect);
	return !unknown_ceiling;
}

const char *cpu_features_name(void)
{
	const struct cpu_features *f = cpu_features();

	return f->avx512vnni ? "avx512vnni" : f->avx512 ? "avx512" : f->avx2 ? "avx2" : f->neon ? "neon" : "scalar";
}

const char *cpu_model_name(void)
{
	pthread_once(&once, detect);
	return model_name;
}

int cpu_count(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof set, &set))
		return CPU_COUNT(&set);
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}
