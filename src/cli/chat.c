/* chat.c - a conversation under monitoring, in the flow of ChatRWKV's API demo:
 *
 *     User: MESSAGE\n\nAssistant: ANSWER\n\n
 *
 * The message is fed in chunks, the answer drawn token by token until it ends in "\n\n".
 * Lines that begin with + are commands. Each turn remembers the state before it, so that
 * it can be taken back or asked again. */
#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/model.h"
#include "cli/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TURNS_MAX = 32, ANSWER_TOKENS_DEFAULT = 1000, INTRO_MAX_BYTES = 64 << 20 };

/* What was there before a turn, and what was said then. */
struct turn {
	float *state;	/* (state_floats) */
	char *fed;	/* the text that began it */
	char *said;	/* the answer; NULL while there is none */
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

static bool ended(const struct buf *said)
{
	return said->used >= 2 && !memcmp(said->p + said->used - 2, "\n\n", 2);
}

/* Draws an answer until it ends, is long enough, or Ctrl-C stops it. */
static int answer(struct chat *c, bool until_blank_line, struct err *err)
{
	uint64_t wanted = c->g.opts->count == UINT64_MAX ? ANSWER_TOKENS_DEFAULT : c->g.opts->count;
	struct slice bytes;
	uint32_t token;
	bool stopped = false;
	int rc = 0;

	buf_clear(&c->screen.kept);
	for (uint64_t i = 0; i < wanted && !rc && !stopped && !generation_interrupted(); i++) {
		rc = generation_draw(&c->g, &token, &bytes, err);
		if (!rc)
			rc = screen_say(&c->screen, bytes, err);
		if (!rc)
			rc = generation_feed(&c->g, token, err);
		stopped = until_blank_line && ended(&c->screen.kept);
	}
	watch_run_answered(&c->g.watch, rc, generation_interrupted(), stopped);
	if (stopped)
		return rc;
	if (!rc)
		rc = screen_end(&c->screen, err);
	if (!rc && until_blank_line) /* cut short: the next message must find the form it expects */
		rc = generation_prompt(&c->g, slice_of("\n\n"), err);
	if (!rc)
		rc = screen_say(&c->screen, slice_of("\n\n"), err);
	return rc;
}

static int take_turn(struct chat *c, const char *fed, bool free_text, struct err *err)
{
	int rc = remember_turn(c, fed, err);

	if (!rc)
		rc = screen_say(&c->screen, slice_of(free_text ? fed : c->bot), err);
	if (!rc && !free_text)
		rc = screen_say(&c->screen, slice_of(":"), err);
	if (!rc)
		rc = generation_prompt(&c->g, slice_of(fed), err);
	if (!rc)
		rc = answer(c, !free_text, err);
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
	rc = fed.failed ? err_set(err, ERR_NOMEM, "no memory for the message") : take_turn(c, fed.p, false, err);
	buf_free(&fed);
	return rc;
}

/* The conversation goes on from an earlier state: for the monitor a new sequence. */
static void go_back(struct chat *c)
{
	struct turn *last = &c->turn[--c->n_turns];

	run_state_set(c->g.run, last->state);
	watch_run_new_sequence(&c->g.watch);
}

static int note(struct chat *c, const char *en, const char *zh)
{
	fprintf(stderr, "%s\n", args_lang(c->g.opts->lang) == LANG_ZH ? zh : en);
	return 0;
}

static int introduce(struct chat *c, struct err *err);

static int do_reset(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	forget_turns(c);
	generation_restart(&c->g);
	note(c, "a new conversation", "新的对话");
	return introduce(c, err);
}

static int do_generate(struct chat *c, const char *argument, struct err *err)
{
	return take_turn(c, argument, true, err);
}

static int do_retry(struct chat *c, const char *argument, struct err *err)
{
	struct buf fed = { 0 };
	bool free_text;
	int rc;

	(void)argument;
	if (!c->n_turns)
		return note(c, "nothing was said yet", "尚无内容可重试");
	go_back(c);
	buf_str(&fed, c->turn[c->n_turns].fed);
	forget_turn(&c->turn[c->n_turns]);
	free_text = !fed.used || fed.p[fed.used - 1] != ':';
	rc = fed.failed ? err_set(err, ERR_NOMEM, "no memory to ask again") : take_turn(c, fed.p, free_text, err);
	buf_free(&fed);
	return rc;
}

static int do_undo(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	(void)err;
	if (!c->n_turns)
		return note(c, "nothing was said yet", "尚无内容可撤销");
	go_back(c);
	forget_turn(&c->turn[c->n_turns]);
	return note(c, "the last turn is taken back", "已撤销上一轮");
}

/* The turns that can be taken back, numbered, each text without the blank lines that end it. */
static int do_history(struct chat *c, const char *argument, struct err *err)
{
	(void)argument;
	(void)err;
	if (!c->n_turns)
		return note(c, "nothing was said yet", "尚无对话");
	for (size_t i = 0; i < c->n_turns; i++) {
		const struct turn *t = &c->turn[i];
		size_t n = t->said ? strlen(t->said) : 0;

		while (n && t->said[n - 1] == '\n')
			n--;
		fprintf(stderr, "%zu  %s%.*s\n", i + 1, t->fed, (int)n, t->said ? t->said : "");
	}
	return 0;
}

static int do_save(struct chat *c, const char *argument, struct err *err)
{
	struct err trouble;

	(void)err;
	if (!*argument)
		return note(c, "+save needs a file", "+save 需要文件名");
	if (cli_state_save(c->g.run, c->g.model, argument, &trouble))
		return note(c, trouble.text, trouble.text);
	return note(c, "saved", "已保存");
}

static int do_load(struct chat *c, const char *argument, struct err *err)
{
	struct err trouble;

	(void)err;
	if (!*argument)
		return note(c, "+load needs a file", "+load 需要文件名");
	if (run_load_state(c->g.run, argument, &trouble))
		return note(c, trouble.text, trouble.text);
	forget_turns(c);
	watch_run_new_sequence(&c->g.watch);
	return note(c, "loaded", "已载入");
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
	const char *help[LANG_COUNT];
} commands[] = {
	{ "+reset", do_reset, { "forget everything and begin anew", "清空并重新开始" } },
	{ "+gen", do_generate, { "TEXT: go on from TEXT freely, as no conversation", "文本:不按对话格式,自由续写" } },
	{ "+retry", do_retry, { "another answer to the last message", "重新回答上一条" } },
	{ "+undo", do_undo, { "take the last turn back (up to 32)", "撤销上一轮(最多 32 轮)" } },
	{ "+history", do_history, { "what was said, as far back as +undo reaches", "显示对话记录(+undo 可撤销的范围)" } },
	{ "+save", do_save, { "FILE: write the state, to go on later", "文件:保存状态" } },
	{ "+load", do_load, { "FILE: go on from a saved state", "文件:载入状态" } },
	{ "+help", do_help, { "this list", "本列表" } },
	{ "+quit", do_quit, { "end (or Ctrl-D); Ctrl-C only stops an answer", "结束(或 Ctrl-D);Ctrl-C 只中止回答" } },
};

static int do_help(struct chat *c, const char *argument, struct err *err)
{
	enum lang lang = args_lang(c->g.opts->lang);

	(void)argument;
	(void)err;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].help[lang]);
	return 0;
}

