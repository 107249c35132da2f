/* KL against its definition, and what it is at the edges. */
#include "test.h"

#include "stats/divergence.h"

#include <math.h>

static void kl_follows_its_definition(void **state)
{
	const float p[] = { 0, 1, 2, -1 }, q[] = { 0.5f, 1, 1, -3 };
	double zp = 0, zq = 0, want = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		zp += exp(p[i]);
		zq += exp(q[i]);
	}
	for (int i = 0; i < 4; i++)
		want += exp(p[i]) / zp * log(exp(p[i]) / zp / (exp(q[i]) / zq));
	assert_true(fabs(kl_divergence(p, q, 4) - want) < 1e-12);
	assert_true(kl_divergence(p, p, 4) == 0);
}

static void it_does_not_mind_large_logits_but_nan(void **state)
{
	const float p[] = { 3000, 2999 }, q[] = { -3000, -2999 }, bad[] = { 0, NAN };

	(void)state;
	assert_true(fabs(kl_divergence(p, q, 2) - 0.46211715726) < 1e-9); /* tanh(1/2) */
	assert_true(isnan(kl_divergence(p, bad, 2)));
	assert_true(isnan(kl_divergence(bad, p, 2)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kl_follows_its_definition),
		cmocka_unit_test(it_does_not_mind_large_logits_but_nan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
