/* Whose a state is, by its number and by its place: equal beginnings, what is forgotten, and programs that nobody
 * watches. */
#include "test.h"

#include "child.h"

#include "conversations.h"

#include <stdlib.h>
#include <unistd.h>

enum { FEW = 4, MANY = 50 };

static char log_path[64];

static rwkvmon *open_with(uint32_t max_streams)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = log_path, .max_streams = max_streams };
	rwkvmon *mon;

	snprintf(log_path, sizeof log_path, "/tmp/conversations-%d.log", (int)getpid());
	unlink(log_path);
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	return mon;
}

static rwkvmon *open_handle(void)
{
	return open_with(0);
}

/* A call of 5 tokens, with the state of one number and to that of another; 0: none. */
static rwkvmon_stream *call(struct conversations *c, rwkvmon *mon, uint64_t given, uint64_t returned, bool *fresh)
{
	const uint32_t tokens[5] = { 1, 2, 3, 4, 5 };
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = tokens, .n_tokens = 5 };

	const struct given_state before = { given, NULL }, after = { returned, NULL };

	step.stream = conversations_begin(c, given ? &before : NULL, fresh);
	rwkvmon_begin(mon);
	rwkvmon_end(mon, &step);
	conversations_end(c, returned ? &after : NULL, 5);
	return step.stream;
}

/* How often the log says `text`. */
static int said(const char *text)
{
	char line[8192];
	FILE *f = fopen(log_path, "r");
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

static void close_all(struct conversations *c, rwkvmon *mon)
{
	conversations_close(c);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
}

static void equal_beginnings_are_branches_that_say_so(void **state)
{
	rwkvmon *mon = open_handle();
	struct conversations *c = conversations_open(mon, 8);
	rwkvmon_stream *stream[2];
	bool fresh;

	(void)state;
	for (int i = 0; i < 3; i++)
		call(c, mon, 0, 7, &fresh);
	stream[0] = call(c, mon, 7, 8, &fresh); /* of any of the three */
	assert_non_null(stream[0]);
	assert_false(fresh);
	stream[1] = call(c, mon, 8, 9, &fresh);
	assert_ptr_equal(stream[0], stream[1]); /* which nobody else can be */
	close_all(c, mon);
	assert_int_equal(said("\"branch_candidates\":3"), 1);
	assert_int_equal(said("\"branch_candidates\""), 1);
	assert_int_equal(said("\"sequence_length\":15,"), 1);
	unlink(log_path);
}

/* The same, where the program says where they lie: whose call put it there is known as long as nothing else is there.
 */
static void equal_beginnings_in_buffers_of_their_own_are_known(void **state)
{
	enum { TALKS = 3 };
	const char buffer[TALKS] = { 0 };
	rwkvmon *mon = open_handle();
	struct conversations *c = conversations_open(mon, 8);
	rwkvmon_stream *stream[TALKS];
	struct given_state same = { .number = 7 };
	bool fresh;

	(void)state;
	conversations_take_turns(c);
	for (int i = 0; i < TALKS; i++) {
		stream[i] = conversations_begin(c, NULL, &fresh);
		same.buffer = &buffer[i];
		conversations_end(c, &same, 5);
	}
	for (int i = 0; i < TALKS; i++) {
		same.buffer = &buffer[i];
		assert_ptr_equal(conversations_begin(c, &same, &fresh), stream[i]);
		assert_false(fresh);
		conversations_end(c, &same, 0);
	}
	stream[0] = conversations_begin(c, NULL, &fresh); /* where the last one's was, of which there may be a copy */
	conversations_end(c, &same, 5);
	assert_ptr_not_equal(conversations_begin(c, &same, &fresh), stream[0]);
	assert_false(fresh);
	conversations_end(c, &same, 5);
	close_all(c, mon);
	unlink(log_path);
}

/* However much others say meanwhile, and whatever their states' numbers are. */
static void who_was_silent_for_long_goes_on(void **state)
{
	enum { TALKS = 6, CALLS = 20000 };
	rwkvmon *mon = open_handle();
	struct conversations *c = conversations_open(mon, 8);
	rwkvmon_stream *stream[TALKS];
	bool fresh;

	(void)state;
	conversations_take_turns(c);
	for (uint64_t i = 0; i < TALKS; i++)
		stream[i] = call(c, mon, 0, 1 + i, &fresh);
	for (uint64_t k = 0; k < CALLS; k++)
		call(c, mon, k ? 1000 + k : TALKS, 1001 + k, &fresh);
	for (uint64_t i = 0; i < TALKS - 1; i++) {
		assert_ptr_equal(call(c, mon, 1 + i, 500 + i, &fresh), stream[i]);
		assert_false(fresh);
	}
	close_all(c, mon);
	assert_int_equal(said("\"session_start\""), TALKS);
	unlink(log_path);
}

static void states_that_were_put_away_alike_are_branches_too(void **state)
{
	rwkvmon *mon = open_handle();
	struct conversations *c = conversations_open(mon, 8);
	struct place one = { 0 }, other = { 0 }, back;
	rwkvmon_stream *stream, *branch;
	bool fresh;

	(void)state;
	conversations_take_turns(c);
	conversations_call(c);
	stream = conversations_go_on(c, &one, 5, &fresh);
	assert_true(fresh);
	conversations_remember(c, 3, one);
	conversations_remember(c, 3, one);
	assert_int_equal(conversations_recall(c, 3).candidates, 1);
	conversations_call(c);
	conversations_go_on(c, &other, 5, &fresh);
	conversations_remember(c, 3, other);
	back = conversations_recall(c, 3);
	assert_int_equal(back.candidates, 2);
	assert_int_equal(back.id, other.id);
	conversations_call(c);
	branch = conversations_go_on(c, &back, 1, &fresh);
	assert_false(fresh);
	assert_ptr_not_equal(branch, stream);
	assert_true(back.id != one.id && back.id != other.id && back.length == 6);
	assert_int_equal(conversations_recall(c, 4).id, 0);
	close_all(c, mon);
	unlink(log_path);
}

static void many_come_and_go(struct conversations *c, rwkvmon *mon)
{
	bool fresh;

	for (uint64_t i = 1; i <= MANY; i++) {
		call(c, mon, i == 9 ? 8 : 1000 + i, i, &fresh);
		assert_int_equal(fresh, i != 9);
	}
}

/* Beyond max-streams the one that is silent for longest ends: no call is dropped, and how many ended is known. */
static void a_further_conversation_ends_the_most_silent(void **state)
{
	enum { STREAMS = 2, TALKS = 6 };
	rwkvmon *mon = open_with(STREAMS);
	struct conversations *c = conversations_open(mon, 8);
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	rwkvmon_stream *stream[TALKS];
	bool fresh;

	(void)state;
	conversations_take_turns(c);
	for (uint64_t i = 0; i < TALKS; i++)
		stream[i] = call(c, mon, 100 + i, 200 + i, &fresh); /* the first is the handle's own */
	assert_ptr_equal(call(c, mon, 200 + TALKS - 2, 300, &fresh), stream[TALKS - 2]); /* of the latest two */
	assert_false(fresh);
	call(c, mon, 201, 301, &fresh);
	assert_true(fresh); /* it had ended */
	assert_ptr_equal(call(c, mon, 300, 302, &fresh), stream[TALKS - 2]);
	assert_int_equal(conversations_close(c), TALKS - 1 - STREAMS + 1);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.dropped, 0);
	assert_int_equal(said("\"session_start\""), 1 + TALKS - 1 + 1);
	unlink(log_path);
}

