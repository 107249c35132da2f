/* The reader on every trouble a log can have. */
#include "test.h"

#include "base/file.h"
#include "read/read.h"
#include "read/retext.h"
#include "read/sources.h"
#include "spec/skipped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define STEP(n)                                                                                                        \
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\","          \
	"\"sequence_length\":" #n ",\"performance\":{\"token_latency_ms\":32.5}}"

/* Bytes in memory, handed out a few at a time. */
struct memory {
	const char *p;
	size_t n, at, most;
	int fail_with; /* errno once all is read; 0: end */
};

static ssize_t pull(void *ctx, void *buffer, size_t n)
{
	struct memory *m = ctx;

	n = n < m->n - m->at ? n : m->n - m->at;
	n = m->most && n > m->most ? m->most : n;
	if (!n && m->fail_with) {
		errno = m->fail_with;
		return -1;
	}
	memcpy(buffer, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

struct outcome {
	int rc;
	struct err err;
	uint64_t records, sum; /* of sequence_length */
	struct input_stats in;
	char reasons[400];    /* "line:reason;" */
	char skipped[2][300]; /* names of the first ones, which go with the reader */
};

static void drain(struct reader *r, struct outcome *o)
{
	struct record rec;
	size_t at = 0;

	while ((o->rc = read_next(r, &rec, &o->err)) > 0) {
		o->records++;
		o->sum += rec.sequence_length;
	}
	o->in = *read_input(r);
	for (size_t i = 0; i < o->in.n_skipped && at < sizeof o->reasons; i++)
		at += (size_t)snprintf(o->reasons + at, sizeof o->reasons - at, "%d:%s;", (int)o->in.skipped[i].line,
				       o->in.skipped[i].reason);
	for (size_t i = 0; i < o->in.n_skipped && i < 2; i++)
		snprintf(o->skipped[i], sizeof o->skipped[i], "%s", o->in.skipped[i].file);
	o->in.files = NULL;
	read_close(r);
}

static struct outcome read_bytes(const char *p, size_t n, size_t most)
{
	struct memory m = { .p = p, .n = n, .most = most };
	struct outcome o = { 0 };
	struct reader *r;

	assert_int_equal(read_open_stream(&r, "memory", pull, &m, &o.err), 0);
	drain(r, &o);
	return o;
}

#define AT(year, n)                                                                                                    \
	"{\"timestamp\":\"" year "-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\","      \
	"\"sequence_length\":" #n "}\n"
#define ALARM_AT(year)                                                                                                 \
	"{\"timestamp\":\"" year "-09-11T12:34:57Z\",\"session_id\":\"s\",\"event_type\":\"alarm\","                   \
	"\"alarm_type\":\"high_latency\"}\n"

/* They would stretch the axis of time over all that lies between. */
static void impossible_times_are_those_of_the_log(void **state)
{
	static const char text[] = AT("1970", 1) AT("2025", 2) AT("9000", 4) AT("2026", 8),
			  unset[] = AT("1970", 1) AT("1971", 2);
	const int64_t at_us = 1757594096789000;
	struct memory m = { .p = text, .n = sizeof text - 1 }, never = { .p = unset, .n = sizeof unset - 1 };
	struct columns *c = aligned_alloc(64, sizeof *c);
	struct reader *r;
	struct outcome o;

	(void)state;
	assert_non_null(c);
	assert_int_equal(read_open_stream(&r, "memory", pull, &m, NULL), 0);
	assert_int_equal(read_columns(r, c, NULL, NULL), 1);
	assert_int_equal(c->n, 4);
	assert_int_equal(c->time_us[0], at_us);
	assert_int_equal(c->time_us[1], at_us);
	assert_int_equal(c->time_us[2], at_us);
	assert_true(c->time_us[3] > at_us);
	assert_int_equal(read_input(r)->untimed_lines, 2);
	read_close(r);
	o = read_bytes(text, sizeof text - 1, 0);
	assert_int_equal(o.records, 4);
	assert_int_equal(o.in.untimed_lines, 2);
	assert_int_equal(read_open_stream(&r, "memory", pull, &never, NULL), 0);
	assert_int_equal(read_columns(r, c, NULL, NULL), 1);
	assert_true(c->time_us[1] - c->time_us[0] > 0); /* a clock that was never set still tells what came when */
	assert_int_equal(read_input(r)->untimed_lines, 0);
	read_close(r);
	free(c);
}

/* So are those of what is no step, and the whole record says the same as its row. */
static void impossible_times_of_events_are_too(void **state)
{
	static const char text[] = AT("2025", 1) ALARM_AT("1012");
	const int64_t at_us = 1757594096789000;
	struct memory m = { .p = text, .n = sizeof text - 1 };
	struct columns *c = aligned_alloc(64, sizeof *c);
	struct reader *r;
	struct record rec;

	(void)state;
	assert_non_null(c);
	assert_int_equal(read_open_stream(&r, "memory", pull, &m, NULL), 0);
	assert_int_equal(read_columns(r, c, NULL, NULL), 1);
	assert_int_equal(c->n, 2);
	columns_record(c, 1, &rec);
	assert_int_equal(rec.event, EVENT_ALARM);
	assert_int_equal(rec.time_us, at_us);
	assert_int_equal(c->time_us[1], at_us);
	read_close(r);
	free(c);
}

/* With its members in an order of its own: more of them than there are shapes. */
static size_t put_any_order(char *out, size_t room, unsigned length)
{
	char member[5][80];
	unsigned order = length * 7919;
	size_t n = 0;

	snprintf(member[0], sizeof *member, "\"timestamp\":\"2025-09-11T12:34:%02u.789Z\"", length % 60);
	snprintf(member[1], sizeof *member, "\"performance\":{\"token_latency_ms\":%u.5}", length % 1000);
	snprintf(member[2], sizeof *member, "\"session_id\":\"s\"");
	snprintf(member[3], sizeof *member, "\"event_type\":\"inference_step\"");
	snprintf(member[4], sizeof *member, "\"sequence_length\":%u", length);
	for (unsigned left = 5; left; order /= left--) {
		unsigned at = order % left;

		n += (size_t)snprintf(out + n, room - n, "%c%s", n ? ',' : '{', member[at]);
		memmove(member[at], member[at + 1], (4 - at) * sizeof *member);
	}
	return n + (size_t)snprintf(out + n, room - n, "}");
}

/* A whole record behind one that ends after a key's colon, among lines that are decoded by their keys. */
static void torn_records_among_keys_in_any_order_cost_only_themselves(void **state)
{
	enum { LINES = 3000, ROOM = 512 };
	char *text = malloc(LINES * 2 * ROOM);
	struct columns *c = aligned_alloc(64, sizeof *c);
	uint64_t records = 0, sum = 0, wanted = 0;
	struct memory m = { .p = text };
	struct reader *r;
	int rc;

	(void)state;
	assert_true(text && c);
	for (unsigned i = 1; i <= LINES; i++) {
		if (i % 7 == 3) {
			put_any_order(text + m.n, ROOM, i);
			m.n = (size_t)(strstr(text + m.n + i % 64, "\":") - text) + 2;
		}
		m.n += put_any_order(text + m.n, ROOM, i);
		text[m.n++] = '\n';
		wanted += i;
	}
	assert_int_equal(read_open_stream(&r, "memory", pull, &m, NULL), 0);
	while ((rc = read_columns(r, c, NULL, NULL)) > 0) {
		records += c->n;
		for (size_t row = 0; row < c->n; row++)
			sum += c->sequence_length[row];
	}
	assert_int_equal(rc, 0);
	assert_int_equal(records, LINES);
	assert_int_equal(sum, wanted);
	assert_int_equal(read_input(r)->skipped_lines, LINES / 7 + (LINES % 7 >= 3));
	read_close(r);
	free(text);
	free(c);
}

static void troubles_cost_only_their_lines(void **state)
{
	static const struct {
		const char *text;
		size_t n; /* 0: to the NUL */
		uint64_t records, sum, lines, skipped;
		const char *reasons;
	} cases[] = {
		{ STEP(1) "\n" STEP(2) "\n", 0, 2, 3, 2, 0, "" },
		{ STEP(1) "\n" STEP(2), 0, 2, 3, 2, 0, "" },
		{ STEP(1) "\r\n" STEP(2) "\r\n", 0, 2, 3, 2, 0, "" },
		{ "\xef\xbb\xbf" STEP(1) "\n", 0, 1, 1, 1, 0, "" },
		{ "\n\n" STEP(1) "\n  \n\t\r\n" STEP(2) "\n\n\n", 0, 2, 3, 2, 0, "" },
		{ STEP(1) "\n{\"timestamp\":\"2025-09-11T12:3", 0, 1, 1, 2, 1, "2:damaged or incomplete JSON;" },
		{ STEP(1) "\n\n[1,2]\n\"x\"\n42\n" STEP(2) "\n", 0, 2, 3, 5, 3,
		  "3:not a JSON object;4:not a JSON object;5:not a JSON object;" },
		{ STEP(1) "\n\0\0\0\0\n" STEP(2) "\n", sizeof STEP(1) "\n\0\0\0\0\n" STEP(2) "\n" - 1, 2, 3, 3, 1,
		  "2:not a JSON object;" },
		{ STEP(1) STEP(2) "\n" STEP(4) "\n", 0, 2, 6, 3, 1, "1:damaged or incomplete JSON;" },
		{ "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"performance\":{\"lat" STEP(2) "\n" STEP(4) "\nx\n", 0,
		  2, 6, 4, 2, "1:damaged or incomplete JSON;3:not a JSON object;" },
		{ "{\"time" STEP(2) "\r\n" STEP(4) "{\n", 0, 1, 2, 3, 2,
		  "1:damaged or incomplete JSON;2:damaged or incomplete JSON;" },
		{ "{\"text\":\"{\\\"timestamp\\\":\n" STEP(4) "\n", 0, 1, 4, 2, 1, "1:damaged or incomplete JSON;" },
		{ STEP(1) "\n{}\n{\"event_type\":\"other\"}\n", 0, 1, 1, 3, 2,
		  "2:a JSON object without a known event_type;3:a JSON object without a known event_type;" },
		{ STEP(1) "\n{\"event_type\":\"inference_step\"}\n", 0, 1, 1, 2, 1, "2:no readable timestamp;" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t most = 0; most < 9; most++) {
			size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);
			struct outcome o = read_bytes(cases[i].text, n, most);

			if (o.rc || o.records != cases[i].records || o.sum != cases[i].sum ||
			    o.in.lines != cases[i].lines || o.in.skipped_lines != cases[i].skipped ||
			    strcmp(o.reasons, cases[i].reasons))
				fail_msg("case %zu, %zu at a time: rc %d, %d records, %d lines, %d skipped: %s", i,
					 most, o.rc, (int)o.records, (int)o.in.lines, (int)o.in.skipped_lines,
					 o.reasons);
		}
}

#define QUOTED(n)                                                                                                      \
	"{\\\"timestamp\\\":\\\"2025-09-11T12:34:56.789Z\\\",\\\"event_type\\\":\\\"inference_step\\\","               \
	"\\\"sequence_length\\\":" #n "}"
#define CRI "2025-09-11T12:34:56.789012345Z stdout "
#define CRIERR "2025-09-11T12:34:56.789012345Z stderr "

/* What containers, journals and shells make of a log's lines. */
static void lines_that_others_wrapped_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t records, sum, skipped;
	} cases[] = {
		{ "{\"log\":\"" QUOTED(1) "\\n\",\"stream\":\"stdout\",\"time\":\"2025-09-11T12:34:56Z\"}\n"
					  "{\"log\":\"no record\\n\",\"stream\":\"stderr\",\"time\":\"x\"}\n"
					  "{\"log\":\"{\\\"timestamp\\\":\\\"2025-09-11T12:34:56.789Z\\\",\","
					  "\"stream\":\"stdout\",\"time\":\"x\"}\n"
					  "{\"log\":\"\\\"event_type\\\":\\\"inference_step\\\",\\\"sequence_"
					  "length\\\":2,\\\"text\\\":\\\"\\u72b6\\ud83d\\ude00\\\"}\\n\","
					  "\"stream\":\"stdout\",\"time\":\"x\"}\n",
		  2, 3, 1 },
		{ CRI "F " STEP(1) "\n" CRI "P {\"timestamp\":\"2025-09-11T12:34:56.789Z\",\n" CRI
				   "F \"event_type\":\"inference_step\",\"sequence_length\":2}\n" CRI "F other\n",
		  2, 3, 1 },
		{ "Attaching to rwkv\nrwkv-1  | " STEP(1) "\nrwkv-1  | listening\nrwkv-2  | " STEP(2) "\n", 2, 3, 2 },
		{ "Sep 11 12:34:56 host rwkv[12]: " STEP(1) "\nSep 11 12:34:57 host rwkv[12]: " STEP(2) "\n", 2, 3, 0 },
		{ "{\"__CURSOR\":\"s=1\",\"PRIORITY\":\"6\",\"MESSAGE\":\"" QUOTED(1) "\",\"_PID\":\"1\"}\n"
										      "{\"MESSAGE\" : \"" QUOTED(
											      2) "\"}",
		  2, 3, 0 },
		/* a blank where a piece ends; an end without a byte, with and without its blank; tags */
		{ CRI "P {\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"text\":\"a \n" CRI "P  b\","
		      "\"event_type\":\"inference_step\",\"sequence_length\":1}\n" CRI "F \n" CRI
		      "P:x " STEP(2) "\r\n" CRI "F\n" CRI "F:x " STEP(4) "\n",
		  3, 7, 0 },
		/* pieces of two streams in turn */
		{ CRI "P {\"timestamp\":\"2025-09-11T12:34:56.789Z\",\n" CRIERR "P {\"timestamp\":\n" CRI
		      "P \"event_type\":\"inference_step\",\n" CRIERR "F \"2025-09-11T12:34:56.789Z\","
		      "\"event_type\":\"inference_step\",\"sequence_length\":2}\n" CRIERR "F listening\n" CRI
		      "F \"sequence_length\":1}\n",
		  2, 3, 1 },
		{ "{\"log\":\"{\\\"timestamp\\\":\\\"2025-09-11T12:34:56.789Z\\\",\\\"text\\\":\\\"a "
		  "\",\"stream\":\"stdout\"}\n"
		  "{\"log\":\"no record\\n\",\"stream\":\"stderr\"}\n{\"log\":\"\",\"stream\":\"stdout\"}\n"
		  "{\"log\":\" "
		  "{\\\",\\\"event_type\\\":\\\"inference_step\\\",\\\"sequence_length\\\":3}\",\"stream\":\"stdout\"}"
		  "\n"
		  "{\"log\":\"\\n\",\"stream\":\"stdout\"}\n{\"log\":\"" QUOTED(4) "\",\"stream\":\"stdout\"}\n",
		  2, 7, 1 }, /* the last line's program ended without a line end */
		/* what Docker's driver for the journal makes of a long line, and another container's between */
		{ "{\"MESSAGE\":\"{\\\"timestamp\\\":\\\"2025-09-11T12:34:56.789Z\\\",\",\"CONTAINER_PARTIAL_MESSAGE\":"
		  "\"true\","
		  "\"CONTAINER_PARTIAL_ID\":\"a\"}\n{\"MESSAGE\":\"" QUOTED(
			  1) "\"}\n"
			     "{\"MESSAGE\":\"\\\"event_type\\\":\\\"inference_step\\\",\\\"sequence_length\\\":2}\","
			     "\"CONTAINER_PARTIAL_ID\":\"a\"}\n",
		  2, 3, 0 },
		/* much is said before the first record; colours */
		{ CRI "F a\n" CRI "F b\n" CRI "F c\n" CRI "F d\n" CRI "F e\n" CRI "F f\n" CRI "F g\n" CRI "F h\n" CRI
		      "F i\n" CRI "F j\n" CRI "F k\n" CRI "F l\n" CRI "F m\n" CRI "F n\n" CRI "F o\n" CRI "F p\n" CRI
		      "F q\n" CRI "F " STEP(1) "\n",
		  1, 1, 17 },
		{ "\033[1;32m" STEP(1) "\033[0m\n\033[32m" STEP(2) "\033[m\n", 2, 3, 0 },
		{ STEP(1) "\nx | " STEP(2) "\n", 1, 1, 1 }, /* the first line says what the others are */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t most = 0; most < 9; most++) {
			struct outcome o = read_bytes(cases[i].text, strlen(cases[i].text), most);

			if (o.rc || o.records != cases[i].records || o.sum != cases[i].sum ||
			    o.in.skipped_lines != cases[i].skipped)
				fail_msg("case %zu, %zu at a time: rc %d, %d records, sum %d, %d skipped: %s", i, most,
					 o.rc, (int)o.records, (int)o.sum, (int)o.in.skipped_lines, o.reasons);
		}
}

