/* chat.c - a conversation under monitoring, in the flow of ChatRWKV's API demo:
 *
 *     User: MESSAGE\n\nAssistant: ANSWER\n\n
 *
 * The message is fed in chunks, the answer drawn token by token until it ends in "\n\n".
 * Lines that begin with + are commands. Each turn remembers the state before it, so that
 * it can be taken back or asked again. */
#include "base/file.h"
#include "cli/answer.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "cli/outputs.h"
#include "cli/prompt.h"
#include "cli/tell.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TURNS_MAX = 32, ANSWER_TOKENS_DEFAULT = 1000 };

/* The state before a turn, and what was said in the turn. */
struct turn {
	float *state; /* (state_floats) */
	char *fed;    /* the text that began it */
	char *said;   /* the answer; NULL while there is none */
};

struct chat {
	struct generation g;
	struct screen screen;
	const char *user, *bot;
	struct turn turn[TURNS_MAX]; /* oldest first */
	size_t n_turns;
	bool over;
};

typedef int command_fn(struct chat *c, const char *argument, struct err *err);

static void forget_turn(struct turn *t)
{
	free(t->state);
	free(t->fed);
	free(t->said);
	*t = (struct turn){ 0 };
}

static void forget_turns(struct chat *c)
{
	for (size_t i = 0; i < c->n_turns; i++)
		forget_turn(&c->turn[i]);
	c->n_turns = 0;
}

static int remember_turn(struct chat *c, const char *fed, struct err *err)
{
	size_t bytes = model_info(c->g.model)->state_floats * sizeof(float);
	struct turn t = { malloc(bytes), strdup(fed), NULL };

	if (!t.state || !t.fed) {
		forget_turn(&t);
		return err_set(err, ERR_NOMEM, "no memory to remember this turn");
	}
	memcpy(t.state, run_state_flat(c->g.run), bytes);
	if (c->n_turns == TURNS_MAX) {
		forget_turn(&c->turn[0]);
		memmove(c->turn, c->turn + 1, (TURNS_MAX - 1) * sizeof *c->turn);
		c->n_turns--;
	}
	c->turn[c->n_turns++] = t;
	return 0;
}

/* Draws an answer until it ends, is long enough, or Ctrl-C or an action stops it. */
static int answer_turn(struct chat *c, bool until_blank_line, struct err *err)
{
	uint64_t wanted = c->g.opts->count == UINT64_MAX ? ANSWER_TOKENS_DEFAULT : c->g.opts->count;
	struct answer a;
	bool stopped = false;
	int rc;

	buf_clear(&c->screen.kept);
	rc = answer_begin(&a, &c->g, &c->screen, wanted, err);
	while (!rc && !stopped && answer_goes_on(&a)) {
		rc = answer_next(&a, err);
		stopped = until_blank_line && answer_ends_in(&a, slice_of("\n\n"));
	}
	if (!rc)
		rc = answer_end(&a, err);
	watch_run_answered(&c->g.watch, rc, generation_interrupted(), stopped || a.stopped);
	if (stopped)
		return rc;
	if (!rc)
		rc = screen_end(&c->screen, err);
	if (!rc && until_blank_line) /* the answer was cut short: end it in the form that the next message expects */
		rc = generation_prompt(&c->g, slice_of("\n\n"), err);
	if (!rc)
		rc = screen_say(&c->screen, slice_of("\n\n"), err);
	return rc;
}

static int run_turn(struct chat *c, const char *fed, bool free_text, struct err *err)
{
	int rc = remember_turn(c, fed, err);

	if (!rc)
		rc = screen_say(&c->screen, slice_of(free_text ? fed : c->bot), err);
	if (!rc && !free_text)
		rc = screen_say(&c->screen, slice_of(":"), err);
	if (!rc)
		rc = generation_prompt(&c->g, slice_of(fed), err);
	if (!rc)
		rc = answer_turn(c, !free_text, err);
	if (!rc)
		c->turn[c->n_turns - 1].said = strdup(c->screen.kept.p ? c->screen.kept.p : "");
	return rc;
}

