/* A server with many conversations: a stream each, one log for all, and one forward call over those that have a token
 * to come. One of them loops: the alarm is that one's. */
#include <rwkvmon.h>
#include <stdio.h>

enum { AT_ONCE = 4, REQUESTS = 12, TOKENS = 120, VOCAB = 50 };

struct request {
	rwkvmon_stream *stream;
	uint32_t token;
	int left; /* tokens to come; 0: this place is free */
	int loops;
};

static struct request begin(rwkvmon *mon, int number)
{
	struct request r = { .left = TOKENS + 10 * (number % 5), .loops = number == 3 };
	char id[24], why[RWKVMON_ERROR_BYTES];
	struct rwkvmon_stream_config cfg = { .struct_size = sizeof cfg, .request_id = id };

	snprintf(id, sizeof id, "request-%d", number);
	if (rwkvmon_stream_open(&r.stream, mon, &cfg, why))
		fprintf(stderr, "%s\n", why);
	return r;
}

/* What a model and a sampler would do. */
static uint32_t next_token(const struct request *r, uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return r->loops ? (uint32_t)r->left % 6 : (*random >> 16) % VOCAB;
}

int main(void)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = "streams.log",
				      .model_name = "my model",
				      .vocab_size = VOCAB,
				      .block_when_full = 1,
				      .alarms_to_stderr = 1 };
	struct request place[AT_ONCE] = { { 0 } };
	char why[RWKVMON_ERROR_BYTES];
	uint32_t random = 1;
	int begun = 0, n;
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fprintf(stderr, "%s\n", why);
	do {
		struct rwkvmon_step steps[AT_ONCE];

		n = 0;
		for (int i = 0; i < AT_ONCE; i++) {
			struct request *r = &place[i];

			if (!r->left && begun < REQUESTS)
				*r = begin(mon, begun++);
			if (!r->left)
				continue;
			r->token = next_token(r, &random);
			steps[n++] = (struct rwkvmon_step){ .struct_size = sizeof *steps,
							    .tokens = &r->token,
							    .n_tokens = 1,
							    .phase = RWKVMON_DECODE,
							    .stream = r->stream };
		}
		rwkvmon_begin(mon);
		/* the forward call over n streams */
		rwkvmon_end_batch(mon, steps, (size_t)n);
		for (int i = 0; i < AT_ONCE; i++)
			if (place[i].left && !--place[i].left)
				rwkvmon_stream_close(mon, place[i].stream);
	} while (n);
	rwkvmon_close(mon, NULL);
	return 0;
}
