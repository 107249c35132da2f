/* conversations.c - a table of conversations, and one of states that points into it by what identifies a conversation
 * for ever, wherever it is put. */
#include "conversations.h"

#include <stdlib.h>

enum {
	STATES = 4096, /* a power of two */
	WAYS = 8,      /* places where a state may lie: of these the one that was noted longest ago gives way */
	OWNERS = 4,    /* conversations that are remembered for one state */
};

struct chat {
	uint64_t id;            /* of the conversation; 0: there is none here */
	rwkvmon_stream *stream; /* NULL: the handle's own */
	bool refused;           /* … which counts its calls as dropped: there was no room for another one */
	uint64_t length;        /* tokens of its sequence */
	uint64_t call, told;    /* of the call of this number, its stream has yet to hear: it knows `told` tokens */
	uint64_t used;          /* the later, the larger */
	bool returned;          /* its latest call returned a state, */
	uint64_t number;        /* of this number, */
	const void *buffer;     /* here; NULL: not known, or another call's was put there since */
	bool kept;              /* a state of it is remembered */
};

/* Several conversations returned it when they began alike. */
struct state {
	uint64_t number, noted; /* noted: the later, the larger; 0: there is none */
	size_t n;
	struct place place[OWNERS]; /* (n), the latest last */
};

struct conversations {
	rwkvmon *mon;
	struct chat *chat; /* (n_chats) */
	size_t n_chats;
	struct state state[STATES]; /* in rows of WAYS, by number */
	struct chat *at;            /* of the latest call; NULL: none yet, or it has ended */
	uint64_t ids, uses, calls, notes;
	uint64_t ended_early; /* for others, beyond max-streams */
	bool own_used;        /* the handle's own stream is a conversation's */
	bool take_turns;      /* conversations do: each new one is a stream */
};

struct conversations *conversations_open(rwkvmon *mon, size_t most)
{
	struct conversations *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->mon = mon;
	c->n_chats = most;
	c->chat = calloc(most, sizeof *c->chat);
	if (c->chat)
		return c;
	free(c);
	return NULL;
}

uint64_t conversations_close(struct conversations *c)
{
	const uint64_t ended_early = c ? c->ended_early : 0;

	for (size_t i = 0; c && i < c->n_chats; i++)
		rwkvmon_stream_close(c->mon, c->chat[i].stream);
	if (c)
		free(c->chat);
	free(c);
	return ended_early;
}

static struct state *row_of(const struct conversations *c, uint64_t number)
{
	return (struct state *)(uintptr_t)&c
		->state[(number * UINT64_C(0x9e3779b97f4a7c15) >> 32) % (STATES / WAYS) * WAYS];
}

/* NULL: it is not remembered. */
static struct state *state_of(const struct conversations *c, uint64_t number)
{
	struct state *row = row_of(c, number);

	for (int i = 0; i < WAYS; i++)
		if (row[i].noted && row[i].number == number)
			return &row[i];
	return NULL;
}

/* A place for it, where the one that was noted longest ago was. */
static struct state *new_state(struct conversations *c, uint64_t number)
{
	struct state *row = row_of(c, number), *oldest = row;

	for (int i = 1; i < WAYS; i++)
		if (row[i].noted < oldest->noted)
			oldest = &row[i];
	*oldest = (struct state){ .number = number };
	return oldest;
}

static struct chat *find(const struct conversations *c, uint64_t id)
{
	for (size_t i = 0; id && i < c->n_chats; i++)
		if (c->chat[i].id == id)
			return &c->chat[i];
	return NULL;
}

static void forget_owner(struct state *s, size_t i)
{
	for (s->n--; i < s->n; i++)
		s->place[i] = s->place[i + 1];
}

/* The state of that number is at `place`, among others. */
static void note_state(struct conversations *c, uint64_t number, struct place place)
{
	struct state *s = state_of(c, number);

	if (!s)
		s = new_state(c, number);
	s->noted = ++c->notes;
	for (size_t i = s->n; i-- > 0;)
		if (s->place[i].id == place.id || !find(c, s->place[i].id))
			forget_owner(s, i);
	if (s->n == OWNERS)
		forget_owner(s, 0);
	s->place[s->n++] = place;
}

/* The handle's own stays as long as another can go; in a forked child nothing has a stream. */
static bool goes_before(const struct chat *a, const struct chat *b)
{
	if (!a->stream != !b->stream)
		return a->stream;
	return a->used < b->used;
}

