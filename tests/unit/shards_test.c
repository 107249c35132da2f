/* Checkpoints in several .safetensors files: the same as in one, and indices that lie. */
#include "write_model.h"

#include "runtime/run.h"

enum { SHARDS = 3 };

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void write_text(const char *name, const char *text)
{
	struct buf b = { 0 };

	buf_str(&b, text);
	write_file(dir, name, &b);
	buf_free(&b);
}

static void shard_name(char out[64], size_t i)
{
	snprintf(out, 64, "model-%05zu-of-%05d.safetensors", i + 1, SHARDS);
}

/* The embedded model's tensors, dealt out. */
static void write_shards(const struct tensor_file *whole)
{
	struct buf index = { 0 };
	char name[64];

	buf_str(&index, "{\n  \"metadata\": {\"total_size\": 1},\n  \"weight_map\": {");
	for (size_t i = 0; i < whole->n_tensors; i++) {
		shard_name(name, i % SHARDS);
		buf_printf(&index, "%s\n    \"%s\": \"%s\"", i ? "," : "", whole->tensors[i].name, name);
	}
	buf_str(&index, "\n  }\n}\n");
	write_file(dir, "model.safetensors.index.json", &index);
	buf_free(&index);
	for (size_t s = 0; s < SHARDS; s++) {
		struct buf b = { 0 };

		write_safetensors(&b, whole, s, SHARDS);
		shard_name(name, s);
		write_file(dir, name, &b);
		buf_free(&b);
	}
}

static int set_up(void **state)
{
	struct tensor_file *whole;

	(void)state;
	make_folder(dir);
	assert_int_equal(tensor_file_open(&whole, SOURCE_DIR "/models/tiny-rwkv7.safetensors", NULL), 0);
	write_shards(whole);
	tensor_file_close(whole);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	drop_folder(dir);
	return 0;
}

static void check_same(const struct model *a, const struct model *b)
{
	static const uint32_t tokens[] = { 73, 110, 32, 116, 104, 101, 32, 98, 101, 103, 105, 110 };
	struct run_call call = { .tokens = tokens, .n = sizeof tokens / sizeof *tokens };
	struct run *one, *other;

	assert_int_equal(model_info(a)->parameters, model_info(b)->parameters);
	assert_int_equal(model_info(b)->copied_bytes, model_info(a)->copied_bytes);
	assert_int_equal(run_open(&one, a, NULL, NULL), 0);
	assert_int_equal(run_open(&other, b, NULL, NULL), 0);
	assert_int_equal(run_forward(one, &call, NULL), 0);
	assert_int_equal(run_forward(other, &call, NULL), 0);
	assert_memory_equal(run_logits(one), run_logits(other), model_info(a)->n_vocab * sizeof(float));
	assert_memory_equal(run_state_flat(one), run_state_flat(other), model_info(a)->state_floats * sizeof(float));
	run_close(one);
	run_close(other);
}

/* By the index, and by any of the shards: the model that lies in one file. */
static void shards_are_the_model_in_one_file(void **state)
{
	static const char *const names[] = { "model.safetensors.index.json", "model-00001-of-00003.safetensors",
					     "model-00003-of-00003.safetensors" };
	struct model *whole, *sharded;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(model_open(&whole, SOURCE_DIR "/models/tiny-rwkv7.safetensors", NULL, NULL), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (model_open(&sharded, in_dir(names[i]), NULL, &err))
			fail_msg("%s: %s", names[i], err.text);
		check_same(whole, sharded);
		model_close(sharded);
	}
	model_close(whole);
}

/* The working directory is a folder like any other. */
static void a_path_without_a_folder_works(void **state)
{
	char *home = getcwd(NULL, 0);
	struct model *m;

	(void)state;
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(model_open(&m, "model-00002-of-00003.safetensors", NULL, NULL), 0);
	model_close(m);
	assert_int_equal(model_open(&m, "model.safetensors.index.json", NULL, NULL), 0);
	model_close(m);
	assert_int_equal(chdir(home), 0);
	free(home);
}

