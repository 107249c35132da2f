/* follow_known.c - the files that a follower knows, by device and inode. */
#include "cli/follow_known.h"

#include "base/hash.h"
#include "read/texts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct head head_of(int fd, enum packing *packing)
{
	char text[HEAD_BYTES];
	struct head h = { .n = texts_beginning(fd, text, sizeof text, packing) };

	h.hash = hash_of((struct slice){ text, h.n });
	h.least = h.n < TEXTS_LEAST ? 0 : hash_of((struct slice){ text, TEXTS_LEAST });
	return h;
}

bool head_is(const struct head *h, int fd)
{
	char text[HEAD_BYTES];
	enum packing packing;
	size_t n = texts_beginning(fd, text, h->n, &packing);

	return n == h->n && hash_of((struct slice){ text, n }) == h->hash;
}

/* --- the list ------------------------------------------------------------------------- */

static size_t place_of(const struct known_list *l, dev_t device, ino_t inode)
{
	return (size_t)((uint64_t)inode * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)device) & (l->n_places - 1);
}

static void put(struct known_list *l, size_t index)
{
	const struct known *k = l->file[index];
	size_t at = place_of(l, k->device, k->inode);

	while (l->place[at])
		at = (at + 1) & (l->n_places - 1);
	l->place[at] = index + 1;
}

static bool make_places(struct known_list *l)
{
	size_t wanted = 64;

	while (wanted < 4 * (l->n + 1))
		wanted *= 2;
	if (wanted > l->n_places) {
		size_t *grown = realloc(l->place, wanted * sizeof *grown);

		if (!grown)
			return false;
		l->place = grown;
		l->n_places = wanted;
	}
	memset(l->place, 0, l->n_places * sizeof *l->place);
	for (size_t i = 0; i < l->n; i++)
		put(l, i);
	return true;
}

struct known *known_find(const struct known_list *l, dev_t device, ino_t inode)
{
	if (!l->n_places)
		return NULL;
	for (size_t at = place_of(l, device, inode); l->place[at]; at = (at + 1) & (l->n_places - 1)) {
		struct known *k = l->file[l->place[at] - 1];

		if (k->device == device && k->inode == inode)
			return k;
	}
	return NULL;
}

/* --- known again by its beginning ------------------------------------------------------ */

static bool same_beginning(const struct head *known, const struct known *k)
{
	return known->n >= TEXTS_LEAST && (known->n == k->head.n && known->hash == k->head.hash);
}

/* What tells most files apart, without a look into one. */
static bool may_begin_alike(const struct head *a, const struct head *b)
{
	return !a->least || !b->least || a->least == b->least;
}

/* A shorter beginning that was known when the file was small is compared with as much of this one. */
static bool begins_like(const struct head *known, const struct known *k, int fd)
{
	if (known->n < TEXTS_LEAST || known->n > k->head.n || !may_begin_alike(known, &k->head))
		return false;
	return same_beginning(known, k) || (known->n < k->head.n && head_is(known, fd));
}

/* Of two files that are there, the copy may be the shorter one: it is still being written. */
static bool is_begun_copy(const struct known *k, const struct known *of)
{
	int fd;
	bool is;

	if (k->head.n < TEXTS_LEAST || of->head.n <= k->head.n || !may_begin_alike(&k->head, &of->head))
		return false;
	fd = of->fd >= 0 ? of->fd : open(of->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	is = fd >= 0 && head_is(&k->head, fd);
	if (fd >= 0 && fd != of->fd)
		close(fd);
	return is;
}

/* The same text in another file: what is compressed otherwise has the place in its text alone. */
static struct read_place same_place(const struct known *k, enum packing packing, const struct read_place *at)
{
	if (k->packing == packing)
		return *at;
	return k->packing ? (struct read_place){ .text = at->text, .home_us = at->home_us }
			  : (struct read_place){ (off_t)at->text, at->text, at->text, at->home_us };
}

static void goes_on_from(struct past *p, struct known *k, int fd)
{
	if (!begins_like(&p->head, k, fd))
		return;
	p->found = true;
	if (p->at.text >= k->at.text)
		k->at = same_place(k, p->packing, &p->at);
}

static void find_twin(struct known_list *l, struct known *k, int fd)
{
	for (size_t i = 0; i < l->n; i++) {
		struct known *of = l->file[i];

		if (of != k && !of->twin && (begins_like(&of->head, k, fd) || is_begun_copy(k, of))) {
			k->twin = of;
			return;
		}
	}
	for (size_t i = 0; i < PAST_MAX && i < l->n_past; i++)
		goes_on_from(&l->past[i], k, fd);
	for (size_t i = 0; i < l->n_earlier; i++)
		goes_on_from(&l->earlier[i], k, fd);
}

static bool has_twins(const struct known_list *l, const struct known *k)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->file[i]->twin == k)
			return true;
	return false;
}

void known_look_again(struct known_list *l, struct known *k, int fd)
{
	if (k->head.n == HEAD_BYTES)
		return;
	k->head = head_of(fd, &k->packing);
	if (k->at.text || has_twins(l, k))
		return; /* it is known by what was read of it */
	k->twin = NULL;
	find_twin(l, k, fd);
}

void known_part(struct known *k)
{
	k->at = same_place(k, k->twin->packing, &k->twin->at);
	k->twin = NULL;
}

void known_is_no_copy(struct known *k)
{
	k->at = (struct read_place){ 0 };
	k->twin = NULL;
}

