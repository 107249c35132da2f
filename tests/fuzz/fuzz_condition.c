/* Conditions of any bytes: refused with a message, or taken and within what was read. */
#include "spec/condition.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);
	struct conditions got;
	struct err err = { 0 };

	if (!text)
		return 0;
	if (n)
		memcpy(text, data, n);
	text[n] = 0;
	if (conditions_parse(&got, text, "--fail-on", &err)) {
		if (!err.text[0])
			abort();
	} else {
		for (size_t i = 0; i < got.n; i++) {
			const struct condition *c = &got.of[i];

			if (c->text.p < text || c->text.p + c->text.n > text + n || !c->text.n || !isfinite(c->value))
				abort();
			if (condition_holds(c, (double)NAN))
				abort();
		}
	}
	free(text);
	return 0;
}
