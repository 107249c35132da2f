#include "cli/model.h"

#include <stdio.h>
#include <string.h>

int cli_model_open(struct model **out, const char *path, struct err *err)
{
	int rc = path ? model_open(out, path, NULL, err) : model_open_embedded(out, NULL, err);

	if (rc == -ERR_OPEN && !err->hint[0])
		err_hint(err, "check the path, or leave --model out for the small model that is built in");
	return rc;
}

void cli_model_name(char *out, size_t bytes, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path ? path : "tiny-rwkv7";
	const char *dot = strrchr(name, '.');
	size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	snprintf(out, bytes, "%.*s", (int)n, name);
}
