/* The page of `tune` from results that are made up: which settings are points, which are on the front, how they stand
 * to each other, what a missing number does, and that a text from outside stays a text. */
#include "test.h"

#include "report/tuning.h"

#include <math.h>

#define HOSTILE "<img src=x onerror=alert(1)>"

enum { ROUNDS = 8 };

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

/* A setting that takes so many ns per token, steadily. */
static void add(struct tuning_heat *h, const char *strategy, double ns, double memory_mb, double kl)
{
	size_t i = h->race.n++;

	h->of[i] = (struct tuning_candidate){
		.strategy = strategy, .threads = 1, .chunk_len = 16, .memory_mb = memory_mb, .kl = kl, .kl_high = kl
	};
	for (int round = 0; ns > 0 && round < ROUNDS; round++)
		race_add(&h->race, i, log(ns) + 1e-4 * (round % 2));
}

static struct tuning results(void)
{
	struct tuning t = { .model = "m" HOSTILE, .dtype = "fp16", .cores = 2, .quality_tokens = 256 };

	t.limits = (struct tuning_limits){ NAN, NAN, NAN };
	add(&t.heat[0], "fast", 100, 90, 0.02);
	add(&t.heat[0], "small", 200, 30, 0.01);
	add(&t.heat[0], "exact", 300, 90, 0);
	add(&t.heat[0], "beaten", 310, 95, 0.02);
	add(&t.heat[0], "of unknown memory", 400, NAN, 0.02);
	add(&t.heat[0], "not measured", 0, 10, 0);
	return t;
}

static void page_of(struct buf *out, struct tuning *t, enum lang lang)
{
	struct report_options how = { .lang = lang };

	tuning_choose(&t->heat[0], &t->limits, t->objective);
	report_tuning_html(out, t, &how);
	buf_char(out, '\0');
	assert_false(out->failed);
}

static void measured_settings_are_points(void **state)
{
	struct tuning t = results();
	struct buf page = { 0 };

	(void)state;
	page_of(&page, &t, LANG_EN);
	assert_int_equal(count(page.p, "<svg class=\"front\""), 2);
	assert_int_equal(count(page.p, "<g class=\"point"), 4 + 5); /* one has no memory to stand at */
	assert_int_equal(count(page.p, "<g class=\"point on\""), 3 + 3);
	assert_int_equal(count(page.p, "<circle class=\"ring\""), 2);
	assert_int_equal(count(page.p, "<tr class=\"chosen\">"), 1);
	assert_int_equal(count(page.p, "<th scope=\"row\">"), 6);
	assert_int_equal(count(page.p, "class=\"limit\""), 0);
	assert_null(strstr(page.p, "nan"));
	assert_null(strstr(page.p, "{{"));
	buf_free(&page);
}

static void limits_are_lines_and_texts_stay_texts(void **state)
{
	struct tuning t = results();
	struct buf page = { 0 };

	(void)state;
	t.limits = (struct tuning_limits){ .memory_mb = 92, .kl = 0.015, .tps = 1e6 };
	t.interrupted = true;
	page_of(&page, &t, LANG_ZH);
	assert_int_equal(count(page.p, "class=\"limit\""), 4);
	assert_non_null(strstr(page.p, "m&lt;img src=x"));
	assert_null(strstr(page.p, HOSTILE));
	assert_non_null(strstr(page.p, "lang=\"zh-CN\""));
	assert_non_null(strstr(page.p, "已中断"));
	buf_free(&page);
}

/* All of one size: a column of points would tell nothing. */
static void equals_have_no_plot(void **state)
{
	struct tuning t = { .model = "m", .dtype = "fp16", .limits = { NAN, NAN, NAN } };
	struct buf page = { 0 };

	(void)state;
	add(&t.heat[0], "a", 100, 90, 0);
	add(&t.heat[0], "b", 120, 90, 0);
	page_of(&page, &t, LANG_EN);
	assert_int_equal(count(page.p, "<svg class=\"front\""), 0);
	assert_int_equal(count(page.p, "<tr class=\"chosen\">"), 1);
	buf_free(&page);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(measured_settings_are_points),
		cmocka_unit_test(limits_are_lines_and_texts_stay_texts),
		cmocka_unit_test(equals_have_no_plot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
