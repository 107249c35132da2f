/* Frames and keys: what the dashboard shows of a log, at every size, in both languages; no terminal is touched.
 *
 * The goldens are tests/logs/worked.watch.*.txt. After a wanted change, look at them:
 *     RWKVMON_UPDATE_GOLDEN=1 build/tests/tui_test */
#include "push.h"
#include "test.h"

#include "analyze/analyze.h"
#include "base/file.h"
#include "base/utf8.h"
#include "read/read.h"
#include "tui/dashboard.h"

#include <math.h>

static struct board *board; /* of the worked log */

static int read_board(void **state)
{
	static const char *const path[] = { SOURCE_DIR "/tests/logs/worked.log" };
	struct ruleset *rules;
	struct analyze_options how = { 0 };
	struct analysis *a;
	struct reader *reader;
	struct record rec;
	struct findings f;

	(void)state;
	assert_int_equal(ruleset_open(&rules, "thresholds", NULL), 0);
	how.rules = rules;
	assert_int_equal(analyze_open(&a, &how, NULL), 0);
	assert_int_equal(read_open(&reader, path, 1, NULL, NULL), 0);
	while (read_next(reader, &rec, NULL) > 0)
		push_record(a, &rec);
	assert_int_equal(analyze_finish(a, read_input(reader), &f, NULL), 0);
	board = malloc(sizeof *board);
	assert_non_null(board);
	board_from_findings(board, &f, "worked.log", LANG_EN);
	findings_free(&f);
	read_close(reader);
	analyze_close(a);
	ruleset_close(rules);
	return 0;
}

static int free_board(void **state)
{
	(void)state;
	free(board);
	return 0;
}

static struct buf draw(size_t rows, size_t columns, struct dashboard_view *v, const struct board *b)
{
	struct frame f;
	struct buf out = { 0 };

	assert_true(frame_open(&f, rows, columns));
	dashboard_draw(&f, b, v);
	frame_text(&out, &f);
	frame_free(&f);
	assert_false(out.failed);
	if (!out.p)
		buf_str(&out, "");
	return out;
}

static void assert_golden(const char *name, const struct buf *got)
{
	char path[256];
	struct buf want = { 0 };

	snprintf(path, sizeof path, SOURCE_DIR "/tests/logs/worked.watch.%s.txt", name);
	if (getenv("RWKVMON_UPDATE_GOLDEN"))
		assert_int_equal(file_write(path, buf_slice(got), NULL), 0);
	assert_int_equal(file_read(&want, path, 1 << 20, NULL), 0);
	assert_string_equal(got->p, want.p);
	buf_free(&want);
}