static void utf16_is_read(void **state)
{
	static const char text[] = STEP(1) "\r\n" STEP(2) "\r\n";
	char wide[2 * sizeof text];

	(void)state;
	for (int big = 0; big < 2; big++)
		for (size_t most = 0; most < 9; most++) {
			struct outcome o;

			memcpy(wide, big ? "\xfe\xff" : "\xff\xfe", 2);
			for (size_t i = 0; i + 1 < sizeof text; i++) {
				wide[2 + 2 * i + (size_t)big] = text[i];
				wide[2 + 2 * i + (size_t)!big] = 0;
			}
			o = read_bytes(wide, 2 * sizeof text, most);
			assert_int_equal(o.rc, 0);
			assert_int_equal(o.sum, 3);
			assert_int_equal(o.in.skipped_lines, 0);
			o = read_bytes(wide, 2 * sizeof text - 9, most); /* cut inside a character */
			assert_int_equal(o.sum, 1);
		}
}

static void overlong_lines_are_skipped_in_bounded_memory(void **state)
{
	size_t long_n = (17 << 20), n = 0;
	char *text = malloc(long_n + 1000);

	(void)state;
	assert_non_null(text);
	n += (size_t)snprintf(text, 1000, "%s\n", STEP(1));
	memset(text + n, 'x', long_n);
	text[n + long_n] = '\n';
	n += long_n + 1;
	n += (size_t)snprintf(text + n, 500, "%s\n%s", STEP(2), STEP(4));
	struct outcome o = read_bytes(text, n, 0);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 7);
	assert_int_equal(o.in.bytes, n);
	assert_string_equal(o.reasons, "2:longer than 16 MiB;");
	o = read_bytes(text + strlen(STEP(1)) + 1, long_n, 100000); /* torn as well, and the only line */
	assert_int_equal(o.rc, -ERR_FORMAT);
	assert_string_equal(o.reasons, "1:longer than 16 MiB;");
	/* As long as is allowed: a record. */
	memset(text, ' ', READ_LINE_MAX);
	memcpy(text, STEP(9), strlen(STEP(9)));
	text[READ_LINE_MAX] = '\n';
	o = read_bytes(text, READ_LINE_MAX + 1, 0);
	assert_int_equal(o.sum, 9);
	free(text);
}

