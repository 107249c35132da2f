/* weight_check_test.c - a trained model is quiet, and each kind of damage is named. */
#include "golden.h"
#include "runtime/weight_check.h"

#include <stdlib.h>

static struct tensor_file *open_model(void)
{
	struct tensor_file *f;
	struct err err;

	assert_int_equal(tensor_file_open(&f, SOURCE_DIR "/models/tiny-rwkv7.safetensors", &err), 0);
	return f;
}

static struct tensor *named(struct tensor_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_tensors; i++)
		if (!strcmp(f->tensors[i].name, name))
			return &f->tensors[i];
	fail_msg("no %s", name);
	return NULL;
}

static void expect(struct tensor_file *f, enum weight_fault fault, const char *name)
{
	struct weight_findings found;
	char text[WEIGHT_TEXT];
	struct err err;

	assert_int_equal(weight_check(&found, f, &err), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.finding[0].fault, fault);
	assert_string_equal(found.finding[0].name, name);
	assert_non_null(strstr(weight_finding_text(text, &found.finding[0], LANG_EN), name));
	tensor_file_close(f);
}

static void a_trained_model_is_quiet(void **state)
{
	struct tensor_file *f = open_model();
	struct weight_findings found;
	struct err err;

	(void)state;
	assert_int_equal(weight_check(&found, f, &err), 0);
	assert_int_equal(found.n, 0);
	tensor_file_close(f);
}

static void exchanged_layers_are_named(void **state)
{
	struct tensor_file *f = open_model();
	char other[128];

	(void)state;
	for (size_t i = 0; i < f->n_tensors; i++)
		if (!strncmp(f->tensors[i].name, "blocks.1.", 9)) {
			struct tensor *a = &f->tensors[i], *b;
			const uint8_t *data = a->data;

			snprintf(other, sizeof other, "blocks.2.%s", a->name + 9);
			b = named(f, other);
			a->data = b->data;
			b->data = data;
		}
	expect(f, WEIGHT_EXCHANGED, "blocks.1, blocks.2");
}

static void a_matrix_of_zeros(void **state)
{
	struct tensor_file *f = open_model();
	struct tensor *t = named(f, "blocks.4.ffn.key.weight");
	uint8_t *zeros = calloc(t->count, dtype_specs[t->dtype].bytes);

	(void)state;
	t->data = zeros;
	expect(f, WEIGHT_ZERO, "blocks.4.ffn.key.weight");
	free(zeros);
}

static void a_large_matrix(void **state)
{
	struct tensor_file *f = open_model();
	struct tensor *t = named(f, "blocks.3.att.output.weight");
	float *large = malloc(t->count * sizeof *large);

	(void)state;
	for (uint64_t i = 0; i < t->count; i++)
		large[i] = 100 * tensor_element(t, i);
	t->dtype = DTYPE_F32;
	t->data = (const uint8_t *)large;
	expect(f, WEIGHT_SIZE, "blocks.3.att.output.weight");
	free(large);
}

static void a_transposed_matrix(void **state)
{
	struct tensor_file *f = open_model();
	struct tensor *t = named(f, "blocks.2.att.key.weight");
	uint64_t stride = t->stride[0];

	(void)state;
	t->stride[0] = t->stride[1];
	t->stride[1] = stride;
	expect(f, WEIGHT_MISFIT, "blocks.2.att.key.weight");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trained_model_is_quiet), cmocka_unit_test(exchanged_layers_are_named),
		cmocka_unit_test(a_matrix_of_zeros),        cmocka_unit_test(a_large_matrix),
		cmocka_unit_test(a_transposed_matrix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
