/* suggest.c - finds the word that was probably meant by its edit distance. */
#include "base/suggest.h"

enum { WORD_MAX = 64 };

/* Levenshtein distance; both words are at most WORD_MAX bytes. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
			size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];

			diagonal = row[j];
			row[j] = change < shorter + 1 ? change : shorter + 1;
		}
	}
	return row[b.n];
}

void suggest_offer(struct suggestion *s, const char *known)
{
	struct slice k = slice_of(known);
	size_t d;

	if (s->word.n > WORD_MAX || k.n > WORD_MAX || !s->word.n)
		return;
	d = distance(s->word, k);
	if (d > (s->word.n + 2) / 3 || (s->best && d >= s->best_distance))
		return;
	s->best = known;
	s->best_distance = d;
}
