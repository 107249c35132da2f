/* Answers of an engine, of any bytes: the first says to which question. What comes of them can be judged. */
#include "ship/engine.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct analyze_options how = { .no_session_series = true };
	struct engine_answer answer = { .rows = 0 };
	struct findings findings;
	struct analysis *a;
	struct err err;

	if (!n || analyze_open(&a, &how, &err))
		return 0;
	/* A list is made of roll-ups first. */
	engine_take(a, LOGSQL_SKETCHES, (struct slice){ (const char *)data + 1, n - 1 }, &answer);
	engine_take(a, (enum logsql_id)(*data % LOGSQL_COUNT), (struct slice){ (const char *)data + 1, n - 1 },
		    &answer);
	if (!analyze_finish(a, NULL, &findings, &err))
		findings_free(&findings);
	analyze_close(a);
	return 0;
}