/* A blank line would end the message for the model: none remains inside it. */
static int say_message(struct chat *c, const char *message, struct err *err)
{
	struct buf fed = { 0 };
	int rc;

	buf_printf(&fed, "%s: ", c->user);
	for (const char *p = message; *p; p++)
		if (*p != '\r' && !(*p == '\n' && p[1] == '\n'))
			buf_char(&fed, *p);
	buf_printf(&fed, "\n\n%s:", c->bot);
	rc = fed.failed ? err_set(err, ERR_NOMEM, "no memory for the message") : run_turn(c, fed.p, false, err);
	buf_free(&fed);
	return rc;
}

/* Continues the conversation from an earlier state; the monitor sees this as a new sequence. */
static void go_back(struct chat *c)
{
	struct turn *last = &c->turn[--c->n_turns];

	run_state_set(c->g.run, last->state);
	watch_run_new_sequence(&c->g.watch);
}

static int note(struct chat *c, enum text_id id)
{
	tell("%s\n", text(id, args_lang(c->g.opts->lang)));
	return 0;
}

static int note_trouble(const struct err *trouble)
{
	tell("%s\n", trouble->text);
	return 0;
}

static int introduce(struct chat *c, struct err *err);

static int do_reset(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	forget_turns(c);
	generation_restart(&c->g);
	note(c, TEXT_CHAT_NEW);
	return introduce(c, err);
}

static int do_generate(struct chat *c, const char *argument, struct err *err)
{
	return run_turn(c, argument, true, err);
}

static int do_retry(struct chat *c, const char *argument, struct err *err)
{
	struct buf fed = { 0 };
	bool free_text;
	int rc;

	(void)argument;
	if (!c->n_turns)
		return note(c, TEXT_CHAT_NOTHING);
	go_back(c);
	buf_str(&fed, c->turn[c->n_turns].fed);
	forget_turn(&c->turn[c->n_turns]);
	free_text = !fed.used || fed.p[fed.used - 1] != ':';
	rc = fed.failed ? err_set(err, ERR_NOMEM, "no memory to ask again") : run_turn(c, fed.p, free_text, err);
	buf_free(&fed);
	return rc;
}

static int do_undo(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	(void)err;
	if (!c->n_turns)
		return note(c, TEXT_CHAT_NOTHING);
	go_back(c);
	forget_turn(&c->turn[c->n_turns]);
	return note(c, TEXT_CHAT_UNDONE);
}

/* The turns that can be taken back, numbered, each text without the blank lines that end it. */
static int do_history(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	(void)err;
	if (!c->n_turns)
		return note(c, TEXT_CHAT_NOTHING);
	for (size_t i = 0; i < c->n_turns; i++) {
		const struct turn *t = &c->turn[i];
		size_t n = t->said ? strlen(t->said) : 0;

		while (n && t->said[n - 1] == '\n')
			n--;
		tell("%zu  %s%.*s\n", i + 1, t->fed, (int)n, t->said ? t->said : "");
	}
	return 0;
}

static int do_save(struct chat *c, const char *argument, struct err *err)
{
	struct err trouble;

	(void)err;
	if (!*argument)
		return note(c, TEXT_CHAT_SAVE_WHAT);
	if (outputs_check_state(c->g.opts, argument, &trouble) ||
	    cli_state_save(c->g.run, c->g.model, argument, &trouble))
		return note_trouble(&trouble);
	return note(c, TEXT_CHAT_SAVED);
}

static int do_load(struct chat *c, const char *argument, struct err *err)
{
	struct err trouble;

	(void)err;
	if (!*argument)
		return note(c, TEXT_CHAT_LOAD_WHAT);
	if (run_load_state(c->g.run, argument, &trouble))
		return note_trouble(&trouble);
	forget_turns(c);
	watch_run_new_sequence(&c->g.watch);
	return note(c, TEXT_CHAT_LOADED);
}

static int do_quit(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	(void)err;
	c->over = true;
	return 0;
}

static int do_help(struct chat *c, const char *argument, struct err *err);

static const struct chat_command {
	const char *name;
	command_fn *run;
	enum text_id help;
} commands[] = {
	{ "+reset", do_reset, TEXT_CHAT_RESET },       { "+gen", do_generate, TEXT_CHAT_GEN },
	{ "+retry", do_retry, TEXT_CHAT_RETRY },       { "+undo", do_undo, TEXT_CHAT_UNDO },
	{ "+history", do_history, TEXT_CHAT_HISTORY }, { "+save", do_save, TEXT_CHAT_SAVE },
	{ "+load", do_load, TEXT_CHAT_LOAD },          { "+help", do_help, TEXT_CHAT_HELP },
	{ "+quit", do_quit, TEXT_CHAT_QUIT },
};