static void garbage_between_records_is_counted(void **state)
{
	struct buf b = { 0 };
	uint32_t x = 12345;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		if (i % 2)
			buf_str(&b, STEP(1));
		for (int k = 0; !(i % 2) && k < 300; k++) {
			x = x * 1664525 + 1013904223;
			buf_char(&b, (char)(x >> 24 == '\n' ? 'x' : x >> 24));
		}
		buf_char(&b, '\n');
	}
	struct outcome o = read_bytes(b.p, b.used, 0);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.records, 1500);
	assert_int_equal(o.in.skipped_lines, 1500);
	assert_int_equal(o.in.n_skipped, INPUT_SKIPPED_MAX);
	buf_free(&b);
}

static void what_is_no_log_says_so(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "memory: is empty" },
		{ "\n \n", "memory: holds blank lines only" },
		{ "hello\nworld\n", "memory: no log: none of its lines (2) is a record (line 1: not a JSON object)" },
		{ "\xfd"
		  "7zXZ and more",
		  "memory: compressed with xz, which is not read directly" },
		{ "BZh91AY", "memory: compressed with bzip2, which is not read directly" },
		{ "[{\"event_type\":\"inference_step\"},{}]", "memory: is one JSON array, not one record per line" },
		{ "\xef\xbb\xbf[\n  {\n", "memory: is one JSON array, not one record per line" },
		{ "{\n  \"event_type\": \"inference_step\"\n}\n", "memory: its JSON objects are not one per line" },
		{ "{\"a\":1,\n\"b\":2}\n", "memory: its JSON objects are not one per line" },
		{ "{\"a\":1}{\"a\":2}", "memory: its JSON objects are not one per line" },
		{ "{\"a\":1}\r{\"a\":2}\r", "memory: its lines end with CR alone, not with LF" },
		{ "PK\3\4 and more", "memory: is a zip archive" },
		{ "\x1f\x8b\x08 more",
		  "memory: no log: none of its lines (1) is a record (line 0: damaged gzip data: what "
		  "follows is lost)" },
		{ "\x28\xb5\x2f\xfd",
		  "memory: no log: none of its lines (1) is a record (line 0: compressed data end too early)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t most = 0; most < 3; most++) {
			struct outcome o = read_bytes(cases[i].text, strlen(cases[i].text), most);

			assert_true(o.rc < 0);
			assert_string_equal(o.err.text, cases[i].error);
			assert_true(o.err.hint[0]);
			assert_int_equal(err_exit_code(o.err.code), 3);
		}
}

/* One gzip member or zstd frame with these lines, as text. */
static size_t pack(bool gzip, const char *text, char *out, size_t cap)
{
	z_stream z = { 0 };

	if (!gzip) {
		ZSTD_CCtx *c = ZSTD_createCCtx();
		size_t n;

		ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
		n = ZSTD_compress2(c, out, cap, text, strlen(text));
		ZSTD_freeCCtx(c);
		return n;
	}
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text;
	z.avail_in = (unsigned)strlen(text);
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return cap - z.avail_out;
}

static void compressed_logs_read_like_plain_ones(void **state)
{
	static const char first[] = STEP(1) "\n" STEP(2) "\n" STEP(4), second[] = "\nbroken\n" STEP(8) "\n";

	(void)state;
	for (int gzip = 0; gzip < 2; gzip++)
		for (size_t most = 0; most < 9; most++) {
			char text[2000];
			size_t n = pack(gzip, first, text, sizeof text),
			       m = pack(gzip, second, text + n, sizeof text - n);
			struct outcome o = read_bytes(text, n + m, most);

			assert_int_equal(o.rc, 0);
			assert_int_equal(o.sum, 15);
			assert_int_equal(o.in.bytes, strlen(first) + strlen(second));
			assert_string_equal(o.reasons, "4:not a JSON object;");
		}
}

