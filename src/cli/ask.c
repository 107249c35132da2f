/* ask.c - fork, exec, read with a deadline, kill when it passes. */
#include "cli/ask.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* In a process group of its own, so that a timeout ends its children too. */
static bool start(pid_t *pid, const char *const *argv, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t defaults;
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, out, 2);
	posix_spawnattr_init(&how);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* main ignores it; a child need not */
	posix_spawnattr_setsigdefault(&how, &defaults);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(pid, argv[0], &files, &how, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return !rc;
}

/* Reads until the end of the output or the deadline; what does not fit is read and dropped. False: the deadline
 * passed. */
static bool listen_to(struct asked *out, int fd, uint64_t deadline_ns)
{
	size_t used = 0;

	for (;;) {
		uint64_t now = clock_mono_ns(&clock_system);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char rest[4096];
		bool room = used + 1 < sizeof out->text;
		ssize_t got;

		if (now >= deadline_ns)
			return false;
		if (poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1) <= 0)
			continue;
		got = read(fd, room ? out->text + used : rest, room ? sizeof out->text - 1 - used : sizeof rest);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			break;
		used += room ? (size_t)got : 0;
		out->text[used] = 0;
	}
	while (used && (out->text[used - 1] == '\n' || out->text[used - 1] == '\r'))
		out->text[--used] = 0;
	return true;
}

/* A program may close its output and go on: it has until the deadline to end. */
static int wait_for(pid_t pid, uint64_t deadline_ns)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ns(&clock_system) >= deadline_ns) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		nanosleep(&moment, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ask(struct asked *out, const char *const *argv, int seconds)
{
	uint64_t deadline_ns = clock_mono_ns(&clock_system) + (uint64_t)seconds * 1000000000;
	int pipe_fd[2];
	pid_t pid;

	*out = (struct asked){ .exit = -1 };
	if (pipe2(pipe_fd, O_CLOEXEC))
		return;
	out->found = start(&pid, argv, pipe_fd[1]);
	close(pipe_fd[1]);
	if (out->found) {
		if (!listen_to(out, pipe_fd[0], deadline_ns))
			deadline_ns = 0;
		out->exit = wait_for(pid, deadline_ns);
	}
	close(pipe_fd[0]);
	/* glibc before 2.24 reports a missing program by this status. */
	if (out->found && out->exit == 127 && !out->text[0])
		out->found = false;
}
