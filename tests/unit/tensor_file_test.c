/* Model files of every make, and the ones that lie. */
#include "test.h"

#include "base/buf.h"
#include "runtime/tensor_file.h"

#include <jansson.h>
#include <unistd.h>

static const char *quirks_path(const char *file)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/goldens/pth-quirks/%s", shared_dir(), file);
	return path;
}

static bool missing(const char *path)
{
	return access(path, R_OK) != 0;
}

static json_t *quirks(void)
{
	return json_load_file(quirks_path("manifest.json"), 0, NULL);
}

static void check_tensor(const struct tensor_file *f, const char *name, const json_t *want)
{
	const struct tensor *t = tensor_find(f, name);
	const json_t *shape = json_object_get(want, "shape"), *values = json_object_get(want, "values");
	const char *type = json_string_value(json_object_get(want, "dtype"));

	static const char *const long_names[] = { "float32", "float16", "bfloat16", "float64", "int64",
						  "int32",   "int16",   "int8",     "uint8",   "bool" };
	if (!t)
		fail_msg("%s: no tensor %s", f->label, name);
	assert_string_equal(long_names[t->dtype], type);
	assert_int_equal(t->n_dims, json_array_size(shape));
	for (int d = 0; d < t->n_dims; d++)
		assert_int_equal(t->shape[d], json_integer_value(json_array_get(shape, (size_t)d)));
	assert_int_equal(t->count, json_array_size(values));
	for (size_t i = 0; i < t->count; i++)
		assert_true(tensor_element(t, i) == (float)json_number_value(json_array_get(values, i)));
}

static void torch_files_of_every_make(void **state)
{
	json_t *manifest = quirks(), *want, *tensors;
	const char *file, *name;

	(void)state;
	if (!manifest)
		SKIP_LOUDLY("no sample .pth files at %s", quirks_path(""));
	json_object_foreach(manifest, file, want)
	{
		struct tensor_file *f;
		struct err err = { 0 };
		int rc = tensor_file_open(&f, quirks_path(file), &err);
		json_t *row;

		if (!strncmp(file, "bad_", 4) || !strcmp(file, "deflated.pth")) {
			if (!rc)
				fail_msg("%s was accepted", file);
			assert_true(strstr(err.text, file) != NULL);
			assert_true(*err.hint);
			assert_null(f);
			continue;
		}
		if (rc)
			fail_msg("%s", err.text);
		tensors = json_object_get(want, "tensors");
		assert_int_equal(f->n_tensors, json_object_size(tensors));
		json_object_foreach(tensors, name, row) check_tensor(f, name, row);
		tensor_file_close(f);
	}
	json_decref(manifest);
}

/* What each refusal must name: the kind of error, and words a user can act on. */
static void refusals_say_what_is_wrong(void **state)
{
	static const struct {
		const char *file;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ "bad_truncated.pth", ERR_TRUNCATED, "end is missing" },
		{ "bad_evil.pth", ERR_UNSUPPORTED, "posix.system" },
		{ "bad_short_storage.pth", ERR_TRUNCATED, "w.fp32" },
		{ "deflated.pth", ERR_UNSUPPORTED, "compressed" },
	};

	(void)state;
	if (missing(quirks_path("plain.pth")))
		SKIP_LOUDLY("no sample .pth files at %s", quirks_path(""));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tensor_file *f;
		struct err err = { 0 };

		assert_int_equal(tensor_file_open(&f, quirks_path(cases[i].file), &err), -(int)cases[i].code);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].file, err.text, cases[i].words);
	}
}

/* Every prefix and every single-byte change of a file is either refused or read; nothing worse. */
static void damage_is_survived(const char *path)
{
	struct file_map map;
	uint8_t *copy;

	if (file_map(&map, path, NULL))
		return;
	for (size_t n = 0; n < map.n; n++) {
		struct tensor_file *f;

		copy = malloc(n + !n);
		memcpy(copy, map.p, n);
		tensor_file_open_memory(&f, copy, n, "prefix", NULL);
		tensor_file_close(f);
		free(copy);
	}
	copy = malloc(map.n);
	memcpy(copy, map.p, map.n);
	for (size_t at = 0; at < map.n; at++)
		for (int bit = 0; bit < 8; bit++) {
			struct tensor_file *f;

			copy[at] = map.p[at] ^ (uint8_t)(1 << bit);
			tensor_file_open_memory(&f, copy, map.n, "flipped", NULL);
			tensor_file_close(f);
			copy[at] = map.p[at];
		}
	free(copy);
	file_unmap(&map);
}

static void every_prefix_and_every_flipped_bit_is_survived(void **state)
{
	static const char *const seeds[] = { "pth/one.pth",          "pth/model_shared.pth",
					     "pth/model_legacy.pth", "safetensors/one.safetensors",
					     "ggmf/one_q4_0.bin",    "ggmf/model_v5.bin",
					     "gguf/model_v7.gguf",   "gguf/model_v6.gguf" };

	(void)state;
	for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
		char path[512];

		snprintf(path, sizeof path, SOURCE_DIR "/tests/fuzz/corpus/%s", seeds[i]);
		assert_false(missing(path));
		damage_is_survived(path);
	}
}