#define MAP(rows) "{\"weight_map\":{" rows "}}"
#define FIRST "model-00001-of-00003.safetensors"

static void lying_indices_are_refused(void **state)
{
	static const struct {
		const char *index;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ "{", ERR_FORMAT, "index" },
		{ "{}", ERR_FORMAT, "weight_map" },
		{ MAP(""), ERR_FORMAT, "weight_map" },
		{ "{\"weight_map\":[]}", ERR_FORMAT, "weight_map" },
		{ MAP("\"emb.weight\":7"), ERR_FORMAT, "emb.weight" },
		{ MAP("\"emb.weight\":\"../" FIRST "\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\"/etc/" FIRST "\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\"a/b.safetensors\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\"a\\\\b.safetensors\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\"\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\".safetensors\""), ERR_FORMAT, "plain name" },
		{ MAP("\"emb.weight\":\"none.safetensors\""), ERR_OPEN, "none.safetensors" },
		{ MAP("\"emb.weight\":\"index.safetensors\""), ERR_FORMAT, "index.safetensors" },
		{ MAP("\"emb.weight\":\"empty.safetensors\""), ERR_FORMAT, "empty.safetensors" },
		{ MAP("\"emb.weight\":\"short.safetensors\""), ERR_TRUNCATED, "short.safetensors" },
		{ MAP("\"no.such\":\"" FIRST "\""), ERR_FORMAT, "no.such" },
		{ MAP("\"emb.weight\":\"" FIRST "\",\"emb.weight\":\"" FIRST "\""), ERR_FORMAT, "uplicate" },
		{ MAP("\"emb.weight\":\"\\u0000\""), ERR_FORMAT, "JSON" },
	};
	static const char short_bytes[] = "\x40\0\0\0\0\0\0\0{\"w\":";
	struct buf b = { 0 };

	(void)state;
	buf_add(&b, short_bytes, sizeof short_bytes - 1);
	write_file(dir, "short.safetensors", &b);
	buf_free(&b);
	write_text("empty.safetensors", "");
	write_text("index.safetensors", MAP("\"emb.weight\":\"index.safetensors\""));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tensor_file *f;
		struct err err = { 0 };
		int rc;

		write_text("bad.json", cases[i].index);
		rc = tensor_file_open(&f, in_dir("bad.json"), &err);
		if (rc != -(int)cases[i].code || !strstr(err.text, cases[i].words))
			fail_msg("%s: %d, \"%s\"", cases[i].index, rc, err.text);
		assert_null(f);
	}
}

/* A missing index, a missing shard, an index of another model: each names the file and the fix. */
static void what_is_missing_is_named(void **state)
{
	struct tensor_file *f;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(unlink(in_dir("model-00002-of-00003.safetensors")), 0);
	assert_int_equal(tensor_file_open(&f, in_dir("model-00001-of-00003.safetensors"), &err), -ERR_OPEN);
	assert_non_null(strstr(err.text, "model-00002-of-00003.safetensors"));
	assert_non_null(strstr(err.hint, "model.safetensors.index.json"));
	write_text("other-00001-of-00002.safetensors", "");
	assert_int_equal(tensor_file_open(&f, in_dir("other-00001-of-00002.safetensors"), &err), -ERR_OPEN);
	assert_non_null(strstr(err.text, "other.safetensors.index.json"));
	write_text("other.safetensors.index.json", MAP("\"emb.weight\":\"" FIRST "\""));
	assert_int_equal(tensor_file_open(&f, in_dir("other-00001-of-00002.safetensors"), &err), -ERR_FORMAT);
	assert_non_null(strstr(err.text, "does not name the shard"));
	assert_null(f);
	assert_int_equal(tensor_file_open_memory(&f, "{\"weight_map\":{}}", 17, "x", &err), -ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shards_are_the_model_in_one_file),
		cmocka_unit_test(a_path_without_a_folder_works),
		cmocka_unit_test(lying_indices_are_refused),
		cmocka_unit_test(what_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
