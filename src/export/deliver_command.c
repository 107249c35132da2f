/* deliver_command.c - runs a program for each alarm, without a shell, with the alarm's JSON on its standard input.
 *
 * It runs in its own process group and may take COMMAND_MS; after that, or when it has ended, what is left of the group
 * is killed. Its output goes to standard error, because standard output belongs to the watched program. It inherits no
 * other descriptor, and no blocked or ignored signal. */
#include "base/json_read.h"
#include "export/deliver_receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMAND_MS = 10000, POLL_MS = 10, ARGUMENTS_MAX = 64 };

extern char **environ;

struct command_receiver {
	struct receiver r; /* first */
	char *argv[ARGUMENTS_MAX + 1];
};

/* What became of the child: exit status, -signal, GONE when the host program reaped it before us, KILLED by us. */
enum { STILL_RUNNING = 1 << 16, GONE, KILLED };

/* As long as the child is not reaped, no other process group can get its number. So its leftovers are killed first. */
static int look_after(pid_t pid)
{
	siginfo_t ended = { 0 };
	int status;

	if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT))
		return errno == EINTR ? STILL_RUNNING : GONE;
	if (!ended.si_pid)
		return STILL_RUNNING;
	kill(-pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return GONE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int spawn(const struct command_receiver *c, int input, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, all;
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34) /* older: what is not O_CLOEXEC is inherited */
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
#endif
	posix_spawnattr_init(&how);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &all);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(pid, c->argv[0], &files, &how, c->argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Puts what fits of *left into the pipe, waiting a moment at most; false: the reader wants no more. */
static bool feed(int to, struct slice *left)
{
	struct pollfd pipe = { .fd = to, .events = POLLOUT };
	ssize_t n;

	if (poll(&pipe, 1, POLL_MS) <= 0)
		return true;
	n = write(to, left->p, left->n);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	left->p += n;
	left->n -= (size_t)n;
	return true;
}

/* Feeds the child and waits for its end; after the deadline it is killed with everything it started. */
static int attend(pid_t pid, int to, struct slice text, struct attempt *a)
{
	const struct timespec moment = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t started = clock_mono_ns(a->clock);
	int became;

	while ((became = look_after(pid)) == STILL_RUNNING) {
		uint64_t ms = (clock_mono_ns(a->clock) - started) / 1000000;

		if (ms >= COMMAND_MS || !attempt_ms(a, 1)) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
			snprintf(a->why, sizeof a->why, err_words("it was killed after %.1f s"), (double)ms / 1000);
			became = KILLED;
			break;
		}
		if (to >= 0 && text.n && feed(to, &text) && text.n)
			continue;
		if (to >= 0) {
			close(to); /* everything is written, or the reader closed its end */
			to = -1;
		}
		nanosleep(&moment, NULL);
	}
	if (to >= 0)
		close(to);
	return became;
}

static enum sent judge(int became, struct attempt *a)
{
	if (!became || became == GONE)
		return SENT;
	if (became < 0)
		snprintf(a->why, sizeof a->why, err_words("it ended by signal %d"), -became);
	else if (became != KILLED)
		snprintf(a->why, sizeof a->why, err_words("it ended with status %d"), became);
	return SEND_NEVER; /* it has seen the alarm, and its effect may not be wanted twice */
}

static enum sent run_command(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct command_receiver *c = (struct command_receiver *)(void *)receiver;
	char said[ERR_SAID_BYTES];
	int ends[2], rc;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC)) {
		snprintf(a->why, sizeof a->why, err_words("no pipe to it: %s"), err_said(said, strerror(errno)));
		return SEND_LATER;
	}
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	rc = spawn(c, ends[0], &pid);
	close(ends[0]);
	if (rc) {
		close(ends[1]);
		snprintf(a->why, sizeof a->why, err_words("it cannot be started: %s"), err_said(said, strerror(rc)));
		return rc == EAGAIN || rc == ENOMEM ? SEND_LATER : SEND_NEVER;
	}
	return judge(attend(pid, ends[1], m->text, a), a);
}

static void command_close(struct receiver *receiver)
{
	struct command_receiver *c = (struct command_receiver *)(void *)receiver;

	for (size_t i = 0; c->argv[i]; i++)
		free(c->argv[i]);
	free(c->r.label);
	free(c);
}

static bool is_program(const char *path)
{
	struct stat st;

	return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

/* Checks that the program exists now, not only at the first alarm. */
static int check_program(const char *program, struct err *err)
{
	const char *path = getenv("PATH");
	char candidate[4096];

	if (!*program)
		return err_set(err, ERR_USAGE, "alarm-to: command+ names no program");
	if (strchr(program, '/') || !path)
		return is_program(program) ? 0
					   : err_set_os(err, ERR_USAGE, access(program, X_OK) ? errno : EISDIR,
							"%s: cannot be run as the alarm command", program);
	while (*path) {
		size_t n = strcspn(path, ":");

		snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, path, program);
		if (is_program(candidate))
			return 0;
		path += n + (path[n] == ':');
	}
	err_set(err, ERR_USAGE, "%s: there is no such program in PATH to be run as the alarm command", program);
	return err_hint(err, "no shell is involved: for arguments write command+[\"PROGRAM\",\"ARGUMENT\"], for a "
			     "pipeline name a script");
}

static int add_word(struct command_receiver *c, size_t *n, const char *word, struct err *err)
{
	if (*n == ARGUMENTS_MAX)
		return err_set(err, ERR_USAGE, "alarm-to: a command of more than %d words", ARGUMENTS_MAX);
	c->argv[*n] = strdup(word ? word : "");
	return c->argv[(*n)++] ? 0 : err_set(err, ERR_NOMEM, "no memory for the alarm command");
}

/* ["PROGRAM","ARGUMENT"] */
static int parse_list(struct command_receiver *c, struct slice list, struct err *err)
{
	struct slice element;
	size_t at = 0, n = 0;
	int rc = 0;

	while (!rc && json_read_element(list, &at, &element)) {
		struct buf word = { 0 };

		if (json_read_text(&word, element) && !word.failed && strlen(word.p ? word.p : "") == word.used)
			rc = add_word(c, &n, word.p, err);
		else
			at = SIZE_MAX;
		buf_free(&word);
		if (at == SIZE_MAX)
			break;
	}
	if (rc || (n && at != SIZE_MAX))
		return rc;
	err_set(err, ERR_USAGE, "alarm-to: expected a list of texts behind command+, as JSON");
	return err_hint(err, "such as command+[\"/usr/local/bin/page\",\"--team\",\"on call\"]");
}

int receiver_command_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	struct command_receiver *c = calloc(1, sizeof *c);
	size_t n = 0;
	int rc;

	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for the alarm command");
	c->r.format = format_json_line;
	c->r.send = run_command;
	c->r.close = command_close;
	c->r.resend_ns = UINT64_MAX;
	rc = *setup->address == '[' ? parse_list(c, slice_of(setup->address), err)
				    : add_word(c, &n, setup->address, err);
	if (!rc)
		rc = check_program(c->argv[0], err);
	if (!rc && asprintf(&c->r.label, err_words("the alarm command %s"), c->argv[0]) < 0) {
		c->r.label = NULL;
		rc = err_set(err, ERR_NOMEM, "no memory for the alarm command");
	}
	if (rc)
		command_close(&c->r);
	else
		*out = &c->r;
	return rc;
}