static void frames_are_what_they_were(void **state)
{
	static const struct {
		const char *name;
		size_t rows, columns;
		struct dashboard_view view;
	} cases[] = {
		{ "en", 24, 80, { .interval_s = 1 } },
		{ "zh", 24, 80, { .lang = LANG_ZH, .interval_s = 1 } },
		{ "ascii", 24, 80, { .ascii = true, .interval_s = 0.5 } },
		{ "large", 40, 132, { .focus = DASH_ALARMS, .interval_s = 1, .paused = true } },
		{ "help", 24, 80, { .help = true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct dashboard_view v = cases[i].view;
		struct buf got = draw(cases[i].rows, cases[i].columns, &v, board);

		assert_golden(cases[i].name, &got);
		buf_free(&got);
	}
}

/* No line is longer than the screen, none more than there are rows; ASan sees a cell too far. */
static void every_size_is_drawn_within_itself(void **state)
{
	(void)state;
	for (int lang = 0; lang < LANG_COUNT; lang++)
		for (size_t rows = 0; rows < 45; rows += 1 + rows / 20)
			for (size_t columns = 0; columns < 140; columns += 1 + columns / 30) {
				struct dashboard_view v = { .lang = (enum lang)lang, .interval_s = 1 };
				struct buf got = draw(rows, columns, &v, board);
				size_t lines = 0;

				for (char *line = got.p, *end; (end = strchr(line, '\n')); line = end + 1) {
					*end = 0;
					assert_true(utf8_columns(line) <= columns);
					lines++;
				}
				assert_true(lines <= rows);
				buf_free(&got);
			}
}

static void wide_characters_are_never_halved(void **state)
{
	struct frame f;
	struct buf out = { 0 };

	(void)state;
	assert_true(frame_open(&f, 2, 6));
	assert_int_equal(frame_put(&f, 0, 0, TINT_PLAIN, "中文字", 5), 4);
	assert_int_equal(frame_put(&f, 0, 3, TINT_PLAIN, "x", 5), 1); /* over the second half of 文 */
	assert_int_equal(frame_put(&f, 1, 0, TINT_PLAIN, "a\x1b[31m\xff", 6), 6);
	frame_text(&out, &f);
	assert_string_equal(out.p, "中 x\na\xef\xbf\xbd[31m\n");
	buf_free(&out);
	frame_free(&f);
}

static void keys_move_the_view(void **state)
{
	struct dashboard_view v = { .interval_s = 1, .focus = DASH_ROWS };

	(void)state;
	assert_false(dashboard_key(&v, 'q'));
	assert_true(dashboard_key(&v, '\t') && v.focus == DASH_ALARMS);
	assert_true(dashboard_key(&v, '\t') && v.focus == DASH_METRICS);
	assert_true(dashboard_key(&v, DASH_BACKTAB) && v.focus == DASH_ALARMS);
	dashboard_key(&v, 'j');
	dashboard_key(&v, DASH_DOWN);
	assert_int_equal(v.first[DASH_ALARMS], 2);
	dashboard_key(&v, 'k');
	assert_int_equal(v.first[DASH_ALARMS], 1);
	dashboard_key(&v, 'g');
	assert_int_equal(v.first[DASH_ALARMS], 0);
	dashboard_key(&v, 'p');
	assert_true(v.paused);
	dashboard_key(&v, '?');
	assert_true(v.help);
	dashboard_key(&v, DASH_ESCAPE);
	assert_false(v.help);
	for (int i = 0; i < 20; i++)
		dashboard_key(&v, '+');
	assert_true(v.interval_s == 30);
	for (int i = 0; i < 20; i++)
		dashboard_key(&v, '-');
	assert_true(v.interval_s == 0.2);
}

static void a_filter_is_typed(void **state)
{
	struct dashboard_view v = { .interval_s = 1 };
	struct buf got;

	(void)state;
	dashboard_key(&v, '/');
	for (const char *p = "qDIVER\xe4\xb8\xad"; *p; p++)
		assert_true(dashboard_key(&v, (unsigned char)*p)); /* q is a letter now */
	dashboard_key(&v, DASH_BACKSPACE);                         /* a whole character goes */
	assert_string_equal(v.filter, "qDIVER");
	memmove(v.filter, v.filter + 1, sizeof "DIVER");
	dashboard_key(&v, '\n');
	assert_false(v.typing);
	got = draw(24, 80, &v, board);
	assert_non_null(strstr(got.p, "State divergence"));
	assert_null(strstr(got.p, "Low throughput  "));
	assert_null(strstr(got.p, "rwkv-sess-8f4e2d71c05b        156"));
	buf_free(&got);
	for (int i = 0; i < 200; i++) {
		v.typing = true;
		dashboard_key(&v, 'x');
	}
	assert_int_equal(strlen(v.filter), sizeof v.filter - 1);
	dashboard_key(&v, DASH_ESCAPE);
	assert_true(!v.filter[0] && !v.typing);
}

/* As many sessions and alarms as the board has room for; the alarms' sessions are called so. */
static void fill_board(struct board *many, const char *of)
{
	*many = *board;
	for (size_t i = 0; i < BOARD_ROWS; i++) {
		many->row[i] = board->row[0];
		snprintf(many->row[i].name, sizeof many->row[i].name, "session-%02zu", i);
	}
	for (size_t i = 0; i < BOARD_ALARMS; i++) {
		many->alarm[i] = board->alarm[0];
		snprintf(many->alarm[i].session, sizeof many->alarm[i].session, "%s-%02zu", of, i);
	}
	many->n_rows = BOARD_ROWS;
	many->n_alarms = BOARD_ALARMS;
}

static void long_lists_scroll_to_their_ends_and_no_further(void **state)
{
	struct board *many = malloc(sizeof *many);
	struct dashboard_view v = { .interval_s = 1, .focus = DASH_ALARMS };
	struct buf got;

	(void)state;
	assert_non_null(many);
	fill_board(many, "alarm");
	dashboard_key(&v, 'G');
	got = draw(24, 80, &v, many);
	assert_non_null(strstr(got.p, "alarm-99"));
	assert_non_null(strstr(got.p, "/ 100"));
	assert_non_null(strstr(got.p, "session-00"));
	assert_null(strstr(got.p, "more sessions"));
	buf_free(&got);
	dashboard_key(&v, 'k');
	got = draw(24, 80, &v, many);
	assert_null(strstr(got.p, "alarm-99"));
	buf_free(&got);
	many->rows_total = 1000; /* what the board has no room for is told, and where to see it */
	got = draw(24, 100, &v, many);
	assert_non_null(strstr(got.p, "/ 64 of 1,000"));
	buf_free(&got);
	got = draw(24, 80, &v, many);
	assert_non_null(strstr(got.p, "and 936 more sessions; analyze --format json lists up to 10,000"));
	buf_free(&got);
	free(many);
}

/* With a filter, the numbers are of what it searches: what the board has, and not what it left out. */
static void totals_are_of_what_the_filter_searches(void **state)
{
	struct board *many = malloc(sizeof *many);
	struct dashboard_view v = { .interval_s = 1 };
	struct buf got;

	(void)state;
	assert_non_null(many);
	fill_board(many, "session");
	many->rows_total = 1000;
	many->alarms_total = 2000;
	for (size_t columns = 80; columns <= 132; columns += 52) { /* heads in the way of the remark, or not */
		snprintf(v.filter, sizeof v.filter, "session-6");
		got = draw(40, columns, &v, many);
		assert_non_null(strstr(got.p, "1-4 / 4 of 64"));
		assert_non_null(strstr(got.p, " 936 more are not searched; "));
		assert_non_null(strstr(got.p, "/ 10 of 100\n"));
		assert_non_null(strstr(got.p, " 1,900 more are not searched; "));
		buf_free(&got);
		snprintf(v.filter, sizeof v.filter, "nobody");
		got = draw(40, columns, &v, many);
		assert_non_null(strstr(got.p, " 0 of 64"));
		assert_non_null(strstr(got.p, " 0 of 100\n"));
		assert_non_null(strstr(got.p, "Nothing here contains"));
		assert_null(strstr(got.p, text(TEXT_TERM_NO_ANOMALY, LANG_EN)));
		buf_free(&got);
		v.filter[0] = 0;
		got = draw(40, columns, &v, many);
		assert_non_null(strstr(got.p, columns > 80 ? " / 64 of 1,000\n" : " / 64 "));
		assert_non_null(strstr(got.p, "/ 100 of 2,000\n"));
		assert_non_null(strstr(got.p, "and 1,900 more events; "));
		buf_free(&got);
	}
	free(many);
}

static void json_has_what_the_frame_has(void **state)
{
	struct buf out = { 0 };

	(void)state;
	board_json(&out, board);
	assert_false(out.failed);
	assert_non_null(strstr(out.p, "\"verdict\":\"attention\""));
	assert_non_null(strstr(out.p, "\"alarm_type\":\"state_divergence\""));
	assert_non_null(strstr(out.p, "\"vram_used_mb\":2457.2"));
	buf_free(&out);
}

/* However large the counts are: without the reason, a missing verdict reads like a good one. */
static void a_missing_verdict_has_its_reason_in_80_columns(void **state)
{
	struct dashboard_view v = { .interval_s = 1 };
	struct board *scraped = malloc(sizeof *scraped);
	struct buf got;

	(void)state;
	assert_non_null(scraped);
	*scraped = *board;
	scraped->not_judged = true;
	scraped->diagnosed = false;
	scraped->verdict = VERDICT_UNDECIDED;
	scraped->records = scraped->tokens = 123456789012;
	snprintf(scraped->sentence, sizeof scraped->sentence, "%s", text(TEXT_WATCH_NO_ALARMS, LANG_EN));
	got = draw(24, 80, &v, scraped);
	assert_non_null(strstr(got.p, text(TEXT_WATCH_NOT_JUDGED, LANG_EN)));
	assert_non_null(strstr(got.p, text(TEXT_WATCH_NO_ALARMS, LANG_EN)));
	buf_free(&got);
	free(scraped);
}

/* Between what is needed at least and what the chart needs, numbers that do not fit in whole are left out. */
static void a_narrow_terminal_shows_whole_numbers_alone(void **state)
{
	(void)state;
	for (size_t columns = 60; columns < 76; columns++) {
		struct dashboard_view v = { .interval_s = 1 };
		struct buf got = draw(24, columns, &v, board);
		char *row = strstr(got.p, "rwkv-sess-8f4e2d71c05b   "), *end = row ? strchr(row, '\n') : NULL;

		assert_non_null(end);
		*end = 0;
		assert_non_null(strstr(row, "  156    93.62    83.38"));
		assert_true((strstr(row, "2,457") != NULL) == (columns >= 64));
		assert_true(!strstr(row, "2,4") || strstr(row, "2,457"));
		buf_free(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_what_they_were),
		cmocka_unit_test(a_missing_verdict_has_its_reason_in_80_columns),
		cmocka_unit_test(every_size_is_drawn_within_itself),
		cmocka_unit_test(wide_characters_are_never_halved),
		cmocka_unit_test(keys_move_the_view),
		cmocka_unit_test(a_filter_is_typed),
		cmocka_unit_test(long_lists_scroll_to_their_ends_and_no_further),
		cmocka_unit_test(totals_are_of_what_the_filter_searches),
		cmocka_unit_test(a_narrow_terminal_shows_whole_numbers_alone),
		cmocka_unit_test(json_has_what_the_frame_has),
	};

	return cmocka_run_group_tests(tests, read_board, free_board);
}
