/* doctor_weights.c - checks a model's values: finds NaN and Inf in its tensors, and storages of a .pth with a wrong
 * CRC-32. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/doctor.h"
#include "runtime/tensor_file.h"

#include <math.h>
#include <zlib.h>

enum { PIECE = 1 << 20, END_BYTES = 22, END_MOST = END_BYTES + 65535, ENTRY_BYTES = 46, LOCAL_BYTES = 30 };

/* What both looks together may take. */
struct budget {
	uint64_t start_ns;
	double seconds; /* INFINITY: as long as it takes */
	bool is_over;
};

static struct budget budget_of(double seconds)
{
	return (struct budget){ .start_ns = clock_mono_ns(&clock_system), .seconds = seconds };
}

static bool in_time(struct budget *b)
{
	b->is_over |= (double)(clock_mono_ns(&clock_system) - b->start_ns) / 1e9 >= b->seconds;
	return !b->is_over;
}

/* --- values ------------------------------------------------------------------------------- */

static bool is_finite_16(const uint8_t *p, uint64_t exponent)
{
	return (read_le(p, 2) & exponent) != exponent;
}

/* False also when the time is over. */
static bool has_nonfinite(const struct tensor *t, struct budget *b)
{
	bool contiguous = tensor_is_contiguous(t);

	for (uint64_t i = 0; i < t->count; i++) {
		bool fine;

		if (i % PIECE == 0 && !in_time(b))
			return false;
		if (contiguous && t->dtype == DTYPE_F16)
			fine = is_finite_16(t->data + 2 * i, 0x7c00);
		else if (contiguous && t->dtype == DTYPE_BF16)
			fine = is_finite_16(t->data + 2 * i, 0x7f80);
		else
			fine = isfinite(tensor_element(t, i));
		if (!fine)
			return true;
	}
	return false;
}

static void look_at_values(struct model_facts *m, const struct tensor_file *f, struct budget *b)
{
	char name[PRINTABLE_BYTES];
	size_t i;

	for (i = 0; i < f->n_tensors; i++) {
		bool bad = has_nonfinite(&f->tensors[i], b);

		if (b->is_over)
			break;
		if (bad && !m->nonfinite_tensors++)
			snprintf(m->nonfinite, FACT, "%s", printable(name, slice_of(f->tensors[i].name)));
	}
	m->unlooked_tensors = f->n_tensors - i;
}

/* --- checksums ----------------------------------------------------------------------------- */

/* The zip's central directory: entries, and where they begin. False: not a zip, or its end is not whole. */
static bool find_directory(const struct file_map *z, uint64_t *entries, uint64_t *at)
{
	size_t end = z->n, least = z->n > END_MOST ? z->n - END_MOST : 0;

	if (z->n < END_BYTES || memcmp(z->p, "PK\3\4", 4))
		return false;
	for (end -= END_BYTES; memcmp(z->p + end, "PK\5\6", 4); end--)
		if (end == least)
			return false;
	*entries = read_le(z->p + end + 10, 2);
	*at = read_le(z->p + end + 16, 4);
	if (end < 20 || memcmp(z->p + end - 20, "PK\6\7", 4)) /* no 64-bit locator */
		return true;
	end = (size_t)read_le(z->p + end - 12, 8);
	if (end > z->n || z->n - end < 56 || memcmp(z->p + end, "PK\6\6", 4))
		return false;
	*entries = read_le(z->p + end + 32, 8);
	*at = read_le(z->p + end + 48, 8);
	return true;
}

struct entry {
	struct slice name;
	uint64_t method, crc, packed, size, header; /* bytes; header: where the local one begins */
};

/* 64-bit numbers stand in an extra field, those that are saturated, in this order. */
static void parse_extra(struct entry *e, const uint8_t *p, size_t n)
{
	uint64_t *number[] = { &e->size, &e->packed, &e->header };

	while (n >= 4) {
		size_t bytes = (size_t)read_le(p + 2, 2), used = 4;

		if (bytes > n - 4)
			return;
		for (size_t i = 0; read_le(p, 2) == 1 && i < 3; i++)
			if (*number[i] == UINT32_MAX && used + 8 <= 4 + bytes) {
				*number[i] = read_le(p + used, 8);
				used += 8;
			}
		p += 4 + bytes;
		n -= 4 + bytes;
	}
}

/* The entry at *at, which moves on; false at the end of what is whole. */
static bool next_entry(const struct file_map *z, uint64_t *at, struct entry *e)
{
	const uint8_t *p = z->p + *at;
	size_t name, extra, comment;

	if (*at > z->n || z->n - *at < ENTRY_BYTES || memcmp(p, "PK\1\2", 4))
		return false;
	name = (size_t)read_le(p + 28, 2);
	extra = (size_t)read_le(p + 30, 2);
	comment = (size_t)read_le(p + 32, 2);
	if (z->n - *at - ENTRY_BYTES < name + extra + comment)
		return false;
	*e = (struct entry){ .name = { (const char *)p + ENTRY_BYTES, name },
			     .method = read_le(p + 10, 2),
			     .crc = read_le(p + 16, 4),
			     .packed = read_le(p + 20, 4),
			     .size = read_le(p + 24, 4),
			     .header = read_le(p + 42, 4) };
	parse_extra(e, p + ENTRY_BYTES + name, extra);
	*at += ENTRY_BYTES + name + extra + comment;
	return true;
}

/* For a stored entry. Other checks judge an entry that is compressed or not completely in the file. */
static bool crc_is_right(const struct file_map *z, const struct entry *e, struct budget *b)
{
	uint64_t data, left = e->size;
	uLong crc = crc32(0, NULL, 0);

	if (e->method || e->packed != e->size || e->header > z->n || z->n - e->header < LOCAL_BYTES)
		return true;
	data = e->header + LOCAL_BYTES + read_le(z->p + e->header + 26, 2) + read_le(z->p + e->header + 28, 2);
	if (data > z->n || z->n - data < e->size)
		return true;
	while (left && in_time(b)) {
		uInt piece = left < PIECE ? (uInt)left : PIECE;

		crc = crc32(crc, z->p + data, piece);
		data += piece;
		left -= piece;
	}
	return left || crc == e->crc;
}

static void look_at_checksums_within(struct model_facts *m, const char *path, struct budget *b)
{
	char name[PRINTABLE_BYTES];
	struct file_map zip;
	uint64_t entries, at;
	struct entry e;
	struct err err;

	if (file_map(&zip, path, &err))
		return;
	if (find_directory(&zip, &entries, &at))
		for (; entries && !b->is_over && next_entry(&zip, &at, &e); entries--)
			if (!crc_is_right(&zip, &e, b) && !m->damaged_storages++)
				snprintf(m->damaged, FACT, "%s", printable(name, e.name));
	file_unmap(&zip);
}

void weights_look_at_checksums(struct model_facts *m, const char *path)
{
	struct budget all = budget_of(INFINITY);

	look_at_checksums_within(m, path, &all);
}

void weights_look(struct model_facts *m, const char *path, double seconds)
{
	struct budget b = budget_of(seconds);
	struct tensor_file *file;
	struct err err;

	look_at_checksums_within(m, path, &b);
	if (m->damaged_storages || tensor_file_open(&file, path, &err))
		return;
	m->tensors = file->n_tensors;
	look_at_values(m, file, &b);
	if (!m->nonfinite_tensors)
		weight_check(&m->weights, file, &err);
	tensor_file_close(file);
}
