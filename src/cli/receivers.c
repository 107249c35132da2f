#include "cli/receivers.h"

#include "base/file.h"

#include <stdlib.h>

enum { ADDRESS_MAX_BYTES = 4096 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* One word from *text into *to; false: a quote is not closed. */
static bool take_word(const char **text, char **to)
{
	char quote = 0;
	const char *p = *text;

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == '\\' && quote != '\'' && p[1])
			*(*to)++ = *++p;
		else
			*(*to)++ = *p;
	}
	*(*to)++ = 0;
	*text = p;
	return !quote;
}

int words_split(struct words *out, const char *text, struct err *err)
{
	size_t n = 0;
	char *to;

	*out = (struct words){ .word = calloc(WORDS_MAX + 1, sizeof *out->word), .room = malloc(strlen(text) + WORDS_MAX + 1) };
	if (!out->word || !out->room)
		return err_set(err, ERR_NOMEM, "no memory for a command");
	for (to = out->room;;) {
		while (is_blank(*text))
			text++;
		if (!*text)
			break;
		if (n == WORDS_MAX)
			return err_set(err, ERR_USAGE, "--alarm-command: more than %d words", WORDS_MAX);
		out->word[n++] = to;
		if (!take_word(&text, &to))
			return err_set(err, ERR_USAGE, "--alarm-command: a quote is not closed");
	}
	return n ? 0 : err_set(err, ERR_USAGE, "--alarm-command: expected a program");
}

void words_free(struct words *w)
{
	free(w->word);
	free(w->room);
	*w = (struct words){ 0 };
}

/* An address, or that which stands in the first line of @FILE. */
static int read_address(char **out, const char *given, struct err *err)
{
	struct buf text = { 0 };
	int rc = 0;

	if (given && *given == '@')
		rc = file_read(&text, given + 1, ADDRESS_MAX_BYTES, err);
	else if (given)
		buf_str(&text, given);
	if (!rc && given) {
		*out = strndup(text.p ? text.p : "", text.p ? strcspn(text.p, "\r\n") : 0);
		rc = *out ? 0 : err_set(err, ERR_NOMEM, "no memory for an address");
	}
	buf_free(&text);
	return rc;
}

int receivers_open(struct receivers *out, const struct options *opts, struct err *err)
{
	int rc = 0;

	*out = (struct receivers){ 0 };
	if (opts->alarm_command)
		rc = words_split(&out->command, opts->alarm_command, err);
	if (!rc)
		rc = read_address(&out->webhook, opts->webhook, err);
	if (!rc)
		rc = read_address(&out->alertmanager, opts->alertmanager, err);
	if (!rc)
		rc = read_address(&out->token, opts->token, err);
	return rc;
}

void receivers_free(struct receivers *r)
{
	words_free(&r->command);
	free(r->webhook);
	free(r->alertmanager);
	free(r->token);
	*r = (struct receivers){ 0 };
}
