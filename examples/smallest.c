/* The smallest program that is watched. cc smallest.c $(pkg-config --cflags --libs rwkvmon) */
#include <rwkvmon.h>
#include <stdio.h>

int main(void)
{
	char why[RWKVMON_ERROR_BYTES];
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "smallest.log", .model_name = "my model" };
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fprintf(stderr, "%s\n", why); /* go on without: every call takes NULL */
	for (uint32_t token = 0; token < 200; token++) {
		float logits[256] = { 0 };
		rwkvmon_begin(mon);
		logits[token] = 9; /* your forward call */
		rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
							 .tokens = &token,
							 .n_tokens = 1,
							 .logits = logits,
							 .n_logits = 256 });
	}
	return rwkvmon_close(mon, NULL);
}
