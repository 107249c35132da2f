/* drifted.c - sorts sessions by their largest drift. */
#include "report/drifted.h"

size_t drifted_sessions(const struct findings *f, const struct session_findings *out[], size_t most, size_t *all)
{
	size_t n = 0;

	*all = 0;
	for (size_t i = 0; i < f->n_sessions; i++) {
		const struct session_findings *s = &f->session[i];
		size_t at = n;

		if (!s->state.drift.samples)
			continue;
		++*all;
		while (at && out[at - 1]->state.drift.most.value < s->state.drift.most.value)
			at--;
		if (at == most)
			continue;
		n += n < most;
		for (size_t k = n - 1; k > at; k--)
			out[k] = out[k - 1];
		out[at] = s;
	}
	return n;
}