/* The first bytes of a file, changed, and what the refusal then names. */
static void foreign_headers_are_named(void **state)
{
	static const struct {
		const char *seed;
		size_t at;
		uint8_t byte;
		const char *words;
	} cases[] = {
		{ "ggmf/model_v7.bin", 4, 99, "version 99" },   { "ggmf/one_q4_0.bin", 32, 12, "type 12" },
		{ "ggmf/one_q4_0.bin", 4, 100, "version 100" }, { "gguf/model_v7.gguf", 4, 9, "version 9" },
		{ "gguf/model_v7.gguf", 68, '5', "rwkv5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tensor_file *f;
		struct err err = { 0 };
		struct buf b = { 0 };
		char path[512];

		snprintf(path, sizeof path, SOURCE_DIR "/tests/fuzz/corpus/%s", cases[i].seed);
		assert_int_equal(file_read(&b, path, 1 << 20, NULL), 0);
		b.p[cases[i].at] = (char)cases[i].byte;
		assert_int_equal(tensor_file_open_memory(&f, b.p, b.used, "x", &err), -ERR_UNSUPPORTED);
		if (!strstr(err.text, cases[i].words) || !*err.hint)
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].seed, err.text, cases[i].words);
		buf_free(&b);
	}
}

/* -- safetensors ------------------------------------------------------------------------ */

static int open_safetensors(struct tensor_file **f, const char *header, size_t data_bytes, struct err *err)
{
	static _Alignas(16) uint8_t bytes[4096];
	uint64_t n = strlen(header);

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(n >> 8 * i);
	memcpy(bytes + 8, header, n);
	for (size_t i = 0; i < data_bytes; i++)
		bytes[8 + n + i] = (uint8_t)i;
	return tensor_file_open_memory(f, bytes, 8 + n + data_bytes, "x.safetensors", err);
}

static void safetensors_are_read(void **state)
{
	struct tensor_file *f;
	const struct tensor *t;
	struct err err;
	char text[SHAPE_TEXT_BYTES];

	(void)state;
	assert_int_equal(open_safetensors(&f,
					  "{\"__metadata__\":{\"a\":\"b\"},\"m\":{\"dtype\":\"BF16\",\"shape\":[2,3],"
					  "\"data_offsets\":[4,16]},\"s\":{\"dtype\":\"F32\",\"shape\":[],"
					  "\"data_offsets\":[0,4]}}",
					  16, &err),
			 0);
	assert_int_equal(f->n_tensors, 2);
	t = tensor_find(f, "m");
	assert_string_equal(tensor_shape_text(text, t), "[2, 3]");
	assert_true(tensor_is_contiguous(t));
	assert_int_equal(t->data[0], 4);
	assert_null(tensor_find(f, "nothing"));
	tensor_file_close(f);
}

static void lying_safetensors_are_refused(void **state)
{
#define ONE(dtype, shape, offsets) "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
	static const struct {
		const char *header;
		enum err_code code;
	} cases[] = {
		{ "{}", ERR_FORMAT },
		{ "{\"w\":", ERR_FORMAT },
		{ "{\"w\":7}", ERR_FORMAT },
		{ ONE("F8", "[4]", "[0,16]"), ERR_FORMAT },
		{ ONE("F32", "[5]", "[0,16]"), ERR_SHAPE },
		{ ONE("F32", "[3]", "[0,16]"), ERR_SHAPE },
		{ ONE("F32", "[4]", "[0,17]"), ERR_TRUNCATED },
		{ ONE("F32", "[4]", "[16,0]"), ERR_FORMAT },
		{ ONE("F32", "[4]", "[-16,0]"), ERR_FORMAT },
		{ ONE("F32", "[4.5]", "[0,16]"), ERR_FORMAT },
		{ ONE("F32", "[NaN]", "[0,16]"), ERR_FORMAT },
		{ ONE("F32", "[-4]", "[0,16]"), ERR_FORMAT },
		{ ONE("F32", "[4294967296,4294967296]", "[0,16]"), ERR_FORMAT },
		{ ONE("F32", "[9223372036854775807,2]", "[0,16]"), ERR_SHAPE },
		{ ONE("F32", "[1,1,1,1,1,1,4]", "[0,16]"), ERR_FORMAT },
		{ "{\"w\":{},\"w\":{}}", ERR_FORMAT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tensor_file *f;
		struct err err = { 0 };
		int rc = open_safetensors(&f, cases[i].header, 16, &err);

		if (rc != -(int)cases[i].code)
			fail_msg("%s: %d, \"%s\"", cases[i].header, rc, err.text);
	}
}

static void what_is_no_model_is_told_apart(void **state)
{
	static const struct {
		const char *bytes, *hint;
	} cases[] = {
		{ "version https://git-lfs.github.com/spec/v1\n", "git lfs" },
		{ "<!DOCTYPE html>", "web page" },
		{ "Not found", "an error that a server sent" },
		{ "\x1f\x8b\x08", "archive" },
		{ "7z\xbc\xaf\x27\x1c", "archive" },
		{ "\x01\x02\x03\x04", "checkpoint" },
		{ "{\"timestamp\":\"2025-09-11T12:34:56Z\",\"event_type\":\"session_start\"}\n", "rwkvmon analyze" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tensor_file *f;
		struct err err = { 0 };

		assert_int_equal(tensor_file_open_memory(&f, cases[i].bytes, strlen(cases[i].bytes), "x", &err),
				 -ERR_FORMAT);
		assert_non_null(strstr(err.hint, cases[i].hint));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(torch_files_of_every_make),
		cmocka_unit_test(refusals_say_what_is_wrong),
		cmocka_unit_test(every_prefix_and_every_flipped_bit_is_survived),
		cmocka_unit_test(foreign_headers_are_named),
		cmocka_unit_test(safetensors_are_read),
		cmocka_unit_test(lying_safetensors_are_refused),
		cmocka_unit_test(what_is_no_model_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
