/* number_set.c - the run and its neighbours. */
#include "analyze/number_set.h"

#include <stdlib.h>

enum { ROOM_FIRST = 8 };

static size_t place_at(const struct number_set *s, uint64_t place)
{
	size_t at = (size_t)((place * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->room - 1);

	while (s->word[at].bits && s->word[at].place != place)
		at = (at + 1) & (s->room - 1);
	return at;
}

static bool in_table(const struct number_set *s, uint64_t number)
{
	return s->word && s->word[place_at(s, number / 64)].bits >> number % 64 & 1;
}

static bool make_room(struct number_set *s)
{
	struct number_set grown = { .room = s->room ? 2 * s->room : ROOM_FIRST };

	if (s->word && 2 * (s->used + 1) <= s->room)
		return true;
	grown.word = calloc(grown.room, sizeof *grown.word);
	if (!grown.word)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->word[i].bits)
			grown.word[place_at(&grown, s->word[i].place)] = s->word[i];
	free(s->word);
	s->word = grown.word;
	s->room = grown.room;
	return true;
}

static bool put_in_table(struct number_set *s, uint64_t number)
{
	struct number_word *w;

	s->failed |= !make_room(s);
	if (!s->word || 2 * s->used >= s->room)
		return false;
	w = &s->word[place_at(s, number / 64)];
	s->used += !w->bits;
	w->place = number / 64;
	w->bits |= UINT64_C(1) << number % 64;
	return true;
}

/* The run takes up what follows it at its ends. Each number once: the table's are counted already. */
static void lengthen(struct number_set *s)
{
	while (in_table(s, s->to + 1))
		s->to++;
	while (s->from && in_table(s, s->from - 1))
		s->from--;
}

bool number_set_add(struct number_set *s, uint64_t number)
{
	bool first = !s->count;

	if (!first && ((number >= s->from && number <= s->to) || in_table(s, number)))
		return false;
	if (first)
		s->from = s->to = number;
	else if (number == s->to + 1)
		s->to++;
	else if (number + 1 == s->from)
		s->from--;
	else if (!put_in_table(s, number))
		return true;
	s->least = first || number < s->least ? number : s->least;
	s->greatest = number > s->greatest ? number : s->greatest;
	s->count++;
	if (s->word)
		lengthen(s);
	return true;
}

void number_set_free(struct number_set *s)
{
	free(s->word);
	*s = (struct number_set){ 0 };
}
