/* follow_known.c - the files that a follower knows, by device and inode. */
#include "cli/follow_known.h"

#include "read/read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t hash_of(const char *p, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
	return h;
}

struct head head_of(int fd, bool *packed)
{
	char text[HEAD_BYTES];
	struct head h = { .n = read_beginning(fd, text, sizeof text, packed) };

	h.hash = hash_of(text, h.n);
	return h;
}

bool head_is(const struct head *h, int fd)
{
	char text[HEAD_BYTES];
	bool packed;
	size_t n = read_beginning(fd, text, h->n, &packed);

	return n == h->n && hash_of(text, n) == h->hash;
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
	return known->n >= HEAD_LEAST && (known->n == k->head.n && known->hash == k->head.hash);
}

/* A shorter beginning that was known when the file was small is compared with as much of this one. */
static bool begins_like(const struct head *known, const struct known *k, int fd)
{
	if (known->n < HEAD_LEAST || known->n > k->head.n)
		return false;
	return same_beginning(known, k) || (known->n < k->head.n && head_is(known, fd));
}

/* The text is the same, compressed or not: the file then counts as one that was read completely before it was
 * compressed. */
static off_t goes_on_at(const struct known *k, bool other_packed, off_t at)
{
	return k->packed || other_packed ? k->size : at;
}

static void goes_on_from(struct past *p, struct known *k, int fd)
{
	if (!begins_like(&p->head, k, fd))
		return;
	p->found = true;
	if (goes_on_at(k, p->packed, p->at) > k->at)
		k->at = goes_on_at(k, p->packed, p->at);
}

static void find_twin(struct known_list *l, struct known *k, int fd)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->file[i]->twin && begins_like(&l->file[i]->head, k, fd)) {
			k->twin = l->file[i];
			k->at = goes_on_at(k, k->twin->packed, k->twin->at);
			return;
		}
	for (size_t i = 0; i < PAST_MAX && i < l->n_past; i++)
		goes_on_from(&l->past[i], k, fd);
	for (size_t i = 0; i < l->n_earlier; i++)
		goes_on_from(&l->earlier[i], k, fd);
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
	k->head = head_of(fd, &k->packed);
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

/* Remembers what k was, for files that appear later: copies of it continue at the position to which k was read. */
static void becomes_past(struct known_list *l, const struct known *k)
{
	if (k->head.n >= HEAD_LEAST)
		l->past[l->n_past++ % PAST_MAX] = (struct past){ .head = k->head, .packed = k->packed, .at = k->at };
	for (size_t i = 0; i < l->n; i++)
		if (l->file[i]->twin == k) {
			l->file[i]->at = goes_on_at(l->file[i], k->packed, k->at);
			l->file[i]->twin = NULL;
		}
}

void known_restart(struct known_list *l, struct known *k)
{
	becomes_past(l, k);
	k->at = 0;
	k->twin = NULL;
	k->head = (struct head){ 0, 0 };
}

void known_let_go(struct known_list *l, struct known *k)
{
	if (k->fd < 0)
		return;
	close(k->fd);
	k->fd = -1;
	l->n_held--;
}

static bool is_gone(const struct known *k)
{
	return !k->seen && k->fd < 0;
}

void known_forget_gone(struct known_list *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->n; i++)
		if (is_gone(l->file[i]))
			becomes_past(l, l->file[i]);
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

static void put_place(struct buf *out, const struct head *h, bool packed, off_t at)
{
	if (h->n >= HEAD_LEAST)
		buf_printf(out, "%016" PRIx64 " %zu %d %lld\n", h->hash, h->n, packed, (long long)at);
}

void known_places(const struct known_list *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->file[i]->twin)
			put_place(out, &l->file[i]->head, l->file[i]->packed, l->file[i]->at);
	for (size_t i = 0; i < PAST_MAX && i < l->n_past; i++)
		put_place(out, &l->past[i].head, l->past[i].packed, l->past[i].at);
	for (size_t i = 0, n = 0; i < l->n_earlier && n < PAST_MAX; n += !l->earlier[i++].found)
		if (!l->earlier[i].found)
			put_place(out, &l->earlier[i].head, l->earlier[i].packed, l->earlier[i].at);
}

void known_resume(struct known_list *l, struct slice places)
{
	size_t lines = 0;

	for (size_t i = 0; i < places.n; i++)
		lines += places.p[i] == '\n';
	l->earlier = lines ? calloc(lines, sizeof *l->earlier) : NULL;
	for (const char *p = places.p; l->earlier && l->n_earlier < lines; p = strchr(p, '\n') + 1) {
		struct past *e = &l->earlier[l->n_earlier];
		long long at;
		int packed;

		if (sscanf(p, "%16" SCNx64 " %zu %d %lld", &e->head.hash, &e->head.n, &packed, &at) != 4 ||
		    e->head.n > HEAD_BYTES || at < 0) {
			lines--;
			continue;
		}
		e->packed = packed;
		e->at = at;
		l->n_earlier++;
	}
}