/* What is in the call stays: two states of one call, and room for one. */
static void a_conversation_in_the_call_is_not_ended(void **state)
{
	rwkvmon *mon = open_with(1);
	struct conversations *c = conversations_open(mon, 8);
	struct place own = { 0 }, first = { 0 }, second = { 0 };
	rwkvmon_stream *stream;
	bool fresh;

	(void)state;
	conversations_take_turns(c);
	conversations_call(c);
	assert_null(conversations_go_on(c, &own, 1, &fresh));
	stream = conversations_go_on(c, &first, 1, &fresh);
	conversations_go_on(c, &second, 1, &fresh);
	assert_true(fresh);
	conversations_call(c);
	assert_ptr_equal(conversations_go_on(c, &first, 1, &fresh), stream);
	assert_false(fresh);
	assert_int_equal(conversations_close(c), 0);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	unlink(log_path);
}

struct inherited {
	struct conversations *c;
	rwkvmon *mon;
};

static void use_inherited(void *ctx)
{
	struct inherited *i = ctx;

	many_come_and_go(i->c, i->mon);
}

static void what_nobody_watches_goes_on(void **state)
{
	rwkvmon *mon = open_handle();
	struct conversations *c = conversations_open(NULL, FEW);
	struct inherited inherited;

	(void)state;
	many_come_and_go(c, NULL); /* the log could not be opened */
	conversations_close(c);
	c = conversations_open(mon, FEW);
	inherited = (struct inherited){ c, mon };
	assert_int_equal(status_of_child(use_inherited, &inherited), 0); /* the handle is the parent's */
	many_come_and_go(c, mon);
	close_all(c, mon);
	unlink(log_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_beginnings_are_branches_that_say_so),
		cmocka_unit_test(equal_beginnings_in_buffers_of_their_own_are_known),
		cmocka_unit_test(who_was_silent_for_long_goes_on),
		cmocka_unit_test(states_that_were_put_away_alike_are_branches_too),
		cmocka_unit_test(a_further_conversation_ends_the_most_silent),
		cmocka_unit_test(a_conversation_in_the_call_is_not_ended),
		cmocka_unit_test(what_nobody_watches_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
