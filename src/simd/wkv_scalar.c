/* wkv_scalar.c - the reference kernels: plain loops, in the order of the formulas. */
#include "simd/wkv.h"

extern const struct wkv_kernels wkv_scalar;

static bool runs_here(void)
{
	return true;
}

static void watch(struct state_sums *c, float was, float is)
{
	double a = (double)was, b = (double)is;

	c->dot += a * b;
	c->old_norm2 += a * a;
	c->new_norm2 += b * b;
	c->change_norm2 += (b - a) * (b - a);
}

static void compare(struct state_sums *change, const float *was, const float *is, size_t n)
{
	for (size_t i = 0; i < n; i++)
		watch(change, was[i], is[i]);
}

static void wkv7(const struct wkv7_args *a)
{
	for (size_t i = 0; i < a->n; i++) {
		float *s = a->s + i * a->n, removed = 0, o = 0;

		for (size_t j = 0; j < a->n; j++)
			removed += s[j] * a->kappa[j];
		for (size_t j = 0; j < a->n; j++) {
			float was = s[j];

			s[j] = was * a->w[j] - removed * a->b[j] + a->v[i] * a->k[j];
			o += s[j] * a->r[j];
			if (a->change)
				watch(a->change, was, s[j]);
		}
		a->o[i] = o;
	}
}

static void wkv6(const struct wkv6_args *a)
{
	for (size_t j = 0; j < a->n; j++)
		a->o[j] = 0;
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < a->n; j++) {
			float *s = a->s + i * a->n + j, was = *s, kv = a->k[i] * a->v[j];

			a->o[j] += a->r[i] * (a->u[i] * kv + was);
			*s = a->w[i] * was + kv;
			if (a->change)
				watch(a->change, was, *s);
		}
}

const struct wkv_kernels wkv_scalar = {
	.name = "scalar",
	.runs_here = runs_here,
	.wkv7 = wkv7,
	.wkv6 = wkv6,
	.compare = compare,
};