/* What a follower reads of a file that grows by `step` bytes at a time; with `ends`, it awaits no more
 * after the last of them. */
static struct outcome read_growing(const char *bytes, size_t n, size_t step, bool ends)
{
	FILE *file = tmpfile();
	struct read_place at = { 0 };
	struct outcome sum = { 0 };

	assert_non_null(file);
	setbuf(file, NULL);
	for (size_t have = 0; have < n; have += step) {
		struct outcome o = { 0 };
		struct reader *r;
		struct record rec;

		assert_int_equal(lseek(fileno(file), (off_t)have, SEEK_SET), have);
		assert_int_equal(fwrite(bytes + have, 1, n - have < step ? n - have : step, file),
				 n - have < step ? n - have : step);
		assert_int_equal(read_open_at(&r, "growing", fileno(file), &at, 0, &o.err), 0);
		if (ends && n - have <= step)
			read_await_no_more(r);
		while ((o.rc = read_next(r, &rec, &o.err)) > 0) {
			sum.records++;
			sum.sum += rec.sequence_length;
		}
		assert_int_equal(o.rc, 0);
		assert_true(read_may_pause(r));
		at = read_place(r);
		assert_true(at.at <= (off_t)n && at.at_text <= at.text);
		read_close(r);
	}
	fclose(file);
	return sum;
}

/* One zstd frame for the mark of UTF-16, and one for each line behind it. */
static size_t pack_utf16(char *out, size_t cap)
{
	static const char *const lines[] = { STEP(1) "\r\n", STEP(2) "\n", STEP(4) "\n", STEP(8) "\n" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char wide[1000];
		size_t bytes = i ? 0 : (size_t)snprintf(wide, sizeof wide, "\xff\xfe");

		for (const char *p = lines[i]; *p; p++) {
			wide[bytes++] = *p;
			wide[bytes++] = 0;
		}
		n += ZSTD_compress(out + n, cap - n, wide, bytes, 3);
	}
	return n;
}

/* However a file comes, each of its lines is read once: a frame that is not whole yet, one that ends inside a line, an
 * encoding that only the file's first bytes tell, pieces between which other lines come. */
static void growing_files_are_read_line_by_line(void **state)
{
	static const char wrapped[] = CRI "P {\"timestamp\":\"2025-09-11T12:34:56.789Z\",\n" CRIERR "F " STEP(
		2) "\n" CRI "F \"event_type\":\"inference_step\",\"sequence_length\":1}\n" CRI "F " STEP(4) "\n";
	static const char first[] = STEP(1) "\n" STEP(2) "\n{\"timestamp\":\"2025-09-11T12:34:56.789Z\",",
			  second[] = "\"event_type\":\"inference_step\",\"sequence_length\":4}\n",
			  third[] = STEP(8) "\n";
	char bytes[4000];

	(void)state;
	for (int form = 0; form < 5; form++)
		for (size_t step = 1; step < 700; step += 1 + step / 8) {
			size_t n = sizeof wrapped - 1;
			struct outcome o;

			memcpy(bytes, wrapped, n);
			if (form == 1) {
				n = (size_t)snprintf(bytes, sizeof bytes, "\xff\xfe");
				for (const char *p = STEP(1) "\r\n" STEP(2) "\n" STEP(4) "\n"; *p; p++) {
					bytes[n++] = *p;
					bytes[n++] = 0;
				}
			} else if (form == 4) {
				n = pack_utf16(bytes, sizeof bytes);
			} else if (form > 1) {
				n = pack(form == 2, first, bytes, sizeof bytes);
				n += pack(form == 2, second, bytes + n, sizeof bytes - n);
				n += pack(form == 2, third, bytes + n, sizeof bytes - n);
			}
			o = read_growing(bytes, n, step, false);
			if (o.sum != (form > 1 ? 15U : 7U) || o.records != (form > 1 ? 4U : 3U))
				fail_msg("form %d, %zu at a time: %d records, sum %d", form, step, (int)o.records,
					 (int)o.sum);
		}
}

/* A stream's last words without their line end, then another stream's lines: these wait for a while, not for ever. */
static void a_piece_that_never_ends_holds_little_back(void **state)
{
	static const char killed[] = CRIERR "P Killed\n", line[] = CRI "F " STEP(1) "\n";
	const size_t bytes = strlen(STEP(1) "\n"), most = RETEXT_BETWEEN_MAX / bytes;
	struct buf log = { 0 };

	(void)state;
	buf_add(&log, killed, sizeof killed - 1);
	for (size_t n = 1; n < 2 * most; n++) {
		buf_add(&log, line, sizeof line - 1);
		if (n > 3 && (n < most - 1 || n > most + 2) && n % 100)
			continue;
		assert_int_equal(read_growing(log.p, log.used, 10000, false).records, n > most ? n : 0);
		assert_int_equal(read_growing(log.p, log.used, 10000, true).records, n);
	}
	buf_free(&log);
}

/* However it is cut or damaged: the whole records before stay, nothing is made up, and it is told. */
static void damaged_compression_costs_what_it_hits(void **state)
{
	static const char first[] = STEP(1) "\n" STEP(2) "\n", second[] = STEP(4) "\n" STEP(8) "\n";

	(void)state;
	for (int gzip = 0; gzip < 2; gzip++) {
		char text[2000], damaged[2000];
		size_t n = pack(gzip, first, text, sizeof text), m = pack(gzip, second, text + n, sizeof text - n);

		for (size_t cut = n + 1; cut < n + m; cut++) {
			struct outcome o = read_bytes(text, cut, cut % 5);

			assert_int_equal(o.rc, 0);
			assert_true((o.sum & 3) == 3 && o.sum <= 15);
			assert_true(o.in.skipped_lines || o.sum == 15);
		}
		for (size_t at = 0; at < n + m; at++) {
			struct outcome o;

			memcpy(damaged, text, n + m);
			damaged[at] ^= 0x55;
			o = read_bytes(damaged, n + m, at % 5);
			assert_true(o.sum <= 15 || o.in.skipped_lines);
			if (!gzip && at >= 4 && at < n) /* the frame behind the damage */
				if ((o.sum & 12) != 12)
					fail_msg("byte %zu of %zu, %zu: sum %d, %s", at, n, n + m, (int)o.sum,
						 o.reasons);
		}
	}
}

/* What a power cut leaves: a frame, zeros (or rubbish), a frame; the second one is there, however long the hole. */
static void a_hole_between_frames_costs_itself_alone(void **state)
{
	static const size_t around[] = { 0, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20 };
	static const size_t offsets[] = { 1, 2, 3, 4, 5, 100, 37777 };
	char frame[2][300];
	size_t n = pack(false, STEP(1) "\n", frame[0], sizeof frame[0]), n2;
	char *text = malloc((2 << 20) + 1000);

	(void)state;
	assert_non_null(text);
	n2 = pack(false, STEP(2) "\n", frame[1], sizeof frame[1]);
	for (size_t i = 0; i < sizeof around / sizeof *around; i++)
		for (size_t k = 0; k < 2 * sizeof offsets / sizeof *offsets; k++)
			for (int filled = 0; filled < 2; filled++) {
				size_t more = offsets[k / 2], hole = k % 2              ? around[i] + more
								     : around[i] > more ? around[i] - more
											: more;
				struct outcome o;

				memcpy(text, frame[0], n);
				memset(text + n, filled ? 'x' : 0, hole);
				memcpy(text + n + hole, frame[1], n2);
				o = read_bytes(text, n + hole + n2, 0);
				if (o.rc || o.sum != 3 || !o.in.skipped_lines)
					fail_msg("hole of %zu bytes: rc %d, sum %d, %d skipped", hole, o.rc, (int)o.sum,
						 (int)o.in.skipped_lines);
			}
	free(text);
}

