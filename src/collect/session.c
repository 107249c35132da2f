/* session.c - the contents of session_start, from the caller's configuration and the machine. */
#include "collect/collector.h"

#include <sys/random.h>
#include <unistd.h>

static void set_copy(struct rwkvmon *mon, enum field_id f, const char *text)
{
	if (text && *text)
		fields_set_text(&mon->session, f, slice_of(arena_copy(&mon->arena, slice_of(text))));
}

static void set_known(struct rwkvmon *mon, enum field_id f, double number)
{
	if (number > 0)
		fields_set_number(&mon->session, f, number);
}

static const uint64_t SESSION_ID_BITS = (UINT64_C(1) << 48) - 1;

void collector_random_id(char id[SESSION_ID_BYTES], uint64_t salt)
{
	uint64_t random = 0;

	/* If the kernel provides no random bits, the clock's lowest bits and the process id distinguish most
	 * streams. */
	if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
		random = salt ^ (uint64_t)getpid() << 32;
	snprintf(id, SESSION_ID_BYTES, "rwkv-sess-%012llx", (unsigned long long)(random & SESSION_ID_BITS));
}

static void set_session_id(struct rwkvmon *mon, const char *given)
{
	char id[SESSION_ID_BYTES];

	collector_random_id(id, mon->open_ns);
	set_copy(mon, F_SESSION_ID, given && *given ? given : id);
}

/* The number of the namespace that this process's id counts in, as containers have one each; 0: the machine's own. */
static unsigned long pid_namespace(void)
{
	static const unsigned long of_machine = 0xeffffffc; /* the kernel's PROC_PID_INIT_INO */
	static const char before[] = "pid:[";
	char name[64];
	ssize_t n = readlink("/proc/self/ns/pid", name, sizeof name - 1);
	unsigned long number = 0;

	name[n > 0 ? n : 0] = 0;
	if (!strncmp(name, before, sizeof before - 1))
		number = strtoul(name + sizeof before - 1, NULL, 10);
	return number == of_machine ? 0 : number;
}

/* Several containers may have one host name (those of a pod, or of the host's network), and each has a process 1. */
static void set_instance(struct rwkvmon *mon, const char *given)
{
	const unsigned long space = pid_namespace();
	char host[200] = "localhost", behind[32] = "", instance[256];

	gethostname(host, sizeof host - 1);
	if (space)
		snprintf(behind, sizeof behind, "-%lu", space);
	snprintf(instance, sizeof instance, "%s:%ld%s", host, (long)getpid(), behind);
	set_copy(mon, F_INSTANCE, given && *given ? given : instance);
}

static void set_sampler(struct rwkvmon *mon, const struct rwkvmon_config *cfg)
{
	if (!cfg->has_sampler)
		return;
	fields_set_number(&mon->session, F_SAMPLER_TEMPERATURE, cfg->temperature);
	fields_set_number(&mon->session, F_SAMPLER_TOP_P, cfg->top_p);
	fields_set_number(&mon->session, F_SAMPLER_TOP_K, cfg->top_k);
	fields_set_number(&mon->session, F_SAMPLER_FREQUENCY, cfg->alpha_frequency);
	fields_set_number(&mon->session, F_SAMPLER_PRESENCE, cfg->alpha_presence);
	fields_set_number(&mon->session, F_SAMPLER_DECAY, cfg->penalty_decay);
	fields_set_number(&mon->session, F_SAMPLER_SEED, (double)cfg->seed);
}

void collector_describe(struct rwkvmon *mon, const struct rwkvmon_config *cfg)
{
	set_session_id(mon, cfg->session_id);
	set_instance(mon, cfg->instance);
	set_copy(mon, F_MODEL_NAME, cfg->model_name ? cfg->model_name : "unknown");
	set_copy(mon, F_STRATEGY, cfg->strategy ? cfg->strategy : "unknown");
	fields_set_number(&mon->session, F_CHUNK_LEN, cfg->chunk_len ? cfg->chunk_len : 1);
	set_copy(mon, F_MODEL_VERSION, cfg->model_version);
	set_known(mon, F_N_LAYER, cfg->n_layer);
	set_known(mon, F_N_EMBD, cfg->n_embd);
	set_known(mon, F_VOCAB_SIZE, cfg->vocab_size);
	set_known(mon, F_MODEL_BYTES, (double)cfg->model_bytes);
	set_known(mon, F_LOAD_TIME_MS, cfg->load_time_ms);
	set_copy(mon, F_RUNTIME_NAME, cfg->runtime_name);
	set_copy(mon, F_RUNTIME_VERSION, cfg->runtime_version);
	set_copy(mon, F_RUNTIME_FLAGS, cfg->runtime_flags);
	set_sampler(mon, cfg);
	set_copy(mon, F_RULES, ruleset_name(mon->program->set));
	set_copy(mon, F_GOAL, cfg->goal);
	set_copy(mon, F_TOOL_VERSION, RWKVMON_VERSION);
	resources_describe(mon->resources, &mon->session);
	mon->session_of_stream = mon->session;
	fields_set_text(&mon->session_of_stream, F_STREAM_OF, fields_text(&mon->session, F_SESSION_ID));
}