struct known *known_add(struct known_list *l, const char *path, const struct stat *st, int fd)
{
	struct known *k = calloc(1, sizeof *k), **grown;

	if (k && l->n == l->cap) {
		grown = realloc(l->file, (l->cap ? 2 * l->cap : 64) * sizeof(struct known *));
		l->cap = grown ? (l->cap ? 2 * l->cap : 64) : l->cap;
		l->file = grown ? grown : l->file;
	}
	if (!k || l->n == l->cap || !(k->path = strdup(path))) {
		free(k);
		return NULL;
	}
	k->device = st->st_dev;
	k->inode = st->st_ino;
	k->size = st->st_size;
	k->fd = -1;
	k->seen = true;
	k->head = head_of(fd, &k->packing);
	find_twin(l, k, fd);
	l->file[l->n++] = k;
	if (4 * l->n > l->n_places ? !make_places(l) : (put(l, l->n - 1), false)) {
		l->n--;
		free(k->path);
		free(k);
		return NULL;
	}
	return k;
}

/* For files that appear later. */
static void remember(struct known_list *l, const struct known *k)
{
	if (k->head.n >= TEXTS_LEAST)
		l->past[l->n_past++ % PAST_MAX] = (struct past){ .head = k->head, .packing = k->packing, .at = k->at };
}

static bool is_gone(const struct known *k)
{
	return !k->seen && k->fd < 0;
}

/* Of the copies of k that stay, one continues where it was read to; that one is what the others are copies of now. */
static void leave_copies(struct known_list *l, const struct known *k)
{
	struct known *heir = NULL;

	for (size_t i = 0; i < l->n; i++) {
		struct known *copy = l->file[i];

		if (copy->twin != k)
			continue;
		copy->twin = heir;
		if (heir)
			continue;
		copy->at = same_place(copy, k->packing, &k->at);
		heir = is_gone(copy) ? NULL : copy; /* one that goes too inherits nothing */
	}
}

/* What was only cut at its end is read again, and is no copy of what it was. */
void known_restart(struct known_list *l, struct known *k, int fd)
{
	if (!head_is(&k->head, fd))
		remember(l, k);
	leave_copies(l, k);
	k->at = (struct read_place){ 0 };
	k->twin = NULL;
	k->head = (struct head){ .n = 0 };
}

void known_let_go(struct known_list *l, struct known *k)
{
	if (k->fd < 0)
		return;
	close(k->fd);
	k->fd = -1;
	l->n_held--;
}

void known_forget_gone(struct known_list *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->n; i++)
		if (is_gone(l->file[i])) {
			remember(l, l->file[i]);
			leave_copies(l, l->file[i]);
		}
	for (size_t i = 0; i < l->n; i++) {
		struct known *k = l->file[i];

		if (!is_gone(k)) {
			l->file[left++] = k;
			continue;
		}
		free(k->path);
		free(k);
	}
	if (left == l->n)
		return;
	l->n = left;
	make_places(l);
}

void known_free_all(struct known_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		known_let_go(l, l->file[i]);
		free(l->file[i]->path);
		free(l->file[i]);
	}
	free(l->file);
	free(l->place);
	free(l->earlier);
	*l = (struct known_list){ .n = 0 };
}

/* --- between processes ------------------------------------------------------------------ */

static void put_place(struct buf *out, const struct head *h, enum packing packing, const struct read_place *at)
{
	if (h->n >= TEXTS_LEAST)
		buf_printf(out, "%016" PRIx64 " %zu %d %lld %" PRIu64 " %" PRIu64 "\n", h->hash, h->n, (int)packing,
			   (long long)at->at, at->at_text, at->text);
}

void known_places(const struct known_list *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->file[i]->twin)
			put_place(out, &l->file[i]->head, l->file[i]->packing, &l->file[i]->at);
	for (size_t i = 0; i < PAST_MAX && i < l->n_past; i++)
		put_place(out, &l->past[i].head, l->past[i].packing, &l->past[i].at);
	for (size_t i = 0, n = 0; i < l->n_earlier && n < PAST_MAX; n += !l->earlier[i++].found)
		if (!l->earlier[i].found)
			put_place(out, &l->earlier[i].head, l->earlier[i].packing, &l->earlier[i].at);
}

static bool read_one(struct past *p, const char *line)
{
	long long at;
	int packing;

	if (sscanf(line, "%16" SCNx64 " %zu %d %lld %" SCNu64 " %" SCNu64, &p->head.hash, &p->head.n, &packing, &at,
		   &p->at.at_text, &p->at.text) != 6)
		return false;
	p->packing = packing == PACKED_GZIP || packing == PACKED_ZSTD ? (enum packing)packing : PACKED_NOT;
	p->at.at = (off_t)at;
	return p->head.n <= HEAD_BYTES && at >= 0 && p->at.at_text <= p->at.text && p->at.text <= INT64_MAX;
}

void known_resume(struct known_list *l, struct slice places)
{
	size_t lines = 0;

	for (size_t i = 0; i < places.n; i++)
		lines += places.p[i] == '\n';
	l->earlier = lines ? calloc(lines, sizeof *l->earlier) : NULL;
	for (const char *p = places.p; l->earlier && lines; p = strchr(p, '\n') + 1, lines--)
		l->n_earlier += read_one(&l->earlier[l->n_earlier], p);
}
