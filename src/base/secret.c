/* secret.c - reads secrets from files instead of the command line. */
#include "base/secret.h"

#include "base/file.h"

enum { SECRET_MAX_BYTES = 65536 };

int secret_file(struct buf *out, const char *given, struct err *err)
{
	return file_read(out, given + 1, SECRET_MAX_BYTES, err);
}

int secret_read(char **out, const char *given, struct err *err)
{
	struct buf text = { 0 };
	int rc = 0;

	*out = NULL;
	if (!given)
		return 0;
	if (*given == '@')
		rc = secret_file(&text, given, err);
	else
		buf_str(&text, given);
	if (!rc) {
		*out = strndup(text.p ? text.p : "", text.p ? strcspn(text.p, "\r\n") : 0);
		rc = *out && !text.failed ? 0 : err_set(err, ERR_NOMEM, "no memory for a secret");
	}
	buf_free(&text);
	return rc;
}
