/* trained_file.c - a model as .safetensors, under torch's names for the network's weights, and back.
 *
 *     rwkvmon.forecast  I64  layout (1), CRC-32 of the data of all other tensors in this order
 *     sessions          I64  hashes of the sessions it has learned from
 *     scale             F32  (metrics, 2 + horizons): mean, spread, changes
 *     lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, … head.weight, head.bias    F32
 *     metrics           U8   names, each ended by a new line
 */
#include "learn/trained.h"

#include "runtime/safetensors_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LAYOUT = 1, SCALES = 2 + TRAINED_HORIZONS, PARTS_MAX = 4 + 3 * LSTM_LAYERS_MAX + 2, PART_NAME = 48 };

_Static_assert(sizeof(struct trained_scale) == SCALES * sizeof(float), "scales lie behind one another");

static const char make_one[] = "rwkvmon forecast --train logs/ -o model.safetensors";

struct parts {
	struct tensor tensor[PARTS_MAX];
	char name[PARTS_MAX][PART_NAME];
	size_t n;
	int64_t about[2];
	char metrics[TRAINED_METRICS_MAX * TRAINED_NAME_BYTES];
};

/* --- writing ----------------------------------------------------------------------------- */

/* cols 0: one dimension. */
static void add(struct parts *p, const char *name, enum dtype dtype, const void *data, size_t rows, size_t cols)
{
	struct tensor *t = &p->tensor[p->n];

	snprintf(p->name[p->n], PART_NAME, "%s", name);
	*t = (struct tensor){ .name = p->name[p->n++],
			      .dtype = dtype,
			      .n_dims = cols ? 2 : 1,
			      .shape = { rows, cols },
			      .count = rows * (cols ? cols : 1),
			      .data = data };
}

static void add_weights(struct parts *p, struct lstm *net)
{
	static const char *const name[] = { [LSTM_IH] = "weight_ih", [LSTM_HH] = "weight_hh", [LSTM_BIAS] = "bias_ih" };
	char text[PART_NAME];

	for (size_t l = 0; l < net->shape.layers; l++)
		for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
			struct lstm_place at = lstm_place(&net->shape, (enum lstm_part)i, l);

			snprintf(text, sizeof text, "lstm.%s_l%zu", name[i], l);
			add(p, text, DTYPE_F32, net->weight + at.at, at.rows, i == LSTM_BIAS ? 0 : at.cols);
		}
	add(p, "head.weight", DTYPE_F32, net->weight + lstm_place(&net->shape, LSTM_HEAD_WEIGHT, 0).at,
	    net->shape.outputs, net->shape.units);
	add(p, "head.bias", DTYPE_F32, net->weight + lstm_place(&net->shape, LSTM_HEAD_BIAS, 0).at, net->shape.outputs,
	    0);
}

/* All but the first, which describes them. */
static int64_t sum_of(const struct parts *p)
{
	uLong sum = crc32(0, NULL, 0);

	for (size_t i = 1; i < p->n; i++)
		sum = crc32(sum, p->tensor[i].data, (uInt)(p->tensor[i].count * dtype_specs[p->tensor[i].dtype].bytes));
	return (int64_t)sum;
}

int trained_save(const struct trained *l, const char *path, struct err *err)
{
	struct parts p = { 0 };
	size_t used = 0;

	for (size_t m = 0; m < l->n_metrics; m++)
		used += (size_t)snprintf(p.metrics + used, sizeof p.metrics - used, "%s\n", l->metric[m]);
	add(&p, "rwkvmon.forecast", DTYPE_I64, p.about, sizeof p.about / sizeof *p.about, 0);
	add(&p, "sessions", DTYPE_I64, l->session, l->n_sessions, 0);
	add(&p, "scale", DTYPE_F32, l->scale, l->n_metrics, SCALES);
	add_weights(&p, l->net);
	add(&p, "metrics", DTYPE_U8, p.metrics, used, 0);
	p.about[0] = LAYOUT;
	p.about[1] = sum_of(&p);
	return safetensors_write(path, p.tensor, p.n, err);
}

/* --- reading ----------------------------------------------------------------------------- */

static int foreign(const struct tensor_file *f, const char *what, struct err *err)
{
	err_set(err, ERR_FORMAT, "%s: is no forecasting model: %s", f->label, err_words(what));
	return err_hint(err, "make one with: %s", make_one);
}

static const struct tensor *find(const struct tensor_file *f, const char *name, enum dtype dtype, int n_dims)
{
	const struct tensor *t = tensor_find(f, name);

	return t && t->dtype == dtype && t->n_dims == n_dims && t->count && tensor_is_contiguous(t) ? t : NULL;
}

static int64_t whole_at(const struct tensor *t, size_t i)
{
	return (int64_t)read_le(t->data + i * sizeof(int64_t), sizeof(int64_t));
}

static int read_about(const struct tensor_file *f, int64_t *sum, struct err *err)
{
	const struct tensor *t = find(f, "rwkvmon.forecast", DTYPE_I64, 1);

	if (!t || t->count != 2)
		return foreign(f, "it lacks the tensor rwkvmon.forecast", err);
	if (whole_at(t, 0) != LAYOUT)
		return err_set(err, ERR_UNSUPPORTED, "%s: forecasting model of layout %lld; expected layout %d",
			       f->label, (long long)whole_at(t, 0), LAYOUT);
	*sum = whole_at(t, 1);
	return 0;
}