static int obey(struct chat *c, const char *line, struct err *err)
{
	size_t n = strcspn(line, " ");
	const char *argument = line + n + strspn(line + n, " ");

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strlen(commands[i].name) == n && !strncmp(commands[i].name, line, n))
			return commands[i].run(c, argument, err);
	note(c, "there is no such command:", "没有这个命令:");
	return do_help(c, "", err);
}

/* The next line without its end; NULL: no more. Ctrl-C at the prompt only wipes it. */
static char *read_line(struct chat *c, char **room, size_t *cap)
{
	bool asks = isatty(STDIN_FILENO);

	for (;;) {
		ssize_t n;

		generation_resume();
		if (asks)
			fprintf(stderr, "%s: ", c->user);
		errno = 0;
		n = getline(room, cap, stdin);
		if (n < 0 && errno == EINTR && generation_interrupted() == SIGINT) {
			clearerr(stdin);
			fputc('\n', stderr);
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
	struct buf text = { 0 };
	int rc = 0;

	if (o->state)
		return 0; /* it brings its own past */
	if (o->prompt_file)
		rc = file_read(&text, o->prompt_file, INTRO_MAX_BYTES, err);
	else if (o->prompt)
		buf_str(&text, o->prompt);
	else
		buf_printf(&text, "%s: Hello!\n\n%s: Hello! Ask me anything, and I will do my best to help.\n\n", c->user, c->bot);
	if (!rc)
		rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for the introduction") :
				   generation_prompt(&c->g, buf_slice(&text), err);
	buf_free(&text);
	return rc;
}

int command_chat(const struct options *opts, struct err *err)
{
	struct chat c = { .screen = screen_open(false, false), .user = opts->user ? opts->user : "User",
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
		note(&c, "+help lists what can be done besides talking", "输入 +help 查看可用命令");
	if (!rc)
		rc = converse(&c, err);
	if (!rc)
		rc = generation_save(&c.g, err);
	forget_turns(&c);
	log_rc = generation_close(&c.g, &totals, &log_err);
	if (!rc && !opts->quiet && *totals.log_path)
		fprintf(stderr, args_lang(opts->lang) == LANG_ZH ? "日志:%s\n" : "log: %s\n", totals.log_path);
	generation_say_undelivered(&totals);
	if (!rc && log_rc) {
		*err = log_err;
		rc = log_rc;
	}
	screen_free(&c.screen);
	return rc;
}
