/* Blocks of ggml's K types become the numbers that ggml's own Python package unpacks from them. */
#include "base/file.h"
#include "golden.h"
#include "runtime/ggml.h"

enum { BLOCKS = 4, ELEMENTS = 256 };

static void check(const char *name, uint32_t type)
{
	char path[600];
	struct tensor_file f = { .bytes = 1 << 20, .label = "blocks" };
	struct file_map blocks;
	struct slice storage;
	enum dtype dtype;
	struct err err;
	float *want;

	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/kquants/%s.blocks", name);
	if (file_map(&blocks, path, &err))
		fail_msg("%s", err.text);
	assert_int_equal(ggml_bytes(type, BLOCKS * ELEMENTS), blocks.n);
	assert_int_equal(ggml_bytes(type, ELEMENTS / 2), 0);
	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/kquants/%s.f32", name);
	want = golden_floats(path, BLOCKS * ELEMENTS);
	assert_int_equal(ggml_unpack(&f, name, type, BLOCKS * ELEMENTS, (const char *)blocks.p, &storage, &dtype, &err),
			 0);
	assert_int_equal(dtype, DTYPE_F32);
	for (size_t i = 0; i < BLOCKS * ELEMENTS; i++) {
		float got;

		memcpy(&got, storage.p + i * sizeof got, sizeof got);
		if (fabsf(got - want[i]) > 1e-6F * fmaxf(1, fabsf(want[i])))
			fail_msg("%s: element %zu is %g; expected %g", name, i, (double)got, (double)want[i]);
	}
	arena_free(&f.arena);
	file_unmap(&blocks);
	free(want);
}

static void k_types_agree_with_ggml(void **state)
{
	(void)state;
	check("Q4_K", 12);
	check("Q5_K", 13);
	check("Q6_K", 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(k_types_agree_with_ggml) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
