/* What a request says about itself: an Accept header, an address; and a label made of it. */
#include "base/clock.h"
#include "export/address.h"
#include "export/snapshot.h"

#include <stdlib.h>

static void try_address(const char *text)
{
	struct address a;
	struct err err;

	if (!address_parse(&a, text, &err))
		address_is_loopback(a.host);
}

/* However a model is called: its series stay single lines that begin with a known name. */
static void try_label(struct slice name)
{
	const struct exporter_options opts = { .clock = &clock_system };
	struct exporter *e = exporter_open(&opts);
	struct field_values session = { 0 };
	struct record r = { .event = EVENT_SESSION_START, .session = &session };
	struct buf out = { 0 };

	if (!e)
		return;
	fields_set_text(&session, F_MODEL_NAME, name);
	fields_set_text(&session, F_SESSION_ID, name);
	fields_set_text(&session, F_STRATEGY, name);
	exporter_take(e, &r);
	exporter_write(e, EXPOSITION_OPENMETRICS, &out);
	for (const char *line = out.p; line && *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "rwkv_", 5) && strncmp(line, "# ", 2))
			abort();
	buf_free(&out);
	exporter_close(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = 0;
	exposition_accepted((struct slice){ (const char *)data, n });
	try_address(text);
	try_label((struct slice){ text, n });
	free(text);
	return 0;
}
