/* program.c - rules as the writer thread uses them: the set, and the state of this session. */
#include "collect/collector.h"

#include <pthread.h>
#include <stdlib.h>

enum { SETS_MAX = 8 };

/* Shipped sets are always the same, and reading one takes longer than all else that opens a handle: handles share it.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct {
	struct ruleset *set;
	size_t users;
} sets[SETS_MAX]; /* by number of the shipped set */

void program_forget(void)
{
	pthread_mutex_init(&lock, NULL);
	memset(sets, 0, sizeof sets); /* the parent's handles still refer to what they held */
}

/* SETS_MAX: it is not shared. */
static size_t place_of(const char *name)
{
	for (size_t i = 0; i < SETS_MAX && ruleset_shipped(i); i++)
		if (!strcmp(name, ruleset_shipped(i)))
			return i;
	return SETS_MAX;
}

static int open_set(struct ruleset **out, const char *name, struct err *err)
{
	size_t i = place_of(name);
	int rc = 0;

	if (i == SETS_MAX)
		return ruleset_open(out, name, err);
	pthread_mutex_lock(&lock);
	if (!sets[i].users)
		rc = ruleset_open(&sets[i].set, name, err);
	if (!rc)
		sets[i].users++;
	*out = sets[i].set;
	pthread_mutex_unlock(&lock);
	return rc;
}

static void close_set(struct ruleset *set)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SETS_MAX; i++) {
		if (!set || sets[i].set != set)
			continue;
		if (--sets[i].users)
			set = NULL;
		else
			sets[i].set = NULL;
	}
	pthread_mutex_unlock(&lock);
	ruleset_close(set);
}

void collector_free_rules(struct rule_program *p)
{
	if (!p)
		return;
	rules_close(p->rules);
	close_set(p->set);
	free(p);
}

int collector_open_rules(struct rule_program **out, const char *name, struct err *err)
{
	struct rule_program *p = calloc(1, sizeof *p);
	int rc = p ? open_set(&p->set, name, err) : err_set(err, ERR_NOMEM, "no memory for the rules");

	*out = NULL;
	if (!rc)
		rc = rules_open(&p->rules, p->set, RULES_LIVE, NULL, err);
	if (rc)
		collector_free_rules(p);
	else
		*out = p;
	return rc;
}