/* A free place, else that of the conversation that was silent for longest. */
static struct chat *make_room(struct conversations *c)
{
	struct chat *oldest = NULL;

	for (size_t i = 0; i < c->n_chats; i++) {
		struct chat *chat = &c->chat[i];

		if (!chat->id)
			return chat;
		if (chat != c->at && (!oldest || goes_before(chat, oldest)))
			oldest = chat;
	}
	rwkvmon_stream_close(c->mon, oldest->stream);
	*oldest = (struct chat){ 0 };
	return oldest;
}

/* Of those that have streams of their own and are in no call, the one that was silent for longest; not these two. NULL:
 * there is none. */
static struct chat *silent_longest(struct conversations *c, const struct chat *one, const struct chat *other)
{
	struct chat *silent = NULL;

	for (size_t i = 0; i < c->n_chats; i++) {
		struct chat *chat = &c->chat[i];
		const bool in_call = chat == c->at || (c->calls && chat->call == c->calls);

		if (chat->id && chat->stream && !chat->refused && chat != one && chat != other && !in_call &&
		    (!silent || chat->used < silent->used))
			silent = chat;
	}
	return silent;
}

static int try_stream(struct conversations *c, rwkvmon_stream **out, const struct chat *parent, uint32_t candidates)
{
	const struct rwkvmon_stream_config cfg = { .struct_size = sizeof cfg, .candidates = candidates };

	return parent ? rwkvmon_stream_branch(out, c->mon, parent->stream, &cfg, NULL)
		      : rwkvmon_stream_open(out, c->mon, NULL, NULL);
}

/* A stream for the conversation; parent: the one whose history goes on in it, or NULL. */
static void open_stream(struct conversations *c, struct chat *chat, const struct chat *parent, uint32_t candidates)
{
	struct chat *silent;

	chat->refused = try_stream(c, &chat->stream, parent, candidates);
	if (!chat->refused || !(silent = silent_longest(c, chat, parent)))
		return;
	rwkvmon_stream_close(c->mon, silent->stream);
	*silent = (struct chat){ 0 };
	c->ended_early++;
	chat->refused = try_stream(c, &chat->stream, parent, candidates);
}

/* Whose history goes on in a stream of its own; as many conversations as `candidates` may be the parent. */
static struct chat *branch(struct conversations *c, struct chat *parent, uint32_t candidates)
{
	struct chat *chat;

	parent->used = ++c->uses; /* so that it stays */
	chat = make_room(c);
	*chat = *parent;
	open_stream(c, chat, parent, candidates);
	return chat;
}

static struct chat *begin_new(struct conversations *c)
{
	struct chat *chat = c->at;

	if (!c->own_used) {
		chat = make_room(c);
		c->own_used = true;
	} else if (c->take_turns || !chat) {
		chat = make_room(c);
		open_stream(c, chat, NULL, 1);
	} else {
		if (chat->returned)
			branch(c, chat, 1); /* what was said so far, under its id */
		rwkvmon_stream_new_sequence(c->mon, chat->stream, NULL);
	}
	chat->id = ++c->ids;
	chat->length = 0;
	chat->returned = chat->kept = false;
	chat->buffer = NULL;
	return chat;
}

/* NULL: nobody's. */
static struct chat *recognise(struct conversations *c, const struct place *place)
{
	struct chat *chat = find(c, place->id);
	uint64_t told;

	if (!chat || place->length > chat->length)
		return NULL;
	c->take_turns |= chat != c->at;
	if (place->length == chat->length && place->candidates < 2)
		return chat;
	told = c->calls && chat->call == c->calls ? chat->told : chat->length;
	chat = branch(c, chat, place->candidates);
	chat->id = ++c->ids;
	chat->length = place->length;
	chat->returned = chat->kept = false;
	chat->buffer = NULL;
	if (told > place->length)
		rwkvmon_stream_went_back(c->mon, chat->stream, told - place->length);
	return chat;
}

static void begin_at(struct conversations *c, struct chat *chat, bool *fresh)
{
	*fresh = !chat;
	c->at = chat ? chat : begin_new(c);
	c->at->used = ++c->uses;
}

/* Whose latest call returned it, whatever was noted since. */
static struct place ends_at(const struct conversations *c, uint64_t number)
{
	struct place ends = { 0 };
	uint64_t used = 0;

