/* json.h - writes one JSON value, piece by piece; the writer takes care of depth, commas, colons and escaping.
 *
 *     struct json j = { .out = &text };
 *
 *     jw_object(&j);
 *     jw_put_u64(&j, "records", 12);
 *     jw_put_array(&j, "files");
 *     jw_text(&j, "a.log");
 *     jw_end(&j);
 *     jw_end(&j);                                  {"records":12,"files":["a.log"]}
 *
 * Functions begin with jw_ (JSON writer), because json_ belongs to jansson, which reads other programs' JSON.
 *
 * A value may be written after a key, as the next element of an array, or alone. jw_put_* writes a key and its value.
 * Unknown values (a NULL text, a number that is not finite) are written as null.
 *
 * Ownership  borrows the buffer; needs no cleanup once every object and array has been ended.
 * Errors     the buffer's: `failed` sticks.
 * Cost       meant for output on request; records are written to a log by record/encode.c.
 */
#ifndef RWKVMON_BASE_JSON_H
#define RWKVMON_BASE_JSON_H

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 31 }; /* nested objects and arrays */

struct json {
	struct buf *out;
	bool spaced; /* "key": value, "key": value */

	/* Bit i: the object or array that is open at depth i has an element; is an array. */
	uint32_t filled, arrays;
	unsigned depth;
	bool after_key, after_break;
};

void jw_object(struct json *j);
void jw_array(struct json *j);
void jw_end(struct json *j); /* the object or array that was opened last */

void jw_key(struct json *j, const char *key);

void jw_null(struct json *j);
void jw_bool(struct json *j, bool value);
void jw_u64(struct json *j, uint64_t value);
void jw_i64(struct json *j, int64_t value);
void jw_double(struct json *j, double value);                /* the shortest text that reads back as the same double */
void jw_decimal(struct json *j, double value, int decimals); /* rounded, without trailing zeros */
void jw_digits(struct json *j, double value, int digits);    /* rounded to that many significant digits */
void jw_text(struct json *j, const char *text);
void jw_slice(struct json *j, struct slice text); /* p NULL: null */
void jw_time(struct json *j, int64_t time_us);    /* "2025-09-11T12:34:56.789Z" */
void jw_raw(struct json *j, struct slice value);  /* JSON already */

/* Copies the members of an object that is already JSON into the open object. */
void jw_members(struct json *j, struct slice object);

/* The next element or key begins on a new line. */
void jw_break(struct json *j);

static inline void jw_put_object(struct json *j, const char *key)
{
	jw_key(j, key);
	jw_object(j);
}

static inline void jw_put_array(struct json *j, const char *key)
{
	jw_key(j, key);
	jw_array(j);
}

static inline void jw_put_null(struct json *j, const char *key)
{
	jw_key(j, key);
	jw_null(j);
}

static inline void jw_put_bool(struct json *j, const char *key, bool value)
{
	jw_key(j, key);
	jw_bool(j, value);
}

static inline void jw_put_u64(struct json *j, const char *key, uint64_t value)
{
	jw_key(j, key);
	jw_u64(j, value);
}

static inline void jw_put_i64(struct json *j, const char *key, int64_t value)
{
	jw_key(j, key);
	jw_i64(j, value);
}

static inline void jw_put_double(struct json *j, const char *key, double value)
{
	jw_key(j, key);
	jw_double(j, value);
}

static inline void jw_put_decimal(struct json *j, const char *key, double value, int decimals)
{
	jw_key(j, key);
	jw_decimal(j, value, decimals);
}

static inline void jw_put_digits(struct json *j, const char *key, double value, int digits)
{
	jw_key(j, key);
	jw_digits(j, value, digits);
}

static inline void jw_put_text(struct json *j, const char *key, const char *text)
{
	jw_key(j, key);
	jw_text(j, text);
}

static inline void jw_put_slice(struct json *j, const char *key, struct slice text)
{
	jw_key(j, key);
	jw_slice(j, text);
}

/* null when the text is empty. */
static inline void jw_known_text(struct json *j, const char *text)
{
	jw_text(j, text && *text ? text : NULL);
}

static inline void jw_put_known_text(struct json *j, const char *key, const char *text)
{
	jw_key(j, key);
	jw_known_text(j, text);
}

/* null when the time is not known. */
static inline void jw_put_time(struct json *j, const char *key, int64_t time_us, bool known)
{
	jw_key(j, key);
	if (known)
		jw_time(j, time_us);
	else
		jw_null(j);
}

#endif
