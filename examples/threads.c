/* Several streams at once: one handle per thread, one log for all of them. */
#include <pthread.h>
#include <rwkvmon.h>
#include <stdio.h>

enum { STREAMS = 4, TOKENS = 200 };

static void *stream(void *name)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = "threads.log",
				      .model_name = "my model",
				      .instance = name,
				      .block_when_full = 1 };
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fprintf(stderr, "%s\n", why);
	for (uint32_t i = 0; i < TOKENS; i++) {
		struct rwkvmon_step step = {
			.struct_size = sizeof step, .tokens = &i, .n_tokens = 1, .phase = RWKVMON_DECODE
		};

		if (i == TOKENS / 2)
			rwkvmon_new_sequence(mon);
		rwkvmon_begin(mon);
		/* the forward call */
		rwkvmon_end(mon, &step);
	}
	rwkvmon_close(mon, NULL);
	return NULL;
}

int main(void)
{
	static char name[STREAMS][16];
	pthread_t thread[STREAMS];

	for (int i = 0; i < STREAMS; i++) {
		snprintf(name[i], sizeof name[i], "stream-%d", i);
		if (pthread_create(&thread[i], NULL, stream, name[i]))
			return 1;
	}
	for (int i = 0; i < STREAMS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
