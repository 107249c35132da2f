/* log_files.h - what the files of a log hold, read without the program's own reader. */
#ifndef RWKVMON_TESTS_LOG_FILES_H
#define RWKVMON_TESTS_LOG_FILES_H

#include "test.h"

#include "base/file.h"
#include "log/names.h"
#include "record/codec.h"

#include <dirent.h>
#include <zstd.h>

struct found {
	size_t lines, bad, steps, starts, gaps;
	uint64_t sum; /* of the steps' sequence lengths */
	uint64_t dropped;
};

static inline void take_lines(struct found *f, struct slice text)
{
	struct record_decoder d = { 0 };

	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		struct record r;

		f->lines++;
		if (record_decode(&d, (struct slice){ text.p, n }, &r) != DECODE_OK || !end) {
			f->bad++;
		} else {
			f->steps += r.event == EVENT_INFERENCE_STEP;
			f->sum += r.event == EVENT_INFERENCE_STEP ? r.sequence_length : 0;
			f->starts += r.event == EVENT_SESSION_START;
			f->gaps += r.event == EVENT_GAP;
			f->dropped += r.event == EVENT_GAP ? (uint64_t)fields_number(r.extra, F_DROPPED, 0) : 0;
		}
		text = (struct slice){ text.p + n + (end != NULL), text.n - n - (end != NULL) };
	}
	record_decoder_free(&d);
}

static inline void unpack(struct buf *out, struct slice frames)
{
	while (frames.n) {
		size_t n = ZSTD_findFrameCompressedSize(frames.p, frames.n);
		unsigned long long content;

		assert_false(ZSTD_isError(n));
		content = ZSTD_getFrameContentSize(frames.p, frames.n);
		assert_true(buf_reserve(out, content));
		assert_int_equal(ZSTD_decompress(out->p + out->used, content, frames.p, n), content);
		out->used += content;
		frames = (struct slice){ frames.p + n, frames.n - n };
	}
}

static inline void read_into(struct found *f, const char *path)
{
	struct buf raw = { 0 }, text = { 0 };

	assert_int_equal(file_read(&raw, path, 1 << 28, NULL), 0);
	if (log_name_is_zst(path))
		unpack(&text, buf_slice(&raw));
	take_lines(f, log_name_is_zst(path) ? buf_slice(&text) : buf_slice(&raw));
	buf_free(&raw);
	buf_free(&text);
}

static inline struct found read_file(const char *path)
{
	struct found f = { 0 };

	read_into(&f, path);
	return f;
}

/* All files of a log, rotated ones included. */
static inline struct found read_all(const char *path, size_t *files)
{
	struct found f = { 0 };
	const struct dirent *entry;
	const char *slash = strrchr(path, '/');
	size_t dir_bytes = (size_t)(slash + 1 - path);
	char full[600];
	DIR *d;

	snprintf(full, sizeof full, "%.*s", (int)dir_bytes, path);
	d = opendir(full);
	assert_non_null(d);
	*files = 0;
	while ((entry = readdir(d)))
		if (log_name_is_rotated(path, entry->d_name) || !strcmp(entry->d_name, slash + 1)) {
			snprintf(full, sizeof full, "%.*s%s", (int)dir_bytes, path, entry->d_name);
			read_into(&f, full);
			++*files;
		}
	closedir(d);
	return f;
}

#endif
