/* sketch_back.h - a sketch's text back into a sketch. */
#ifndef RWKVMON_TESTS_SKETCH_BACK_H
#define RWKVMON_TESTS_SKETCH_BACK_H

#include "stats/sketch_text.h"

/* Adds the values of a text. False: the text is none, and nothing was added. */
static inline bool sketch_read(struct sketch *s, struct slice text)
{
	struct sketch_runs r = { .n = 0 };
	const bool fine = sketch_runs_read(&r, text);

	for (size_t i = 0; fine && i < r.n; i++)
		sketch_add_run(s, &r.run[i]);
	sketch_runs_free(&r);
	return fine && !r.failed && !s->failed;
}

#endif
