/* json.c - tracks which objects and arrays are open, and whether a comma is due. */
#include "base/json.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

static uint32_t bit(unsigned depth)
{
	return UINT32_C(1) << depth;
}

/* Writes the comma before an element or a key, if one is due. */
static void separate(struct json *j)
{
	if (j->after_break) {
		j->after_break = false;
		return;
	}
	if (j->depth && j->filled & bit(j->depth)) {
		buf_char(j->out, ',');
		if (j->spaced)
			buf_char(j->out, ' ');
	}
	j->filled |= bit(j->depth);
}

void jw_break(struct json *j)
{
	if (j->depth && j->filled & bit(j->depth))
		buf_char(j->out, ',');
	j->filled |= bit(j->depth);
	buf_char(j->out, '\n');
	j->after_break = true;
}

/* Writes the separators that are due before a value. */
static void begin_value(struct json *j)
{
	if (!j->after_key)
		separate(j);
	j->after_key = false;
}

static void open_level(struct json *j, char bracket, bool array)
{
	begin_value(j);
	buf_char(j->out, bracket);
	assert(j->depth < JSON_DEPTH_MAX);
	j->depth++;
	j->filled &= ~bit(j->depth);
	j->arrays = (j->arrays & ~bit(j->depth)) | (array ? bit(j->depth) : 0);
}

void jw_object(struct json *j)
{
	open_level(j, '{', false);
}

void jw_array(struct json *j)
{
	open_level(j, '[', true);
}

void jw_end(struct json *j)
{
	assert(j->depth && !j->after_key);
	j->after_break = false;
	buf_char(j->out, j->arrays & bit(j->depth) ? ']' : '}');
	j->depth--;
}

void jw_key(struct json *j, const char *key)
{
	assert(!j->after_key);
	separate(j);
	buf_json_string(j->out, slice_of(key));
	buf_char(j->out, ':');
	if (j->spaced)
		buf_char(j->out, ' ');
	j->after_key = true;
}

void jw_null(struct json *j)
{
	begin_value(j);
	buf_add(j->out, "null", 4);
}

void jw_bool(struct json *j, bool value)
{
	begin_value(j);
	buf_str(j->out, value ? "true" : "false");
}

void jw_u64(struct json *j, uint64_t value)
{
	begin_value(j);
	buf_u64(j->out, value);
}

void jw_i64(struct json *j, int64_t value)
{
	begin_value(j);
	buf_printf(j->out, "%" PRId64, value);
}

void jw_double(struct json *j, double value)
{
	begin_value(j);
	buf_json_double(j->out, value);
}

void jw_decimal(struct json *j, double value, int decimals)
{
	begin_value(j);
	buf_json_decimal(j->out, value, decimals);
}

void jw_digits(struct json *j, double value, int digits)
{
	if (!isfinite(value)) {
		jw_null(j);
		return;
	}
	begin_value(j);
	buf_printf(j->out, "%.*g", digits, value);
}

void jw_text(struct json *j, const char *text)
{
	jw_slice(j, text ? slice_of(text) : (struct slice){ 0 });
}

void jw_slice(struct json *j, struct slice text)
{
	if (!text.p) {
		jw_null(j);
		return;
	}
	begin_value(j);
	buf_json_string(j->out, text);
}

void jw_time(struct json *j, int64_t time_us)
{
	char text[TIME_TEXT_BYTES];

	time_format(text, time_us);
	jw_text(j, text);
}

void jw_raw(struct json *j, struct slice value)
{
	begin_value(j);
	buf_add(j->out, value.p, value.n);
}

void jw_members(struct json *j, struct slice object)
{
	if (object.n <= 2)
		return;
	separate(j);
	buf_add(j->out, object.p + 1, object.n - 2);
}