static int read_metrics(struct trained *l, const struct tensor_file *f, struct err *err)
{
	const struct tensor *t = find(f, "metrics", DTYPE_U8, 1);
	size_t used = 0;

	for (uint64_t i = 0; t && i < t->count && l->n_metrics < TRAINED_METRICS_MAX; i++) {
		if (t->data[i] == '\n') {
			l->n_metrics++;
			used = 0;
		} else if (used + 1 < TRAINED_NAME_BYTES) {
			l->metric[l->n_metrics][used++] = (char)t->data[i];
		}
	}
	return l->n_metrics ? 0 : foreign(f, "it names no metrics", err);
}

static int read_scales(struct trained *l, const struct tensor_file *f, struct err *err)
{
	const struct tensor *t = find(f, "scale", DTYPE_F32, 2);

	if (!t || t->shape[0] != l->n_metrics || t->shape[1] != SCALES)
		return foreign(f, "its scales do not fit its metrics", err);
	memcpy(l->scale, t->data, l->n_metrics * sizeof *l->scale);
	for (size_t m = 0; m < l->n_metrics; m++)
		for (size_t i = 0; i < SCALES; i++) {
			float v = tensor_element(t, m * SCALES + i);

			if (!isfinite(v) || (i && !(v > 0)))
				return foreign(f, "its scales are no positive numbers", err);
		}
	return 0;
}

static int read_sessions(struct trained *l, const struct tensor_file *f, struct err *err)
{
	const struct tensor *t = find(f, "sessions", DTYPE_I64, 1);

	if (!t || t->count > TRAINED_SESSIONS_MAX)
		return foreign(f, "it does not say what it has learned from", err);
	l->session = calloc((size_t)t->count, sizeof *l->session);
	if (!l->session)
		return err_set(err, ERR_NOMEM, "%s: no memory for it", f->label);
	for (; l->n_sessions < t->count; l->n_sessions++) {
		l->session[l->n_sessions] = whole_at(t, l->n_sessions);
		if (l->n_sessions && l->session[l->n_sessions] < l->session[l->n_sessions - 1])
			return foreign(f, "its sessions are not in order", err);
	}
	return 0;
}

static int read_shape(struct trained *l, const struct tensor_file *f, struct err *err)
{
	const struct tensor *t = find(f, "lstm.weight_hh_l0", DTYPE_F32, 2);
	struct lstm_shape shape = { .inputs = l->n_metrics * TRAINED_INPUTS,
				    .units = t && t->shape[1] <= LSTM_UNITS_MAX ? (size_t)t->shape[1] : 0,
				    .layers = tensor_find(f, "lstm.weight_hh_l1") ? 2 : 1,
				    .outputs = trained_output(l->n_metrics, 0) };

	if (!shape.units)
		return foreign(f, "it has no network of at most 64 units", err);
	l->net = lstm_open(shape);
	return l->net ? 0 : err_set(err, ERR_NOMEM, "%s: no memory for it", f->label);
}

/* Copies each part's data to where it belongs, and holds the sum of all against that of the file. */
static int read_weights(struct trained *l, const struct tensor_file *f, int64_t sum, struct err *err)
{
	struct parts p = { .n = 0 };
	const struct tensor *metrics = find(f, "metrics", DTYPE_U8, 1);

	add(&p, "rwkvmon.forecast", DTYPE_I64, p.about, 2, 0);
	add(&p, "sessions", DTYPE_I64, l->session, l->n_sessions, 0);
	add(&p, "scale", DTYPE_F32, l->scale, l->n_metrics, SCALES);
	add_weights(&p, l->net);
	for (size_t i = 3; i < p.n; i++) {
		const struct tensor *own = &p.tensor[i], *t = find(f, own->name, DTYPE_F32, own->n_dims);

		if (!t || t->shape[0] != own->shape[0] || (own->n_dims == 2 && t->shape[1] != own->shape[1]))
			return foreign(f, "a weight is missing or of another shape", err);
		memcpy((void *)(uintptr_t)own->data, t->data, (size_t)own->count * sizeof(float));
	}
	add(&p, "metrics", DTYPE_U8, metrics->data, (size_t)metrics->count, 0);
	if (sum_of(&p) != sum) {
		err_set(err, ERR_FORMAT, "%s: its data do not match their CRC-32: the file is damaged", f->label);
		return err_hint(err, "train it anew, or copy it again from where it was made");
	}
	for (size_t i = 0; i < l->net->n; i++)
		if (!isfinite(l->net->weight[i]))
			return foreign(f, "a weight is not finite", err);
	return 0;
}

static int read_all(struct trained *l, const struct tensor_file *f, struct err *err)
{
	int64_t sum = 0;
	int rc = read_about(f, &sum, err);

	rc = rc ? rc : read_metrics(l, f, err);
	rc = rc ? rc : read_scales(l, f, err);
	rc = rc ? rc : read_sessions(l, f, err);
	rc = rc ? rc : read_shape(l, f, err);
	return rc ? rc : read_weights(l, f, sum, err);
}

int trained_open(struct trained **out, const char *path, struct err *err)
{
	struct trained *l = calloc(1, sizeof *l);
	struct tensor_file *f = NULL;
	int rc = l ? tensor_file_open(&f, path, err) : err_set(err, ERR_NOMEM, "%s: no memory for it", path);

	*out = NULL;
	if (!rc)
		rc = read_all(l, f, err);
	else if (l) /* what is expected of models that generate text is of no use here */
		err_hint(err, "make one with: %s", make_one);
	tensor_file_close(f);
	if (rc)
		trained_close(l);
	else
		*out = l;
	return rc;
}
