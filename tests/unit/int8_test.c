/* Files that `convert --to int8` writes: used as they lie, refused when something in them does not fit. */
#include "write_model.h"

#include "runtime/convert.h"
#include "runtime/int8.h"
#include "runtime/run.h"

static char dir[64], path[128];

static int set_up(void **state)
{
	struct convert_options opts = { .dtype = "int8" };
	struct convert_result result;
	struct err err = { 0 };

	(void)state;
	make_folder(dir);
	snprintf(path, sizeof path, "%s/q.safetensors", dir);
	if (convert_to_safetensors(SOURCE_DIR "/models/tiny-rwkv7.safetensors", path, &opts, &result, &err))
		fail_msg("%s", err.text);
	assert_true(result.out_bytes < result.in_bytes * 7 / 10); /* of fp16: half, and scales, factors and emb */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	drop_folder(dir);
	return 0;
}

static void the_file_is_mapped_as_it_lies(void **state)
{
	struct model *full, *q;

	(void)state;
	assert_int_equal(model_open_embedded(&full, NULL, NULL), 0);
	assert_int_equal(model_open(&q, path, NULL, NULL), 0);
	assert_string_equal(model_info(q)->dtype, "int8");
	assert_string_equal(model_info(q)->strategy, "cpu fp32i8");
	assert_int_equal(model_info(q)->parameters, model_info(full)->parameters);
	assert_int_equal(model_info(q)->copied_bytes, model_info(full)->copied_bytes); /* the vectors */
	assert_true(model_info(q)->weight_bytes < model_info(full)->weight_bytes * 7 / 10);
	model_close(full);
	model_close(q);
}

/* The documented formula gives the weights back, to a step of the scales. */
static void the_layout_is_the_documented_one(void **state)
{
	static const char name[] = "blocks.2.ffn.key.weight";
	struct tensor_file *full, *f;
	const struct tensor *q, *w, *s[INT8_SCALES];

	(void)state;
	assert_int_equal(tensor_file_open(&full, SOURCE_DIR "/models/tiny-rwkv7.safetensors", NULL), 0);
	assert_int_equal(tensor_file_open(&f, path, NULL), 0);
	w = tensor_find(full, name);
	q = tensor_find(f, name);
	assert_int_equal(q->dtype, DTYPE_U8);
	assert_int_equal(int8_find_scales(s, f, q, NULL), 0);
	for (uint64_t r = 0; r < q->shape[0]; r++)
		for (uint64_t c = 0; c < q->shape[1]; c++) {
			uint64_t i = r * q->shape[1] + c;
			float step = tensor_element(s[INT8_ROW_SCALE], r) * tensor_element(s[INT8_COL_SCALE], c);
			float got = (tensor_element(q, i) + 0.5F) * step + tensor_element(s[INT8_ROW_LOW], r) +
				    tensor_element(s[INT8_COL_LOW], c);

			assert_true(got - tensor_element(w, i) <= 0.501F * step);
			assert_true(tensor_element(w, i) - got <= 0.501F * step);
		}
	assert_int_equal(tensor_find(f, "emb.weight")->dtype, tensor_find(full, "emb.weight")->dtype);
	for (size_t i = 0; i < f->n_tensors; i++)
		assert_int_equal((uintptr_t)f->tensors[i].data % dtype_specs[f->tensors[i].dtype].bytes, 0);
	tensor_file_close(full);
	tensor_file_close(f);
}

static void what_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ "blocks.1.att.key.weight.row_scale", "blocks.1.att.key.weight.row_scalx", ERR_UNSUPPORTED,
		  "row_scale" },
		{ "head.weight.col_low\":{\"dtype\":\"F32\",\"shape\":[128]",
		  "head.weight.col_low\":{\"dtype\":\"I32\",\"shape\":[128]", ERR_SHAPE, "int32" },
		{ "head.weight.col_low\":{\"dtype\":\"F32\",\"shape\":[128]",
		  "head.weight.col_low\":{\"dtype\":\"F16\",\"shape\":[256]", ERR_SHAPE,
		  "fp16 [256]; expected fp32 [128]" },
		{ "head.weight.row_low\":{\"dtype\":\"F32\",\"shape\":[256]",
		  "head.weight.row_lox\":{\"dtype\":\"F32\",\"shape\":[256]", ERR_UNSUPPORTED, "head.weight.row_low" },
		{ "\"blocks.0.att.r_k\":{\"dtype\":\"F16\"", "\"blocks.0.att.r_k\":{\"dtype\":\"I16\"", ERR_UNSUPPORTED,
		  "int16" },
		{ "\"rwkvmon_int8\":\"1\"", "\"rwkvmon_int8\":\"2\"", ERR_UNSUPPORTED, "layout 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = { 0 };
		struct err err = { 0 };
		struct model *m;
		char *at;
		int rc;

		assert_int_equal(file_read(&b, path, 1 << 24, NULL), 0);
		at = memmem(b.p, b.used, cases[i].from, strlen(cases[i].from));
		assert_int_equal(strlen(cases[i].from), strlen(cases[i].to));
		assert_non_null(at);
		memcpy(at, cases[i].to, strlen(cases[i].to));
		rc = model_open_memory(&m, b.p, b.used, "changed.safetensors", NULL, &err);
		if (rc != -(int)cases[i].code || !strstr(err.text, cases[i].words))
			fail_msg("%s: %d, \"%s\"", cases[i].to, rc, err.text);
		buf_free(&b);
	}
}

/* Rows of emb are looked up and not multiplied: int8 there would be read as floats. */
static void an_embedding_of_int8_is_refused(void **state)
{
	struct buf b = { 0 };
	struct err err = { 0 };
	struct model *m;
	char *at;

	(void)state;
	assert_int_equal(file_read(&b, SOURCE_DIR "/models/tiny-rwkv7.safetensors", 1 << 24, NULL), 0);
	at = memmem(b.p, b.used, "\"emb.weight\"", 12);
	assert_non_null(at);
	at = memmem(at, 64, "F16\",\"shape\":[256,128]", 22);
	assert_non_null(at);
	memcpy(at, "U8\", \"shape\":[256,256]", 22); /* as many bytes */
	assert_int_equal(model_open_memory(&m, b.p, b.used, "x", NULL, &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "emb.weight holds uint8"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_mapped_as_it_lies),
		cmocka_unit_test(the_layout_is_the_documented_one),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(an_embedding_of_int8_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