static void a_failing_read_is_an_error(void **state)
{
	struct memory m = { .p = STEP(1) "\n", .n = strlen(STEP(1)) + 1, .fail_with = EIO };
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	assert_int_equal(read_open_stream(&r, "disk.log", pull, &m, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.records, 1);
	assert_int_equal(o.rc, -ERR_READ);
	assert_string_equal(o.err.text, "disk.log: cannot be read: Input/output error");
}

/* --- files ------------------------------------------------------------------------ */

static char dir[] = "/tmp/rwkvmon-read-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][200];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static int make_files(void **state)
{
	static const char *const names[] = { "b.log", "a.jsonl", "c.txt", ".hidden.log" };

	(void)state;
	if (!mkdtemp(dir) || mkdir(in_dir("empty"), 0755) || mkdir(in_dir("sub.log"), 0755))
		return -1;
	for (size_t i = 0; i < 4; i++)
		if (file_write(in_dir(names[i]),
			       slice_of(i == 1 ? STEP(1)
					: i    ? STEP(2) "\nbroken\n"
					       : STEP(2) "\nwrong\n"),
			       NULL))
			return -1;
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = { "b.log", "a.jsonl", "c.txt", ".hidden.log", "closed.log" };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		unlink(in_dir(names[i]));
	rmdir(in_dir("empty"));
	rmdir(in_dir("sub.log"));
	return rmdir(dir);
}

static uint64_t progress_total, progress_done;

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	progress_done = done;
	progress_total = total;
}

static void directories_and_patterns_name_their_logs(void **state)
{
	const char *inputs[] = { dir, in_dir("*.txt"), in_dir("b.log") };
	struct read_options opts = { .progress = note_progress };
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	assert_int_equal(read_open(&r, inputs, 3, &opts, &o.err), 0);
	assert_int_equal(read_input(r)->n_files, 3); /* b.log once, although it is named twice */
	assert_string_equal(read_input(r)->files[0], in_dir("a.jsonl"));
	assert_string_equal(read_input(r)->files[1], in_dir("b.log"));
	assert_string_equal(read_input(r)->files[2], in_dir("c.txt"));
	assert_int_equal(read_input(r)->n_skipped, 1);
	assert_string_equal(read_input(r)->skipped[0].reason, skipped_specs[SKIPPED_FILE_TWICE].text[LANG_EN]);
	drain(r, &o);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 5);
	assert_string_equal(o.reasons,
			    "0:the same file as one before: counted once;2:not a JSON object;2:not a JSON object;");
	assert_true(progress_done == progress_total && progress_done == o.in.bytes);
}

/* What happens to the followed file, one thing each time the reader asks whether to stop. */
static const char *const happenings[] = {
	"",
	"+" STEP(1) "\n",
	"",
	"+" STEP(2),
	"+\n" STEP(4),       /* a line in two pieces, the next cut off */
	"r+\n" STEP(8) "\n", /* its rest comes after the rename */
	"c+" STEP(16) "\n",
	"",
	"d",
	"c+" STEP(32) "\n", /* new file; deleted; new again */
	"t",
	"",
	"+" STEP(64) "\n", /* truncated in place */
	"t+" STEP(128) "\n" STEP(256) "\n",
	"",                 /* truncated, and larger than before when it is looked at again */
	"+" STEP(512) "\n", /* between the last look and the order to stop */
};

static void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static bool next_happening(void *ctx)
{
	size_t *at = ctx;
	const size_t n = sizeof happenings / sizeof *happenings;
	const char *what = *at < n ? happenings[*at] : "", *path = in_dir("grows.log"), *writes = path;

	if (*at == n)
		return true;
	if (*what == 'r') {
		writes = in_dir("grows.log.old");
		assert_int_equal(rename(path, writes), 0);
	}
	if (*what == 'd')
		assert_int_equal(unlink(path), 0);
	if (*what == 't')
		assert_int_equal(truncate(path, 0), 0);
	if (strchr(what, '+'))
		append(writes, strchr(what, '+') + 1);
	return ++*at == n;
}

static void a_growing_file_is_followed_through_rotation(void **state)
{
	const char *path = in_dir("grows.log");
	size_t at = 0;
	struct read_options opts = { .stop = next_happening, .stop_ctx = &at };
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	append(path, "");
	assert_int_equal(read_open(&r, &path, 1, &opts, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 1023);
	assert_int_equal(o.in.skipped_lines, 0);
	unlink(in_dir("grows.log"));
	unlink(in_dir("grows.log.old"));
}

static void rotated_files_are_read_in_time_order(void **state)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{ "app.log", "{\"timestamp\":\"2025-09-11T12:30:00Z\",\"event_type\":\"inference_step\"}\n" },
		{ "app.log.1", "{\"timestamp\":\"2025-09-11T12:20:00Z\",\"event_type\":\"inference_step\"}\n" },
		{ "app.log.10",
		  "no record\n{\"timestamp\":\"2025-09-11T12:00:00Z\",\"event_type\":\"inference_step\"}\n" },
		{ "app.log-20250911.gz", "" },
		{ "app.log.bak", "{}\n" }, /* left out, and said so */
	};
	char packed[300];
	const char *path = in_dir("rotated");
	struct outcome o = { 0 };
	struct record rec;
	struct reader *r;
	int64_t before = 0;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < 5; i++) {
		char name[300];
		struct slice text = slice_of(files[i].text);

		snprintf(name, sizeof name, "%s/%s", in_dir("rotated"), files[i].name);
		if (i == 3)
			text = (struct slice){ packed, pack(true,
							    "{\"timestamp\":\"2025-09-11T12:10:00Z\",\"event_type\":"
							    "\"inference_step\"}\n",
							    packed, sizeof packed) };
		assert_int_equal(file_write(name, text, NULL), 0);
	}
	path = in_dir("rotated");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), 0);
	assert_int_equal(read_input(r)->n_files, 4);
	assert_int_equal(read_input(r)->skipped_lines, 1);
	assert_non_null(strstr(read_input(r)->skipped[0].file, "app.log.bak"));
	assert_non_null(strstr(read_input(r)->skipped[0].reason, "name is not that of a log"));
	while (read_next(r, &rec, &o.err) > 0) {
		assert_true(rec.time_us > before);
		before = rec.time_us;
		o.records++;
	}
	assert_int_equal(o.records, 4);
	read_close(r);
	for (size_t i = 0; i < 5; i++) {
		char name[300];

		snprintf(name, sizeof name, "%s/%s", in_dir("rotated"), files[i].name);
		unlink(name);
	}
	assert_int_equal(rmdir(in_dir("rotated")), 0);
}

enum { PART = 256 << 10 };

/* A line of so many bytes, its end included: a step if it is long enough for one, else blanks, or no log. */
static void put_line(struct buf *b, size_t bytes, unsigned kind)
{
	static const char begin[] = "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":"
				    "\"inference_step\",\"sequence_length\":7,\"text\":\"";
	static const char end[] = "\"}\n";
	size_t least = strlen(begin) + strlen(end);

	if (bytes >= least && kind)
		buf_add(b, begin, strlen(begin));
	for (size_t n = bytes >= least && kind ? bytes - least : bytes - 1; n; n--)
		buf_char(b, bytes < least ? ' ' : 'x');
	buf_add(b, bytes >= least && kind ? end : "\n", bytes >= least && kind ? strlen(end) : 1);
}

