/* secret.c - reads secrets from files instead of the command line. */
#include "base/secret.h"

#include "base/file.h"

enum { SECRET_MAX_BYTES = 65536 };

int secret_file(struct buf *out, const char *given, struct err *err)
{
	return file_read(out, given + 1, SECRET_MAX_BYTES, err);
}

/* What was meant to keep others out, or to let us in, is not there: "$TOKEN" of a variable that is not set. */
static int refuse_empty(const char *given, struct err *err)
{
	if (*given == '@')
		return err_set(err, ERR_USAGE, "%s: the token in its first line is empty", given + 1);
	return err_set(err, ERR_USAGE, "the token is empty");
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
		if (!rc && !**out)
			rc = refuse_empty(given, err);
	}
	buf_free(&text);
	return rc;
}
