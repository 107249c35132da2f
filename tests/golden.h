/* golden.h - numbers the official implementation computed, and how near ours must come. */
#ifndef RWKVMON_TESTS_GOLDEN_H
#define RWKVMON_TESTS_GOLDEN_H

#include "test.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>

struct golden_limits {
	double logits, state_abs, state_l2, entropy, cosine, decay;
};

static inline double golden_limit(const json_t *all, const char *name)
{
	return json_number_value(json_object_get(json_object_get(all, name), "limit"));
}

/* False when the goldens are not there. */
static inline bool golden_limits(struct golden_limits *out)
{
	char path[512];
	json_t *all;

	snprintf(path, sizeof path, "%s/goldens/tolerances.json", shared_dir());
	all = json_load_file(path, 0, NULL);
	*out = (struct golden_limits){
		golden_limit(all, "logits_max_abs"),    golden_limit(all, "state_max_abs_over_state_absmax"),
		golden_limit(all, "state_relative_l2"), golden_limit(all, "entropy_nats_abs"),
		golden_limit(all, "state_cosine_abs"),  golden_limit(all, "median_decay_abs")
	};
	json_decref(all);
	return all && out->logits > 0;
}

/* n floats of a file; fails the test when they are not there. */
static inline float *golden_floats(const char *path, size_t n)
{
	float *x = malloc(n * sizeof *x);
	FILE *f = fopen(path, "rb");

	if (!f || fread(x, sizeof *x, n, f) != n || fgetc(f) != EOF)
		fail_msg("%s: expected %zu floats", path, n);
	fclose(f);
	return x;
}

static inline uint32_t *golden_tokens(const json_t *array, size_t *n)
{
	uint32_t *tokens;

	*n = json_array_size(array);
	tokens = calloc(*n + 1, sizeof *tokens);
	for (size_t i = 0; i < *n; i++)
		tokens[i] = (uint32_t)json_integer_value(json_array_get(array, i));
	return tokens;
}

static inline void golden_near(const char *what, size_t at, const float *got, const float *want, size_t n, double limit)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)got[i] - (double)want[i]) <= limit))
			fail_msg("%s at %zu: element %zu is %.8g, expected %.8g within %g", what, at, i, (double)got[i],
				 (double)want[i], limit);
}

/* Both limits of a state: largest difference over largest element, and relative length of the difference. */
static inline void golden_state_near(const char *what, const float *got, const float *want, size_t n,
				     const struct golden_limits *limit)
{
	double largest = 0, diff2 = 0, norm2 = 0;

	for (size_t i = 0; i < n; i++) {
		double d = (double)got[i] - (double)want[i], w = (double)want[i];

		if (fabs(w) < 1e29) /* v4 starts its exponents at -1e30 */
			largest = fmax(largest, fabs(w));
		diff2 += d * d;
		norm2 += w * w;
	}
	golden_near(what, n, got, want, n, limit->state_abs * largest);
	if (!(sqrt(diff2) <= limit->state_l2 * sqrt(norm2)))
		fail_msg("%s: relative distance %g, limit %g", what, sqrt(diff2 / norm2), limit->state_l2);
}

static inline double golden_entropy(const float *logits, size_t n)
{
	double top = -INFINITY, sum = 0, weighted = 0;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, (double)logits[i]);
	for (size_t i = 0; i < n; i++) {
		double e = exp((double)logits[i] - top);

		sum += e;
		weighted += e * ((double)logits[i] - top);
	}
	return log(sum) - weighted / sum;
}

#endif
