/* deliver_command.c - a program per alarm: no shell, the alarm's JSON on its standard input.
 *
 * It gets a process group of its own and COMMAND_MS; then the group is killed. What it prints goes to standard error,
 * since standard output is the watched program's. It inherits no other descriptor, no blocked and no ignored signal. */
#include "export/deliver_receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMAND_MS = 10000, POLL_MS = 10, ARGUMENTS_MAX = 64 };

extern char **environ;

struct command_receiver {
	struct receiver r; /* first */
	char *argv[ARGUMENTS_MAX + 1];
};

/* What became of the child: exit status, -signal, or GONE when the host program reaped it before us. */
enum { STILL_RUNNING = 1 << 16, GONE };

static int look_after(pid_t pid)
{
	int status;
	pid_t got = waitpid(pid, &status, WNOHANG);

	if (!got || (got < 0 && errno == EINTR))
		return STILL_RUNNING;
	if (got < 0)
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
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34) /* elsewhere, what is not O_CLOEXEC goes along */
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

/* Feeds the child and waits for its end; beyond the time it is killed with all it began. */
static int attend(pid_t pid, int to, struct slice text, const struct attempt *a)
{
	const struct timespec moment = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t started = clock_mono_ns(a->clock);
	int became;

	while ((became = look_after(pid)) == STILL_RUNNING) {
		uint64_t ms = (clock_mono_ns(a->clock) - started) / 1000000;

		if (ms >= COMMAND_MS || !attempt_ms(a, 1)) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
			became = -SIGKILL;
			break;
		}
		if (to >= 0 && text.n && feed(to, &text) && text.n)
			continue;
		if (to >= 0) {
			close(to); /* all is said, or nobody listens */
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
	if (became == -SIGKILL)
		snprintf(a->why, sizeof a->why, "it was killed after %d s", COMMAND_MS / 1000);
	else if (became < 0)
		snprintf(a->why, sizeof a->why, "it ended by signal %d", -became);
	else
		snprintf(a->why, sizeof a->why, "it ended with status %d", became);
	return SEND_NEVER; /* it has seen the alarm: what it did need not be wanted twice */
}

static enum sent run_command(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct command_receiver *c = (struct command_receiver *)(void *)receiver;
	int ends[2], rc;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC)) {
		snprintf(a->why, sizeof a->why, "no pipe to it: %s", strerror(errno));
		return SEND_LATER;
	}
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	rc = spawn(c, ends[0], &pid);
	close(ends[0]);
	if (rc) {
		close(ends[1]);
		snprintf(a->why, sizeof a->why, "it cannot be started: %s", strerror(rc));
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

/* Whether the program is there is known now, not at the first alarm. */
static int check_program(const char *program, struct err *err)
{
	const char *path = getenv("PATH");
	char candidate[4096];

	if (!*program)
		return err_set(err, ERR_USAGE, "the alarm command is empty");
	if (strchr(program, '/') || !path)
		return access(program, X_OK) ? err_set_os(err, ERR_USAGE, errno, "%s: cannot be run as the alarm command", program) : 0;
	while (*path) {
		size_t n = strcspn(path, ":");

		snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, path, program);
		if (!access(candidate, X_OK))
			return 0;
		path += n + (path[n] == ':');
	}
	err_set(err, ERR_USAGE, "%s: there is no such program in PATH to be run as the alarm command", program);
	return err_hint(err, "no shell is involved: for a pipeline, name a script");
}

int receiver_command(struct receiver **out, const char *const *argv, struct err *err)
{
	struct command_receiver *c;
	size_t n = 0;
	int rc;

	while (argv[n])
		n++;
	if (!n || n > ARGUMENTS_MAX)
		return err_set(err, ERR_USAGE, "the alarm command has %zu words; expected 1 to %d", n, ARGUMENTS_MAX);
	rc = check_program(argv[0], err);
	if (rc)
		return rc;
	c = calloc(1, sizeof *c);
	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for the alarm command");
	c->r.format = format_json_line;
	c->r.send = run_command;
	c->r.close = command_close;
	c->r.resend_ns = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		if (!(c->argv[i] = strdup(argv[i])))
			rc = ERR_NOMEM;
	if (rc || asprintf(&c->r.label, "the alarm command %s", argv[0]) < 0) {
		c->r.label = NULL;
		command_close(&c->r);
		return err_set(err, ERR_NOMEM, "no memory for the alarm command");
	}
	*out = &c->r;
	return 0;
}