static void same_from_a_file(const struct buf *text)
{
	const char *path = in_dir("parts.log");
	struct outcome stream = read_bytes(text->p, text->used, 0), file = { 0 };
	struct reader *r;

	assert_int_equal(file_write(path, (struct slice){ text->p, text->used }, NULL), 0);
	assert_int_equal(read_open(&r, &path, 1, NULL, &file.err), 0);
	drain(r, &file);
	assert_int_equal(file.rc, stream.rc);
	assert_int_equal(file.records, stream.records);
	assert_int_equal(file.sum, stream.sum);
	assert_int_equal(file.in.bytes, text->used);
	assert_int_equal(file.in.lines, stream.in.lines);
	assert_int_equal(file.in.skipped_lines, stream.in.skipped_lines);
	assert_string_equal(file.reasons, stream.reasons);
	unlink(path);
}

/* Lines of any length, some ending at a part's last byte or beside it; the last has perhaps no end. */
static void parts_of_a_file_hold_every_line_once(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct buf text = { 0 };

		while (text.used < 5 * PART) {
			size_t to_end = PART - text.used % PART, bytes;

			seed = seed * 1103515245 + 12345;
			bytes = 1 + (seed >> 16) % (round % 4 == 3 ? 3 * PART : 2000);
			if (bytes + 2 > to_end && round % 4 < 3)
				bytes = to_end - 1 + (seed >> 8) % 3;
			put_line(&text, bytes ? bytes : 1, (seed >> 4) % 16);
		}
		text.used -= round % 2 ? 1u : 0u; /* perhaps without the last line's end */
		assert_false(text.failed);
		same_from_a_file(&text);
		buf_free(&text);
	}
}

static void overlong_lines_in_parts_are_skipped(void **state)
{
	(void)state;
	for (int at_end = 0; at_end < 3; at_end++) {
		struct buf text = { 0 };

		for (size_t n = 0; n < 3000; n++)
			put_line(&text, 200, 1);
		put_line(&text, READ_LINE_MAX + 2u + (at_end == 2 ? 3u * PART : 0), 1);
		for (size_t n = 0; at_end != 1 && n < 3000; n++)
			put_line(&text, 200, n != 5);
		text.used -= at_end == 1;
		assert_false(text.failed);
		same_from_a_file(&text);
		buf_free(&text);
	}
}

static void a_part_that_cannot_be_read_is_an_error(void **state)
{
	const char *path = in_dir("unreadable.log");
	struct part part = { .from = 5, .n = 10 };
	struct part_lines lines;
	struct err err;
	char *memory = NULL;
	size_t cap = 0;

	(void)state;
	part.file = part_file_open(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_non_null(part.file);
	assert_int_equal(part_read(&part, &memory, &cap, &lines, path, &err), -ERR_READ);
	assert_non_null(strstr(err.text, path));
	part_file_release(part_file_keep(part.file));
	part_file_release(part.file);
	free(memory);
	unlink(path);
}

static void a_file_that_becomes_shorter_says_so(void **state)
{
	const char *path = in_dir("shorter.log");
	struct buf text = { 0 };
	struct outcome o = { 0 };
	struct record rec;
	struct reader *r;

	(void)state;
	while (text.used < 8 * PART)
		put_line(&text, 500, 1);
	for (int left = 0; left < 2; left++) {
		assert_int_equal(file_write(path, (struct slice){ text.p, text.used }, NULL), 0);
		assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), 0);
		assert_int_equal(read_next(r, &rec, &o.err), 1); /* the first block is there */
		assert_int_equal(truncate(path, left * (3 * PART + 250)), 0);
		memset(&o, 0, sizeof o);
		drain(r, &o);
		assert_int_equal(o.rc, 0);
		assert_in_range(o.records, 500, left ? 1700 : 600);
		assert_non_null(strstr(o.reasons, "became shorter while it was read"));
		assert_in_range(o.in.skipped_lines, 1, 2); /* a torn line, perhaps, too */
	}
	buf_free(&text);
	unlink(path);
}

/* Named, by a link and as a copy: its steps count once, and the reader says of each other name why. */
static void a_log_named_again_or_copied_counts_once(void **state)
{
	const char *name[4] = { in_dir("once.txt"), in_dir("link.txt"), in_dir("copy.txt"), in_dir("longer.txt") };
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	assert_int_equal(file_write(name[0], slice_of(STEP(1) "\n"), NULL), 0);
	assert_int_equal(symlink("once.txt", name[1]), 0);
	assert_int_equal(file_write(name[2], slice_of(STEP(1) "\n"), NULL), 0);
	assert_int_equal(file_write(name[3], slice_of(STEP(1) "\n" STEP(4) "\n"), NULL), 0);
	assert_int_equal(read_open(&r, name, 4, NULL, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.sum, 1 + 4); /* the longer one begins with all that the first has */
	assert_int_equal(o.in.n_skipped, 3);
	assert_string_equal(o.in.skipped[0].reason, skipped_specs[SKIPPED_FILE_TWICE].text[LANG_EN]);
	assert_string_equal(o.in.skipped[1].reason, skipped_specs[SKIPPED_FILE_COPY].text[LANG_EN]);
	assert_string_equal(o.in.skipped[2].reason, skipped_specs[SKIPPED_FILE_COPY].text[LANG_EN]);
	for (int i = 0; i < 4; i++)
		unlink(name[i]);
}

/* Lines `from` to `to` of one session, longer than what copies are looked for by. */
static void put_session(struct buf *out, int from, int to)
{
	for (int i = from; i < to; i++)
		buf_printf(out,
			   "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"rwkv-sess-8f4e2d\",\"event_"
			   "type\":"
			   "\"inference_step\",\"sequence_length\":%d,\"record\":%d}\n",
			   i, i);
}

/* A log's other forms are the same log, and its beginning is: counted once, whichever comes first; what goes on in
 * another file is read. */
static void a_log_and_its_copy_in_another_form_count_once(void **state)
{
	enum { LINES = 500, TEXT_MAX = 1 << 20 };
	enum { FIRST, SECOND, BEHIND, NONE };
	static const struct {
		int from, to; /* lines of the second file, */
		char form;    /* plain, gzip or zstd, */
		size_t cut;   /* and its last bytes that are missing */
		int sum_to;   /* the lines that count */
		int left_out; /* which of both is: the one that is named behind, the first, the second or none */
	} second[] = {
		{ 0, LINES, 'g', 0, LINES, BEHIND },           /* a copy */
		{ 0, LINES, 'z', 0, LINES, BEHIND },           /* … */
		{ 0, LINES / 2, 'g', 0, LINES, SECOND },       /* that was made earlier */
		{ 0, 2 * LINES, 'z', 0, 2 * LINES, FIRST },    /* that is longer */
		{ 0, LINES, 'g', 100, LINES, SECOND },         /* that is being made */
		{ 0, LINES, 'p', 1000, LINES, SECOND },        /* … plain */
		{ LINES, 2 * LINES, 'g', 0, 2 * LINES, NONE }, /* the session's rest */
	};
	static char packed[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof second / sizeof *second; i++)
		for (int turned = 0; turned < 2; turned++) {
			const char *name[2] = { in_dir("form.log"), in_dir("form.log.1") };
			const char *both[2] = { name[turned], name[!turned] };
			struct buf text = { 0 };
			struct outcome o = { 0 };
			struct reader *r;
			size_t n;

			put_session(&text, 0, LINES);
			assert_int_equal(file_write(name[0], buf_slice(&text), NULL), 0);
			buf_clear(&text);
			put_session(&text, second[i].from, second[i].to);
			buf_char(&text, '\0');
			n = second[i].form == 'p' ? text.used - 1
						  : pack(second[i].form == 'g', text.p, packed, TEXT_MAX);
			if (second[i].form == 'p')
				memcpy(packed, text.p, n);
			assert_int_equal(file_write(name[1], (struct slice){ packed, n - second[i].cut }, NULL), 0);
			assert_int_equal(read_open(&r, both, 2, NULL, &o.err), 0);
			drain(r, &o);
			assert_int_equal(o.rc, 0);
			assert_int_equal(o.sum, second[i].sum_to * (second[i].sum_to - 1) / 2);
			assert_int_equal(o.in.skipped_lines, second[i].left_out != NONE);
			if (second[i].left_out != NONE) {
				assert_string_equal(o.skipped[0],
						    second[i].left_out == BEHIND ? both[1] : name[second[i].left_out]);
				assert_string_equal(o.in.skipped[0].reason,
						    skipped_specs[SKIPPED_FILE_COPY].text[LANG_EN]);
			}
			unlink(name[0]);
			unlink(name[1]);
			buf_free(&text);
		}
}

/* Folders in a directory are not read, and those that hold logs are named, at any depth. */
static void folders_with_logs_are_named(void **state)
{
	static const char *const folders[] = {
		"deep", "deep/empty", "deep/a", "deep/a/b", "deep/a/b/c", "deep/.hidden"
	};
	static const char *const logs[] = { "deep/a/x.log", "deep/a/b/c/y.log.gz", "deep/.hidden/z.log",
					    "deep/own.log" };
	enum { FOLDERS = sizeof folders / sizeof *folders, LOGS = sizeof logs / sizeof *logs };
	const char *path = in_dir("deep");
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	for (int i = 0; i < FOLDERS; i++)
		assert_int_equal(mkdir(in_dir(folders[i]), 0755), 0);
	for (int i = 0; i < LOGS; i++)
		assert_int_equal(file_write(in_dir(logs[i]), slice_of(STEP(1) "\n"), NULL), 0);
	assert_int_equal(symlink(".", in_dir("deep/round")), 0);
	assert_int_equal(symlink("../..", in_dir("deep/a/up")), 0);
	path = in_dir("deep");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.sum, 1);
	assert_int_equal(o.in.skipped_lines, 2);
	assert_string_equal(strrchr(o.skipped[0], '/'), "/a");
	assert_string_equal(strrchr(o.skipped[1], '/'), "/c");
	assert_string_equal(o.in.skipped[1].reason, skipped_specs[SKIPPED_FOLDER].text[LANG_EN]);
	unlink(in_dir(logs[LOGS - 1]));
	path = in_dir("deep");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), -ERR_OPEN);
	assert_non_null(strstr(o.err.text, "no *.log"));
	assert_non_null(strstr(o.err.hint, "deep/a: a folder with logs in it"));
	path = in_dir("dee*");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), -ERR_OPEN);
	assert_non_null(strstr(o.err.hint, "deep/a: a folder with logs in it"));
	unlink(in_dir("deep/round"));
	unlink(in_dir("deep/a/up"));
	for (int i = 0; i < LOGS - 1; i++)
		unlink(in_dir(logs[i]));
	for (int i = FOLDERS; i-- > 0;)
		assert_int_equal(rmdir(in_dir(folders[i])), 0);
}

