/* faulty_run.c - a model that is healthy until told otherwise, watched through the C API.
 *
 * Prints where /metrics is, then feeds a token every 10 ms. A line on standard input changes
 * what the logits hold: "nan" or "healthy"; the end of the input ends the program. */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { VOCAB = 256 };

static void feed(rwkvmon *mon, uint32_t token, int broken)
{
	float logits[VOCAB];

	for (int i = 0; i < VOCAB; i++)
		logits[i] = broken ? NAN : (float)(i % 7);
	rwkvmon_begin(mon);
	rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step), .tokens = &token, .n_tokens = 1,
						 .phase = RWKVMON_DECODE, .logits = logits, .n_logits = VOCAB });
}

int main(void)
{
	const struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .model_name = "faulty", .runtime_name = "test", .vocab_size = VOCAB,
					    .listen = "127.0.0.1:0", .overhead_budget_pct = -1 };
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char why[RWKVMON_ERROR_BYTES], line[64];
	int broken = 0;
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why)) {
		fprintf(stderr, "faulty_run: %s\n", why);
		return 1;
	}
	printf("%s\n", rwkvmon_url(mon));
	fflush(stdout);
	for (uint32_t token = 0;; token = (token + 1) % VOCAB) {
		ssize_t n = poll(&in, 1, 10) > 0 ? read(STDIN_FILENO, line, sizeof line) : 1;

		if (n <= 0)
			break;
		if (in.revents)
			broken = !strncmp(line, "nan", 3);
		feed(mon, token, broken);
	}
	return rwkvmon_close(mon, NULL) ? 1 : 0;
}