	for (size_t i = 0; i < c->n_chats; i++) {
		const struct chat *chat = &c->chat[i];

		if (!chat->id || !chat->returned || chat->number != number)
			continue;
		if (chat->used > used) {
			used = chat->used;
			ends.id = chat->id;
			ends.length = chat->length;
		}
		ends.candidates++;
	}
	return ends;
}

struct place conversations_recall(const struct conversations *c, uint64_t number)
{
	const struct state *s = state_of(c, number);
	struct place passed = { 0 }, ends = ends_at(c, number);

	if (ends.id)
		return ends;
	for (size_t i = 0; s && i < s->n; i++) {
		const struct chat *chat = find(c, s->place[i].id);
		struct place *to = chat && chat->length == s->place[i].length ? &ends : &passed;

		if (chat)
			*to = (struct place){ s->place[i].id, s->place[i].length, to->candidates + 1 };
	}
	return ends.id ? ends : passed;
}

/* Whose latest call put it there, where it still is; unless one that had an equal state may have put that there. */
static struct place whose_is(const struct conversations *c, const struct given_state *state)
{
	struct place here = { 0 };

	for (size_t i = 0; state->buffer && i < c->n_chats; i++) {
		const struct chat *chat = &c->chat[i];

		if (!chat->id || !chat->returned || chat->number != state->number)
			continue;
		if (!chat->buffer)
			return (struct place){ 0 };
		if (chat->buffer == state->buffer)
			here = (struct place){ .id = chat->id, .length = chat->length, .candidates = 1 };
	}
	return here;
}

/* id 0: nobody's. */
static struct place place_of(const struct conversations *c, const struct given_state *state)
{
	const struct place place = whose_is(c, state);

	return place.id ? place : conversations_recall(c, state->number);
}

bool conversations_goes_back(const struct conversations *c, const struct given_state *state)
{
	const struct place place = place_of(c, state);
	const struct chat *chat = find(c, place.id);

	return chat && place.length < chat->length && (!c->at || c->at->returned);
}

rwkvmon_stream *conversations_begin(struct conversations *c, const struct given_state *state, bool *fresh)
{
	const struct place place = state ? place_of(c, state) : (struct place){ 0 };

	if (state && c->at && !c->at->returned)
		begin_at(c, c->at, fresh); /* what it returned is not known */
	else
		begin_at(c, recognise(c, &place), fresh);
	return c->at->stream;
}

void conversations_end(struct conversations *c, const struct given_state *state, size_t n_tokens)
{
	for (size_t i = 0; state && i < c->n_chats; i++)
		if (c->chat[i].buffer == state->buffer)
			c->chat[i].buffer = NULL;
	c->at->length += n_tokens;
	c->at->returned = state;
	if (!state)
		return;
	c->at->number = state->number;
	c->at->buffer = state->buffer;
	note_state(c, state->number, (struct place){ .id = c->at->id, .length = c->at->length });
}

void conversations_call(struct conversations *c)
{
	c->calls++;
}

rwkvmon_stream *conversations_go_on(struct conversations *c, struct place *place, size_t n_tokens, bool *fresh)
{
	begin_at(c, recognise(c, place), fresh);
	c->at->call = c->calls;
	c->at->told = c->at->length;
	c->at->length += n_tokens;
	*place = (struct place){ .id = c->at->id, .length = c->at->length };
	return c->at->stream;
}

void conversations_go_back(struct conversations *c, struct place from, struct place to)
{
	struct chat *chat = find(c, from.id);

	if (!chat || to.id != from.id || from.length != chat->length || to.length >= from.length)
		return;
	rwkvmon_stream_went_back(c->mon, chat->stream, from.length - to.length);
	chat->length = to.length;
}

void conversations_leave(struct conversations *c, struct place place)
{
	struct chat *chat = find(c, place.id);

	if (!chat || !chat->stream || chat->kept)
		return;
	rwkvmon_stream_close(c->mon, chat->stream);
	*chat = (struct chat){ 0 };
	c->at = c->at == chat ? NULL : c->at;
}

void conversations_remember(struct conversations *c, uint64_t number, struct place place)
{
	struct chat *chat = find(c, place.id);

	c->take_turns = true;
	if (chat)
		chat->kept = true;
	note_state(c, number, place);
}

void conversations_take_turns(struct conversations *c)
{
	c->take_turns = true;
}
