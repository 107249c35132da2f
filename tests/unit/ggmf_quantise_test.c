/* Quantised files of rwkv.cpp: byte for byte what its own tool makes, and near what they were made from. */
#include "test.h"
#include "write_model.h"

#include "runtime/ggmf_quantise.h"
#include "simd/half.h"

#include <math.h>

static const char *const formats[] = { "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0" };
enum { FORMATS = sizeof formats / sizeof *formats, ROWS = 5, COLS = 96 };

static void files_are_those_of_rwkv_cpp(void **state)
{
	char dir[64], from[600], want_path[600], to[128];
	struct buf want = { 0 }, got = { 0 };
	int compared = 0;
	struct err err;

	(void)state;
	make_folder(dir);
	snprintf(from, sizeof from, "%s/goldens/ggml/tiny-rwkv-5v2-730K-FP32.bin", shared_dir());
	snprintf(to, sizeof to, "%s/out.bin", dir);
	for (size_t i = 0; i < FORMATS; i++) {
		snprintf(want_path, sizeof want_path, "%s/goldens/ggml/tiny-rwkv-5v2-730K-%s.bin", shared_dir(),
			 formats[i]);
		buf_clear(&want), buf_clear(&got);
		if (file_read(&want, want_path, 1 << 26, NULL))
			continue;
		if (ggmf_quantise(from, to, formats[i], &err))
			fail_msg("%s", err.text);
		assert_int_equal(file_read(&got, to, 1 << 26, NULL), 0);
		assert_int_equal(got.used, want.used);
		assert_memory_equal(got.p, want.p, want.used);
		compared++;
	}
	buf_free(&want), buf_free(&got);
	drop_folder(dir);
	if (!compared)
		SKIP_LOUDLY("no files of rwkv.cpp at %s/goldens/ggml", shared_dir());
}

static float value_at(size_t i)
{
	return (i / 32) % 7 == 6
		       ? 0
		       : (float)(i * 7919 % 1009) / 1009 * ((float)(i / 32 % 5) - 2); /* a block of zeros, too */
}

static void put_tensor(struct buf *b, const char *name, bool half, size_t rows, size_t cols)
{
	write_le(b, 2, 4), write_le(b, strlen(name), 4), write_le(b, half, 4), write_le(b, cols, 4),
		write_le(b, rows, 4);
	buf_str(b, name);
	for (size_t i = 0; i < rows * cols; i++) {
		float f = value_at(i);
		uint32_t bits;

		memcpy(&bits, &f, 4);
		write_le(b, half ? f16_of_float(f) : bits, half ? 2 : 4);
	}
}

static void put_header(struct buf *b, bool half)
{
	buf_str(b, "fmgg");
	write_le(b, 101, 4), write_le(b, 256, 4), write_le(b, COLS, 4), write_le(b, 1, 4), write_le(b, half, 4);
}

/* Every value comes back within half a step of its block; the embedding is untouched. */
static void values_come_back(void **state)
{
	static const double steps[] = { 8, 15, 16, 31, 127 }; /* of the largest magnitude, or of the range */
	char dir[64], from[96], to[96];
	struct buf b = { 0 };
	struct tensor_file *f;
	struct err err;

	(void)state;
	make_folder(dir);
	snprintf(from, sizeof from, "%s/in.bin", dir);
	snprintf(to, sizeof to, "%s/out.bin", dir);
	for (int half = 0; half < 2; half++)
		for (size_t k = 0; k < FORMATS; k++) {
			buf_clear(&b);
			put_header(&b, half);
			put_tensor(&b, "emb.weight", half, ROWS, COLS);
			put_tensor(&b, "blocks.0.att.key.weight", half, ROWS, COLS);
			write_file(dir, "in.bin", &b);
			if (ggmf_quantise(from, to, formats[k], &err) || tensor_file_open(&f, to, &err))
				fail_msg("%s", err.text);
			for (size_t i = 0; i < ROWS * COLS; i++) {
				double want = (double)(half ? float_of_f16(f16_of_float(value_at(i))) : value_at(i));
				double span = 2 * 2 / steps[k]; /* values reach from -2 to 2 */

				assert_true((double)tensor_element(tensor_find(f, "emb.weight"), i) == want);
				assert_true(fabs((double)tensor_element(tensor_find(f, "blocks.0.att.key.weight"), i) -
						 want) <= span * 0.51 + 2e-3);
			}
			tensor_file_close(f);
		}
	buf_free(&b);
	drop_folder(dir);
}

static void other_files_are_refused(void **state)
{
	char dir[64], from[96], to[96];
	struct buf b = { 0 };
	struct err err;

	(void)state;
	make_folder(dir);
	snprintf(from, sizeof from, "%s/in.bin", dir);
	snprintf(to, sizeof to, "%s/out.bin", dir);
	put_header(&b, false);
	put_tensor(&b, "blocks.0.att.key.weight", false, ROWS, COLS);
	for (size_t n = 0; n < b.used; n += 23) { /* cut anywhere */
		struct buf part = { b.p, n, b.cap, false };

		write_file(dir, "in.bin", &part);
		assert_true(ggmf_quantise(from, to, "Q8_0", &err) < 0 || n == 24);
	}
	write_file(dir, "in.bin", &b);
	assert_int_equal(ggmf_quantise(from, to, "Q9", &err), -ERR_USAGE);
	assert_int_equal(ggmf_quantise(from, "/nowhere/x", "Q8_0", &err), -ERR_WRITE);
	assert_int_equal(ggmf_quantise(from, to, "Q8_0", &err), 0);
	assert_int_equal(ggmf_quantise(to, from, "Q8_0", &err), -ERR_UNSUPPORTED); /* once is enough */
	buf_clear(&b);
	put_header(&b, false);
	put_tensor(&b, "blocks.0.att.key.weight", false, ROWS, 33);
	write_file(dir, "in.bin", &b);
	assert_int_equal(ggmf_quantise(from, to, "Q8_0", &err), -ERR_SHAPE);
	buf_free(&b);
	drop_folder(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_those_of_rwkv_cpp),
		cmocka_unit_test(values_come_back),
		cmocka_unit_test(other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
