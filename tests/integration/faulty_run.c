/* faulty_run.c - a model that is healthy until told otherwise, watched through the C API.
 *     faulty_run [LOG]
 *
 * Prints where /metrics is, then feeds a token every 10 ms. A line on standard input changes what happens: "nan" or
 * "healthy" what the logits hold, "fill KIB" how much memory each token takes for ever. The end of the input ends the
 * program. */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCAB = 256 };

static void feed(rwkvmon *mon, uint32_t token, int broken)
{
	float logits[VOCAB];

	for (int i = 0; i < VOCAB; i++)
		logits[i] = broken ? NAN : (float)(i % 7);
	rwkvmon_begin(mon);
	rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
						 .tokens = &token,
						 .n_tokens = 1,
						 .phase = RWKVMON_DECODE,
						 .logits = logits,
						 .n_logits = VOCAB });
}

/* Memory that is never freed; every page is written, so that the kernel counts it. */
static void fill(long kib)
{
	size_t bytes = kib > 0 ? (size_t)kib * 1024 : 0;
	volatile char *p = bytes ? malloc(bytes) : NULL;

	for (size_t i = 0; p && i < bytes; i += 1024)
		p[i] = 1;
}

int main(int argc, char **argv)
{
	const struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
					    .model_name = "faulty",
					    .runtime_name = "test",
					    .vocab_size = VOCAB,
					    .listen = "127.0.0.1:0",
					    .log_path = argc > 1 ? argv[1] : NULL,
					    .overhead_budget_pct = -1 };
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char why[RWKVMON_ERROR_BYTES], line[64];
	int broken = 0;
	long kib = 0;
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why)) {
		fprintf(stderr, "faulty_run: %s\n", why);
		return 1;
	}
	printf("%s\n", rwkvmon_url(mon));
	fflush(stdout);
	for (uint32_t token = 0;; token = (token + 1) % VOCAB) {
		ssize_t n = poll(&in, 1, 10) > 0 ? read(STDIN_FILENO, line, sizeof line - 1) : 1;

		if (n <= 0)
			break;
		line[n] = 0;
		if (in.revents && !strncmp(line, "fill ", 5))
			kib = strtol(line + 5, NULL, 10);
		else if (in.revents)
			broken = !strncmp(line, "nan", 3);
		fill(kib);
		feed(mon, token, broken);
	}
	return rwkvmon_close(mon, NULL) ? 1 : 0;
}