/* Files and the directory that holds them: what comes again is counted once and is no error. */
static void what_was_read_already_is_no_error(void **state)
{
	const char *twice[] = { in_dir("b.log"), in_dir("a.jsonl"), dir }, *pipes[2];
	struct outcome o = { 0 };
	struct sources found;
	struct reader *r;

	(void)state;
	assert_int_equal(read_open(&r, twice, 3, NULL, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.sum, 3);
	pipes[0] = pipes[1] = in_dir("pipe");
	assert_int_equal(mkfifo(pipes[0], 0600), 0);
	assert_int_equal(sources_find(&found, pipes, 2, SOURCES_HOLD, &o.err), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.left_out[0].reason, skipped_specs[SKIPPED_FILE_TWICE].text[LANG_EN]);
	sources_free(&found);
	unlink(pipes[0]);
}

/* Copies are found among any number of files, and a directory that holds nothing else is no error either. */
static void copies_are_found_among_many_files(void **state)
{
	enum { FILES = 150 };
	char path[FILES + 1][300], copies[200], text[100];
	const char *name[FILES + 1];
	struct sources found;
	struct err err;

	(void)state;
	snprintf(copies, sizeof copies, "%s", in_dir("copies"));
	assert_int_equal(mkdir(copies, 0755), 0);
	for (int i = 0; i <= FILES; i++) {
		snprintf(path[i], sizeof path[i], i == FILES ? "%s/%d.log" : "%s/%d.txt", copies, i);
		snprintf(text, sizeof text, "{\"n\":%04d}\n", i == FILES ? FILES - 1 : i);
		assert_int_equal(file_write(path[i], slice_of(text), NULL), 0);
		name[i] = path[i];
	}
	name[FILES] = copies;
	assert_int_equal(sources_find(&found, name, FILES + 1, SOURCES_HOLD, &err), 0);
	assert_int_equal(found.n, FILES);
	assert_int_equal(found.n_again, 1);
	sources_free(&found);
	for (int i = 0; i <= FILES; i++)
		unlink(path[i]);
	rmdir(copies);
}

/* A directory of odd entries: each costs itself alone, by name. */
static void bad_entries_of_a_directory_cost_themselves_alone(void **state)
{
	static const char *const names[] = { "good.log", "again.log",  "hard.log",   "gone.log",   "loop.log",
					     "pipe.log", "socket.log", "packed.log", "folder.log", "more.log" };
	const char *path;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[10][100];
	struct outcome o = { 0 };
	struct reader *r;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(mkdir(in_dir("odd"), 0755), 0);
	for (int i = 0; i < 10; i++)
		snprintf(name[i], sizeof name[i], "%s/odd/%s", dir, names[i]);
	assert_int_equal(file_write(name[0], slice_of(STEP(1) "\n"), NULL), 0);
	assert_int_equal(symlink("good.log", name[1]), 0);
	assert_int_equal(link(name[0], name[2]), 0);
	assert_int_equal(symlink("/nonexistent/x.log", name[3]), 0);
	assert_int_equal(symlink("loop.log", name[4]), 0);
	assert_int_equal(mkfifo(name[5], 0644), 0);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", name[6]);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(file_write(name[7],
				    slice_of("\xfd"
					     "7zXZ...."),
				    NULL),
			 0);
	assert_int_equal(mkdir(name[8], 0755), 0);
	assert_int_equal(file_write(name[9], slice_of(STEP(2) "\n"), NULL), 0);
	path = in_dir("odd");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 3); /* each file once, whatever its names */
	assert_int_equal(o.in.skipped_lines, 5);
	assert_non_null(strstr(o.reasons, "0:the file does not exist (any more), or is a dangling link;"));
	assert_non_null(strstr(o.reasons, "0:a pipe, a socket or a device, not a file;"));
	assert_non_null(strstr(o.reasons, "0:compressed in a format that rwkvmon cannot read;"));
	unlink(name[0]); /* what is left is bad, every one */
	unlink(name[2]);
	unlink(name[9]);
	unlink(name[7]);
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), -ERR_OPEN);
	assert_non_null(strstr(o.err.text, "none of its logs can be read"));
	assert_non_null(strstr(o.err.hint, "again.log"));
	close(s);
	for (int i = 0; i < 10; i++)
		unlink(name[i]);
	rmdir(name[8]);
	assert_int_equal(rmdir(path), 0);
}

