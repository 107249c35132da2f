/* members.h - members of JSON objects and elements of arrays.
 *
 * `first` belongs to the level: true before its first member, false from then on. Names are ours: nothing in
 * them needs escaping. Unknown numbers (NAN), times and texts are null. */
#ifndef RWKVMON_REPORT_MEMBERS_H
#define RWKVMON_REPORT_MEMBERS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"

static inline void comma(struct buf *out, bool *first)
{
	if (!*first)
		buf_char(out, ',');
	*first = false;
}

static inline void key(struct buf *out, bool *first, const char *name)
{
	comma(out, first);
	buf_char(out, '"');
	buf_str(out, name);
	buf_str(out, "\":");
}

static inline void member_u64(struct buf *out, bool *first, const char *name, uint64_t value)
{
	key(out, first, name);
	buf_u64(out, value);
}

static inline void member_double(struct buf *out, bool *first, const char *name, double value)
{
	key(out, first, name);
	buf_json_double(out, value);
}

static inline void member_text(struct buf *out, bool *first, const char *name, const char *text)
{
	key(out, first, name);
	buf_json_string(out, slice_of(text));
}

static inline void member_known_text(struct buf *out, bool *first, const char *name, const char *text)
{
	if (text && *text) {
		member_text(out, first, name, text);
		return;
	}
	key(out, first, name);
	buf_str(out, "null");
}

static inline void member_bool(struct buf *out, bool *first, const char *name, bool value)
{
	key(out, first, name);
	buf_str(out, value ? "true" : "false");
}

static inline void member_time(struct buf *out, bool *first, const char *name, int64_t time_us, bool known)
{
	char text[TIME_TEXT_BYTES];

	key(out, first, name);
	if (!known) {
		buf_str(out, "null");
		return;
	}
	time_format(text, time_us);
	buf_json_string(out, slice_of(text));
}

#endif