static int do_help(struct chat *c, const char *argument, struct err *err)
{
	enum lang lang = args_lang(c->g.opts->lang);

	(void)argument;
	(void)err;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		tell("  %-9s %s\n", commands[i].name, text(commands[i].help, lang));
	return 0;
}

static int obey(struct chat *c, const char *line, struct err *err)
{
	size_t n = strcspn(line, " ");
	const char *argument = line + n + strspn(line + n, " ");

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strlen(commands[i].name) == n && !strncmp(commands[i].name, line, n))
			return commands[i].run(c, argument, err);
	note(c, TEXT_CHAT_NO_COMMAND);
	return do_help(c, "", err);
}

/* The next line without its line end; NULL: there are no more lines. Ctrl-C at the prompt only clears the line. */
static char *read_line(struct chat *c, char **room, size_t *cap)
{
	bool asks = isatty(STDIN_FILENO);

	for (;;) {
		ssize_t n;

		generation_resume();
		if (asks)
			tell("%s: ", c->user);
		errno = 0;
		n = getline(room, cap, stdin);
		if (n < 0 && errno == EINTR && generation_interrupted() == SIGINT) {
			clearerr(stdin);
			tell("\n");
			continue;
		}
		if (n < 0)
			return NULL;
		(*room)[strcspn(*room, "\r\n")] = 0;
		if (**room)
			return *room;
	}
}

static int converse(struct chat *c, struct err *err)
{
	char *room = NULL, *line;
	size_t cap = 0;
	int rc = 0;

	while (!rc && !c->over && (line = read_line(c, &room, &cap))) {
		rc = *line == '+' ? obey(c, line, err) : say_message(c, line, err);
		if (generation_interrupted() == SIGTERM)
			break;
	}
	free(room);
	return rc;
}

/* What the model has read before the first message. */
static int introduce(struct chat *c, struct err *err)
{
	const struct options *o = c->g.opts;
	struct buf intro = { 0 };
	int rc = 0;

	if (o->state)
		return 0; /* it brings its own past */
	if (o->prompt_file)
		rc = prompt_read(&intro, o->prompt_file, err);
	else if (o->prompt)
		buf_str(&intro, o->prompt);
	else
		buf_printf(&intro, "%s: Hello!\n\n%s: Hello! Ask me anything, and I will do my best to help.\n\n",
			   c->user, c->bot);
	if (!rc)
		rc = intro.failed ? err_set(err, ERR_NOMEM, "no memory for the introduction")
				  : generation_prompt(&c->g, buf_slice(&intro), err);
	buf_free(&intro);
	return rc;
}

int command_chat(const struct options *opts, struct err *err)
{
	struct chat c = { .screen = screen_open(false, false),
			  .user = opts->user ? opts->user : "User",
			  .bot = opts->bot ? opts->bot : "Assistant" };
	struct sampler_config defaults = sampler_defaults();
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct err log_err = { 0 };
	int rc, log_rc;

	defaults.top_p = 0.3; /* the API demo's */
	defaults.presence = defaults.frequency = 0.5;
	rc = generation_open(&c.g, opts, &defaults, err);

	if (!rc)
		rc = generation_watch(&c.g, err);
	generation_catch_signals();
	if (!rc)
		rc = introduce(&c, err);
	if (!rc && !opts->quiet)
		note(&c, TEXT_CHAT_HINT);
	if (!rc)
		rc = converse(&c, err);
	if (!rc)
		rc = generation_save(&c.g, err);
	forget_turns(&c);
	if (!rc && !opts->quiet)
		generation_say_rewinds(&c.g);
	log_rc = generation_close(&c.g, &totals, &log_err);
	if (!rc && !opts->quiet && *totals.log_path)
		args_say(args_lang(opts->lang), TEXT_LOG_FILE, totals.log_path);
	if (!rc && log_rc) {
		*err = log_err;
		rc = log_rc;
	}
	screen_free(&c.screen);
	return rc;
}