/* Files are open from the moment they are found: what happens to their names later takes nothing away. */
static void files_that_move_after_they_were_found_are_read(void **state)
{
	const char *path, *names[] = { "moves.log", "goes.log" };
	char from[2][100], to[100];
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	assert_int_equal(mkdir(in_dir("moving"), 0755), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(from[i], sizeof from[i], "%s/moving/%s", dir, names[i]);
		assert_int_equal(file_write(from[i], slice_of(i ? STEP(2) "\n" : STEP(1) "\n"), NULL), 0);
	}
	snprintf(to, sizeof to, "%s/moving/moves.log.1", dir);
	path = in_dir("moving");
	assert_int_equal(read_open(&r, &path, 1, NULL, &o.err), 0);
	assert_int_equal(rename(from[0], to), 0);
	assert_int_equal(file_write(from[0], slice_of(STEP(4) "\n"), NULL), 0); /* came later */
	assert_int_equal(unlink(from[1]), 0);
	drain(r, &o);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 3);
	unlink(from[0]);
	unlink(to);
	assert_int_equal(rmdir(in_dir("moving")), 0);
}

static void rotated_names_of_every_kind_are_taken(void **state)
{
	static const char *const logs[] = { "run.log",
					    "run.jsonl",
					    "run.ndjson",
					    "run.log.1",
					    "run.log-20250911",
					    "run.log.2025-09-11",
					    "run.log.2025-09-11_12-30",
					    "run.log-20250911-1234567890",
					    "run.log.2025-09-11T12:30:00Z",
					    "run.20250911T123456.789Z.log",
					    "run.log_3",
					    "run.log.old",
					    "run.log.1.gz",
					    "run.log.12.zst",
					    "run.log.2025-09-11.xz" };
	static const char *const others[] = { ".run.log",   "run.txt",  "run.log.bak", "run.log.", "runlog",
					      "run.log.py", "run.json", "run.log1",    "log",      ".log" };

	(void)state;
	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
		if (!source_is_log(logs[i]))
			fail_msg("%s is a log", logs[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (source_is_log(others[i]))
			fail_msg("%s is no log", others[i]);
}

static bool at_once(void *ctx)
{
	return ++*(int *)ctx > 3;
}

/* Who follows a log until he is told to stop gets what waited for the rest of a line, too. */
static void what_waits_behind_a_piece_comes_at_the_end(void **state)
{
	const char *path = in_dir("pieces");
	int asked = 0;
	const struct read_options opts = { .stop = at_once, .stop_ctx = &asked };
	struct outcome o = { 0 };
	struct reader *r;

	(void)state;
	assert_int_equal(
		file_write(path, slice_of(CRIERR "P Killed\n" CRI "F " STEP(1) "\n" CRI "F " STEP(2) "\n"), NULL), 0);
	assert_int_equal(read_open(&r, &path, 1, &opts, &o.err), 0);
	drain(r, &o);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.sum, 3);
	assert_int_equal(unlink(path), 0);
}

/* A pipe to which nobody writes, a device: said, not waited for. */
static void a_pipe_without_a_writer_and_a_device_are_refused(void **state)
{
	const char *path = in_dir("pipe.log"), *device = "/dev/zero";
	int asked = 0, to;
	struct read_options opts = { .stop = at_once, .stop_ctx = &asked };
	struct outcome o = { 0 };
	struct buf text = { 0 };
	struct file_map map;
	struct record rec;
	struct reader *r;

	(void)state;
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(file_read(&text, path, 100, &o.err), -ERR_READ);
	assert_non_null(strstr(o.err.text, "nobody writes"));
	assert_int_equal(file_map(&map, path, &o.err), -ERR_READ);
	assert_int_equal(file_read(&text, device, 100, &o.err), -ERR_READ);
	assert_int_equal(read_open(&r, &device, 1, NULL, &o.err), 0);
	assert_int_equal(read_next(r, &rec, &o.err), -ERR_READ);
	read_close(r);
	assert_int_equal(read_open(&r, &path, 1, &opts, &o.err), 0); /* followed: until it is asked to stop */
	assert_true(read_next(r, &rec, &o.err) < 0);
	read_close(r);
	to = open(path, O_RDWR | O_CLOEXEC); /* a writer who says something, and nothing more */
	assert_true(write(to, STEP(5) "\n", strlen(STEP(5)) + 1) > 0);
	asked = 0;
	assert_int_equal(read_open(&r, &path, 1, &opts, &o.err), 0);
	assert_int_equal(read_next(r, &rec, &o.err), 1);
	assert_int_equal(rec.sequence_length, 5);
	assert_int_equal(read_next(r, &rec, &o.err), 0);
	read_close(r);
	close(to);
	buf_free(&text);
	unlink(path);
}

static void what_cannot_be_opened_is_named(void **state)
{
	static const struct {
		const char *name, *says;
	} cases[] = {
		{ "missing.log", "cannot be opened: No such file or directory" },
		{ "*.none", "cannot be opened: No such file or directory" },
		{ "empty", "no *.log, *.jsonl or *.ndjson in this directory" },
		{ "closed.log", "cannot be opened: Permission denied" },
	};

	(void)state;
	assert_int_equal(file_write(in_dir("closed.log"), slice_of("x"), NULL), 0);
	assert_int_equal(chmod(in_dir("closed.log"), 0), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = in_dir(cases[i].name);
		struct reader *r;
		struct err err;

		if (i == 3 && geteuid() == 0)
			continue; /* root may read it */
		assert_int_equal(read_open(&r, &path, 1, NULL, &err), -ERR_OPEN);
		assert_null(r);
		assert_non_null(strstr(err.text, cases[i].says));
		assert_non_null(strstr(err.text, path));
	}
	unlink(in_dir("closed.log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(troubles_cost_only_their_lines),
		cmocka_unit_test(impossible_times_are_those_of_the_log),
		cmocka_unit_test(impossible_times_of_events_are_too),
		cmocka_unit_test(torn_records_among_keys_in_any_order_cost_only_themselves),
		cmocka_unit_test(lines_that_others_wrapped_are_read),
		cmocka_unit_test(utf16_is_read),
		cmocka_unit_test(growing_files_are_read_line_by_line),
		cmocka_unit_test(a_piece_that_never_ends_holds_little_back),
		cmocka_unit_test(what_waits_behind_a_piece_comes_at_the_end),
		cmocka_unit_test(overlong_lines_are_skipped_in_bounded_memory),
		cmocka_unit_test(garbage_between_records_is_counted),
		cmocka_unit_test(what_is_no_log_says_so),
		cmocka_unit_test(compressed_logs_read_like_plain_ones),
		cmocka_unit_test(damaged_compression_costs_what_it_hits),
		cmocka_unit_test(a_hole_between_frames_costs_itself_alone),
		cmocka_unit_test(a_failing_read_is_an_error),
		cmocka_unit_test(directories_and_patterns_name_their_logs),
		cmocka_unit_test(a_growing_file_is_followed_through_rotation),
		cmocka_unit_test(rotated_files_are_read_in_time_order),
		cmocka_unit_test(parts_of_a_file_hold_every_line_once),
		cmocka_unit_test(overlong_lines_in_parts_are_skipped),
		cmocka_unit_test(a_part_that_cannot_be_read_is_an_error),
		cmocka_unit_test(a_file_that_becomes_shorter_says_so),
		cmocka_unit_test(a_log_named_again_or_copied_counts_once),
		cmocka_unit_test(a_log_and_its_copy_in_another_form_count_once),
		cmocka_unit_test(folders_with_logs_are_named),
		cmocka_unit_test(what_was_read_already_is_no_error),
		cmocka_unit_test(copies_are_found_among_many_files),
		cmocka_unit_test(bad_entries_of_a_directory_cost_themselves_alone),
		cmocka_unit_test(files_that_move_after_they_were_found_are_read),
		cmocka_unit_test(rotated_names_of_every_kind_are_taken),
		cmocka_unit_test(a_pipe_without_a_writer_and_a_device_are_refused),
		cmocka_unit_test(what_cannot_be_opened_is_named),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
