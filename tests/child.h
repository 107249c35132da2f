/* child.h - children of a program that has threads.
 *
 * A sanitizer's allocator may be locked by another thread at the moment of a fork, and then is for ever in the child.
 * Under one, a child that does not come to its end is therefore ended after a while, and another one is begun in its
 * place: what it does may have been done up to `begun` times, the last time wholly. Without a sanitizer a child that
 * hangs is a fault of ours, and none is ended. */
#ifndef RWKVMON_TESTS_CHILD_H
#define RWKVMON_TESTS_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHILD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHILD_SANITIZED 1
#endif
#endif
#ifdef CHILD_SANITIZED
enum { CHILD_TRIES = 4, CHILD_SECONDS = 30 }; /* the first one's; each further one has twice as many */
#else
enum { CHILD_TRIES = 1, CHILD_SECONDS = 0 };
#endif

struct child {
	void (*work)(void *ctx); /* a child whose work returns ends with 0 */
	void *ctx;
	pid_t pid; /* -1: none could be begun */
	int begun;
};

static inline void child_fork(struct child *c)
{
	if (CHILD_SECONDS)
		usleep(200000); /* threads that have begun allocate little */
	c->pid = fork();
	if (!c->pid) {
		signal(SIGALRM, SIG_DFL);
		alarm((unsigned)CHILD_SECONDS << c->begun);
		c->work(c->ctx);
		_exit(0);
	}
	c->begun++;
}

static inline struct child child_begin(void (*work)(void *), void *ctx)
{
	struct child c = { work, ctx, -1, 0 };

	child_fork(&c);
	return c;
}

/* Whether a child with this status hung, and another one was begun. */
static inline bool child_begun_again(struct child *c, int status)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM || c->begun >= CHILD_TRIES)
		return false;
	child_fork(c);
	return true;
}

/* For children that are waited for in another way: whether one still runs. */
static inline bool child_runs(struct child *c)
{
	int status;
	const pid_t ended = waitpid(c->pid, &status, WNOHANG);

	return !ended || (ended == c->pid && child_begun_again(c, status));
}

/* What the child ended with, as of waitpid; -1 where there was none. */
static inline int child_end(struct child *c)
{
	int status;

	do {
		if (c->pid < 0 || waitpid(c->pid, &status, 0) != c->pid)
			return -1;
	} while (child_begun_again(c, status));
	return status;
}

static inline int status_of_child(void (*work)(void *), void *ctx)
{
	struct child c = child_begin(work, ctx);

	return child_end(&c);
}

#endif
