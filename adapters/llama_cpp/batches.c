/* batches.c - rows of batches: read from the open kind, remembered of the closed one. */
#include "batches.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void rows_free(struct rows *rows)
{
	free(rows->row);
	*rows = (struct rows){ 0 };
}

static void clear(struct rows *rows)
{
	rows->n = 0;
	rows->embeddings = rows->failed = false;
}

static bool reserve(struct rows *rows, size_t n)
{
	size_t cap = n > 2 * rows->cap ? n : 2 * rows->cap;
	struct row *more;

	if (n <= rows->cap)
		return true;
	more = realloc(rows->row, cap * sizeof *more);
	rows->failed |= !more;
	if (more) {
		rows->row = more;
		rows->cap = cap;
	}
	return more;
}

static void add(struct rows *rows, struct row row)
{
	if (reserve(rows, rows->n + 1))
		rows->row[rows->n++] = row;
}

void rows_take(struct rows *rows, const struct llama_batch *b)
{
	clear(rows);
	rows->embeddings = !b->token;
	for (int32_t i = 0; b->token && i < b->n_tokens; i++) {
		int32_t sequences = b->seq_id && b->n_seq_id ? b->n_seq_id[i] : 1;
		bool output = b->logits ? b->logits[i] : i == b->n_tokens - 1;

		for (int32_t k = 0; k < sequences; k++)
			add(rows, (struct row){ b->seq_id ? b->seq_id[i][k] : 0, i, b->token[i], output });
	}
}

/* By sequence, then by place in the batch. */
static int in_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

void rows_group(struct rows *rows)
{
	bool ordered = true;

	for (size_t i = 1; i < rows->n && ordered; i++)
		ordered = in_order(&rows->row[i - 1], &rows->row[i]) <= 0;
	if (!ordered)
		qsort(rows->row, rows->n, sizeof *rows->row, in_order);
}

/* -- extended batches --------------------------------------------------------------------------- */

struct extended {
	struct extended *next;
	const struct llama_batch_ext *batch;
	struct rows rows; /* in the order of their index, but for added sequences */
};

static struct extended *all;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Where it is in the list, which ends with NULL; with the lock. */
static struct extended **place_of(const struct llama_batch_ext *batch)
{
	struct extended **at = &all;

	while (*at && (*at)->batch != batch)
		at = &(*at)->next;
	return at;
}

static struct rows *rows_of(const struct llama_batch_ext *batch)
{
	struct extended *e = *place_of(batch);

	if (!e && (e = calloc(1, sizeof *e))) {
		e->batch = batch;
		e->next = all;
		all = e;
	}
	return e ? &e->rows : NULL;
}

void extended_add(const struct llama_batch_ext *batch, int32_t index, llama_seq_id sequence, llama_token token,
		  bool embedding)
{
	struct rows *rows;

	if (index < 0)
		return;
	pthread_mutex_lock(&mutex);
	rows = rows_of(batch);
	if (rows) {
		rows->embeddings |= embedding;
		add(rows, (struct row){ sequence, index, token, false });
	}
	pthread_mutex_unlock(&mutex);
}

void extended_add_sequence(const struct llama_batch_ext *batch, int32_t index, llama_seq_id sequence)
{
	struct rows *rows;

	pthread_mutex_lock(&mutex);
	rows = rows_of(batch);
	for (size_t i = rows ? rows->n : 0; i-- > 0;)
		if (rows->row[i].index == index) {
			struct row row = rows->row[i];

			row.sequence = sequence;
			add(rows, row);
			break;
		}
	pthread_mutex_unlock(&mutex);
}

void extended_output(const struct llama_batch_ext *batch, int32_t index, bool output)
{
	struct rows *rows;

	pthread_mutex_lock(&mutex);
	rows = rows_of(batch);
	for (size_t i = (size_t)index; rows && index >= 0 && i < rows->n;
	     i++) /* a token's rows are not before its index */
		if (rows->row[i].index == index)
			rows->row[i].output = output;
	pthread_mutex_unlock(&mutex);
}

void extended_clear(const struct llama_batch_ext *batch)
{
	struct rows *rows;

	pthread_mutex_lock(&mutex);
	rows = rows_of(batch);
	if (rows)
		clear(rows);
	pthread_mutex_unlock(&mutex);
}

void extended_free(const struct llama_batch_ext *batch)
{
	struct extended **at, *gone;

	pthread_mutex_lock(&mutex);
	at = place_of(batch);
	gone = *at;
	if (gone)
		*at = gone->next;
	pthread_mutex_unlock(&mutex);
	if (gone)
		rows_free(&gone->rows);
	free(gone);
}

void rows_take_extended(struct rows *rows, const struct llama_batch_ext *batch)
{
	struct extended *e;

	clear(rows);
	pthread_mutex_lock(&mutex);
	e = *place_of(batch);
	if (e && reserve(rows, e->rows.n)) {
		if (e->rows.n)
			memcpy(rows->row, e->rows.row, e->rows.n * sizeof *rows->row);
		rows->n = e->rows.n;
		rows->embeddings = e->rows.embeddings;
		rows->failed = e->rows.failed;
	}
	pthread_mutex_unlock(&mutex);
}
