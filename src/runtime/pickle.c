/* pickle.c - interprets the opcodes of a pickle. Source of the opcodes: Python's Lib/pickletools.py; of the arguments
 * of the globals: torch/_utils.py and torch/serialization.py. */
#include "runtime/pickle.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { PICKLE_BYTES_MAX = 1 << 24 }; /* the largest released RWKV needs 0.3 MB */

enum global_kind { GLOBAL_TENSOR, GLOBAL_PARAMETER, GLOBAL_DICT, GLOBAL_STORAGE };

struct pickle_global {
	const char *module, *name;
	enum global_kind kind;
	enum dtype dtype; /* GLOBAL_STORAGE */
};

static const struct pickle_global globals[] = {
	{ "torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, 0 },
	{ "torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, 0 },
	{ "torch._utils", "_rebuild_parameter_with_state", GLOBAL_PARAMETER, 0 },
	{ "collections", "OrderedDict", GLOBAL_DICT, 0 },
#define DTYPE(name, text, bytes, torch_name, ...) { "torch", torch_name, GLOBAL_STORAGE, DTYPE_##name },
#include "runtime/dtypes.def"
#undef DTYPE
};

struct machine {
	const char *label;
	struct slice in;
	size_t at;
	struct arena *arena;
	struct pickle_value *stack;
	size_t depth, stack_cap;
	struct pickle_value *memo; /* an entry never put has kind PICKLE_MARK */
	size_t memo_cap;
	struct err *err;
};

static int refuse(struct machine *m, const char *what)
{
	return err_set(m->err, ERR_FORMAT, "%s: its pickle is damaged at byte %zu: %s", m->label, m->at,
		       err_words(what));
}

static int no_memory(struct machine *m)
{
	return err_set(m->err, ERR_NOMEM, "%s: no memory to read its pickle", m->label);
}

/* -- input --------------------------------------------------------------------------- */

/* NULL when the pickle ends before n more bytes. */
static const char *take(struct machine *m, size_t n)
{
	const char *p = m->in.p + m->at;

	if (n > m->in.n - m->at) {
		err_set(m->err, ERR_TRUNCATED, "%s: its pickle ends at byte %zu in the middle of an instruction",
			m->label, m->in.n);
		err_hint(m->err, "The file is incomplete: download it again.");
		return NULL;
	}
	m->at += n;
	return p;
}

static int read_number(struct machine *m, int bytes, uint64_t *out)
{
	const char *p = take(m, (size_t)bytes);

	if (!p)
		return -ERR_TRUNCATED;
	*out = read_le(p, bytes);
	return 0;
}

static int read_line(struct machine *m, struct slice *out)
{
	const char *p = m->in.p + m->at, *end = memchr(p, '\n', m->in.n - m->at);

	if (!end)
		return take(m, m->in.n - m->at + 1) ? 0 : -ERR_TRUNCATED;
	*out = (struct slice){ p, (size_t)(end - p) };
	m->at += out->n + 1;
	return 0;
}

/* -- stack, memo, items -------------------------------------------------------------- */

static int push(struct machine *m, struct pickle_value v)
{
	if (!array_grow(&m->stack, m->depth, &m->stack_cap, 256, sizeof *m->stack))
		return no_memory(m);
	m->stack[m->depth++] = v;
	return 0;
}

static int push_int(struct machine *m, enum pickle_kind kind, int64_t v)
{
	return push(m, (struct pickle_value){ .kind = kind, .integer = v });
}

/* The top value, when there is one above the nearest mark. */
static struct pickle_value *top(struct machine *m)
{
	struct pickle_value *v = m->depth ? &m->stack[m->depth - 1] : NULL;

	return v && v->kind != PICKLE_MARK ? v : NULL;
}

/* Index just above the nearest mark; 0 when there is no mark (its own index is never 0). */
static size_t above_mark(struct machine *m)
{
	size_t i = m->depth;

	while (i && m->stack[i - 1].kind != PICKLE_MARK)
		i--;
	return i;
}

static int items_add(struct machine *m, struct pickle_items *items, const struct pickle_value *v, size_t n)
{
	if (n > items->cap - items->n) {
		size_t cap = items->n + n > 2 * items->cap ? items->n + n : 2 * items->cap;
		struct pickle_value *more = arena_alloc(m->arena, cap, sizeof *more);

		if (!more)
			return no_memory(m);
		if (items->n)
			memcpy(more, items->v, items->n * sizeof *more);
		items->v = more;
		items->cap = cap;
	}
	if (n)
		memcpy(items->v + items->n, v, n * sizeof *v);
	items->n += n;
	return 0;
}

/* Replaces the values from `from` on by one collection of them. */
static int collect(struct machine *m, enum pickle_kind kind, size_t from, size_t drop)
{
	struct pickle_items *items = arena_alloc(m->arena, 1, sizeof *items);

	if (!items)
		return no_memory(m);
	if (from < m->depth && items_add(m, items, m->stack + from, m->depth - from))
		return -ERR_NOMEM;
	m->depth = from - drop;
	return push(m, (struct pickle_value){ .kind = kind, .items = items });
}

static int tuple_of_top(struct machine *m, size_t n)
{
	bool there = m->depth >= n;

	for (size_t i = 0; there && i < n; i++)
		there = m->stack[m->depth - 1 - i].kind != PICKLE_MARK;
	if (!there)
		return refuse(m, "a tuple of more values than there are");
	return collect(m, PICKLE_TUPLE, m->depth - n, 0);
}

static int tuple_above_mark(struct machine *m)
{
	size_t from = above_mark(m);

	return from ? collect(m, PICKLE_TUPLE, from, 1) : refuse(m, "a tuple without its mark");
}

/* The values from `from` on join the collection below them (and below the mark, if any). */
static int append(struct machine *m, enum pickle_kind kind, size_t from, size_t mark)
{
	size_t n = m->depth - from;
	struct pickle_value *target = from > mark ? &m->stack[from - mark - 1] : NULL;

	if (!target || target->kind != kind)
		return refuse(m, "items for something that is no list or dict");
	if (kind == PICKLE_DICT && n % 2)
		return refuse(m, "a key without its value");
	if (n && items_add(m, target->items, m->stack + from, n))
		return -ERR_NOMEM;
	m->depth = from - mark;
	return 0;
}

static int append_top(struct machine *m, enum pickle_kind kind, size_t n)
{
	return m->depth >= n ? append(m, kind, m->depth - n, 0) : refuse(m, "items that are not there");
}

static int append_above_mark(struct machine *m, enum pickle_kind kind)
{
	size_t from = above_mark(m);

	return from ? append(m, kind, from, 1) : refuse(m, "items without their mark");
}

static int memo_put(struct machine *m, uint64_t i)
{
	const struct pickle_value *v = top(m);

	if (!v || i >= m->in.n) /* a real pickler counts from 0 and spends a byte on each */
		return refuse(m, "an impossible memo entry");
	if (i >= m->memo_cap) {
		size_t cap = i + 1 > 2 * m->memo_cap ? (size_t)i + 1 : 2 * m->memo_cap;
		struct pickle_value *more = realloc(m->memo, cap * sizeof *more);

		if (!more)
			return no_memory(m);
		memset(more + m->memo_cap, 0, (cap - m->memo_cap) * sizeof *more);
		m->memo = more;
		m->memo_cap = cap;
	}
	m->memo[i] = *v;
	return 0;
}

static int memo_get(struct machine *m, uint64_t i)
{
	if (i >= m->memo_cap || m->memo[i].kind == PICKLE_MARK)
		return refuse(m, "a memo entry that was never made");
	return push(m, m->memo[i]);
}

/* -- what the allowed globals make of their arguments -------------------------------- */

/* PyTorch's own: harmless, but kinds of tensors that are not read here (fp8, sparse, quantised, …). */
static bool is_torch_tensor(struct slice module, struct slice name)
{
	static const char rebuild[] = "_rebuild", fp8[] = "float8";

	return (slice_is(module, "torch._utils") && name.n > 8 && !memcmp(name.p, rebuild, 8)) ||
	       (slice_is(module, "torch") && name.n > 6 && !memcmp(name.p, fp8, 6)) ||
	       slice_is(module, "torch.storage");
}

static int push_global(struct machine *m)
{
	struct slice module, name;
	char text[PRINTABLE_BYTES], text2[PRINTABLE_BYTES];

	if (read_line(m, &module) || read_line(m, &name))
		return -ERR_TRUNCATED;
	for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
		if (slice_is(module, globals[i].module) && slice_is(name, globals[i].name))
			return push(m, (struct pickle_value){ .kind = PICKLE_GLOBAL, .global = &globals[i] });
	err_set(m->err, ERR_UNSUPPORTED, "%s: its pickle asks for %s.%s; expected only tensors and dictionaries",
		m->label, printable(text, module), printable(text2, name));
	if (is_torch_tensor(module, name))
		return err_hint(m->err,
				"That is a kind of tensor which is not read here (fp8, sparse, quantised): save "
				"the weights as bf16 or fp16, or as .safetensors.");
	return err_hint(m->err, "Such a file can run code when Python loads it. Use a plain state_dict, or a "
				".safetensors file.");
}

/* ("storage", type, key, location, count[, view]) */
static int push_storage(struct machine *m)
{
	struct pickle_value *id = top(m), *v;
	struct pickle_storage *s;

	if (!id || id->kind != PICKLE_TUPLE || id->items->n < 5)
		return refuse(m, "a storage that is not described by a tuple of five");
	v = id->items->v;
	if (v[0].kind != PICKLE_TEXT || !slice_is(v[0].text, "storage") || v[1].kind != PICKLE_GLOBAL ||
	    v[1].global->kind != GLOBAL_STORAGE || v[2].kind != PICKLE_TEXT || v[4].kind != PICKLE_INT ||
	    v[4].integer < 0)
		return refuse(m, "a storage described in an unknown way");
	if (id->items->n > 5 && v[5].kind != PICKLE_NONE)
		return refuse(m, "a storage that is a view of another one");
	s = arena_alloc(m->arena, 1, sizeof *s);
	if (!s)
		return no_memory(m);
	*s = (struct pickle_storage){ v[2].text, v[1].global->dtype, (uint64_t)v[4].integer };
	*id = (struct pickle_value){ .kind = PICKLE_STORAGE, .storage = s };
	return 0;
}

/* A tuple of at most TENSOR_DIMS numbers >= 0; its length, or -1. */
static int dims_of(const struct pickle_value *v, uint64_t out[TENSOR_DIMS])
{
	if (v->kind != PICKLE_TUPLE || v->items->n > TENSOR_DIMS)
		return -1;
	for (size_t i = 0; i < v->items->n; i++) {
		if (v->items->v[i].kind != PICKLE_INT || v->items->v[i].integer < 0)
			return -1;
		out[i] = (uint64_t)v->items->v[i].integer;
	}
	return (int)v->items->n;
}

/* (storage, offset, shape, stride, requires_grad, hooks[, metadata]) */
static int make_tensor(struct machine *m, struct pickle_value *out, const struct pickle_items *args)
{
	const struct pickle_value *v = args->v;
	struct pickle_tensor *t = arena_alloc(m->arena, 1, sizeof *t);

	if (!t)
		return no_memory(m);
	if (args->n < 4 || v[0].kind != PICKLE_STORAGE || v[1].kind != PICKLE_INT || v[1].integer < 0)
		return refuse(m, "a tensor described in an unknown way");
	t->storage = v[0].storage;
	t->offset = (uint64_t)v[1].integer;
	t->n_dims = dims_of(&v[2], t->shape);
	if (t->n_dims < 0 || dims_of(&v[3], t->stride) != t->n_dims)
		return refuse(m, "a tensor whose shape or strides make no sense");
	*out = (struct pickle_value){ .kind = PICKLE_TENSOR, .tensor = t };
	return 0;
}

static int reduce(struct machine *m)
{
	struct pickle_value *fn, args;

	if (m->depth < 2 || !top(m) || top(m)->kind != PICKLE_TUPLE || m->stack[m->depth - 2].kind != PICKLE_GLOBAL)
		return refuse(m, "a call of something that cannot be called");
	args = m->stack[--m->depth];
	fn = &m->stack[m->depth - 1];
	switch (fn->global->kind) {
	case GLOBAL_TENSOR:
		return make_tensor(m, fn, args.items);
	case GLOBAL_PARAMETER: /* (tensor, requires_grad, hooks): the tensor itself */
		if (!args.items->n || args.items->v[0].kind != PICKLE_TENSOR)
			return refuse(m, "a parameter that is no tensor");
		*fn = args.items->v[0];
		return 0;
	case GLOBAL_DICT:
		if (args.items->n)
			return refuse(m, "an OrderedDict made from something");
		m->depth--;
		return collect(m, PICKLE_DICT, m->depth, 0);
	default:
		return refuse(m, "a storage made by a call");
	}
}

/* Attributes (state_dict's _metadata) are dropped: nothing here needs them. */
static int build(struct machine *m)
{
	if (!top(m) || m->depth < 2 ||
	    (m->stack[m->depth - 2].kind != PICKLE_DICT && m->stack[m->depth - 2].kind != PICKLE_TENSOR))
		return refuse(m, "attributes for something that has none");
	m->depth--;
	return 0;
}

static int push_text(struct machine *m)
{
	uint64_t n = 0;
	const char *p = NULL;

	if (!read_number(m, 4, &n))
		p = take(m, (size_t)n);
	if (!p)
		return -ERR_TRUNCATED;
	return push(m, (struct pickle_value){ .kind = PICKLE_TEXT, .text = { p, (size_t)n } });
}

/* Two's complement of any length; what fits 64 bits is an ordinary number. */
static int push_long(struct machine *m)
{
	uint64_t n = 0, v;
	const char *p = NULL;

	if (!read_number(m, 1, &n))
		p = take(m, (size_t)n);
	if (!p)
		return -ERR_TRUNCATED;
	if (n > 8)
		return push(m, (struct pickle_value){ .kind = PICKLE_LONG, .text = { p, (size_t)n } });
	v = read_le(p, (int)n);
	if (n && n < 8 && v >> (8 * n - 1))
		v |= ~(uint64_t)0 << 8 * n;
	return push_int(m, PICKLE_INT, (int64_t)v);
}

/* Big-endian, alone among all. */
static int push_float(struct machine *m)
{
	const char *p = take(m, 8);
	unsigned char swapped[8];
	struct pickle_value v = { .kind = PICKLE_FLOAT };
	uint64_t bits;

	if (!p)
		return -ERR_TRUNCATED;
	for (int i = 0; i < 8; i++)
		swapped[i] = (unsigned char)p[7 - i];
	bits = read_le(swapped, 8);
	memcpy(&v.real, &bits, sizeof v.real);
	return push(m, v);
}

static int push_unsigned(struct machine *m, int bytes)
{
	uint64_t v = 0;

	return read_number(m, bytes, &v) ? -ERR_TRUNCATED
					 : push_int(m, PICKLE_INT, bytes == 4 ? (int64_t)(int32_t)v : (int64_t)v);
}

static int protocol(struct machine *m)
{
	uint64_t version = 0;

	if (read_number(m, 1, &version))
		return -ERR_TRUNCATED;
	if (version == 2)
		return 0;
	err_set(m->err, ERR_UNSUPPORTED, "%s: its pickle has protocol %d; expected 2", m->label, (int)version);
	return err_hint(m->err, "Load it in Python and save it with torch.save(state_dict, file) as it is by default.");
}

static int memo_op(struct machine *m, int bytes, int (*op)(struct machine *, uint64_t))
{
	uint64_t i = 0;

	return read_number(m, bytes, &i) ? -ERR_TRUNCATED : op(m, i);
}

static int unknown(struct machine *m, unsigned char op)
{
	err_set(m->err, ERR_UNSUPPORTED,
		"%s: its pickle uses the instruction 0x%02x at byte %zu, which no "
		"checkpoint needs",
		m->label, op, m->at - 1);
	return err_hint(m->err, "Save a plain state_dict with torch.save, or use a .safetensors file.");
}

/* Opcodes that take values off the stack and push one instead. */
static int join(struct machine *m, unsigned char op)
{
	switch (op) {
	case 't':
		return tuple_above_mark(m);
	case 0x85:
		return tuple_of_top(m, 1);
	case 0x86:
		return tuple_of_top(m, 2);
	case 0x87:
		return tuple_of_top(m, 3);
	case 'R':
		return reduce(m);
	case 'b':
		return build(m);
	case 's':
		return append_top(m, PICKLE_DICT, 2);
	case 'u':
		return append_above_mark(m, PICKLE_DICT);
	case 'a':
		return append_top(m, PICKLE_LIST, 1);
	case 'e':
		return append_above_mark(m, PICKLE_LIST);
	default:
		return unknown(m, op);
	}
}

/* Opcodes that push a value; all others combine values. */
static int step(struct machine *m, unsigned char op)
{
	switch (op) {
	case 0x80:
		return protocol(m);
	case '}':
		return collect(m, PICKLE_DICT, m->depth, 0);
	case ')':
		return collect(m, PICKLE_TUPLE, m->depth, 0);
	case ']':
		return collect(m, PICKLE_LIST, m->depth, 0);
	case '(':
		return push_int(m, PICKLE_MARK, 0);
	case 'N':
		return push_int(m, PICKLE_NONE, 0);
	case 0x88:
		return push_int(m, PICKLE_BOOL, 1);
	case 0x89:
		return push_int(m, PICKLE_BOOL, 0);
	case 'K':
		return push_unsigned(m, 1);
	case 'M':
		return push_unsigned(m, 2);
	case 'J':
		return push_unsigned(m, 4);
	case 0x8a:
		return push_long(m);
	case 'G':
		return push_float(m);
	case 'X':
		return push_text(m);
	case 'c':
		return push_global(m);
	case 'Q':
		return push_storage(m);
	case 'q':
		return memo_op(m, 1, memo_put);
	case 'r':
		return memo_op(m, 4, memo_put);
	case 'h':
		return memo_op(m, 1, memo_get);
	case 'j':
		return memo_op(m, 4, memo_get);
	default:
		return join(m, op);
	}
}

static int run(struct machine *m, struct pickle_value *out)
{
	const char *op;
	int rc;

	for (;;) {
		op = take(m, 1);
		if (!op)
			return -ERR_TRUNCATED;
		if (*op == '.')
			break;
		rc = step(m, (unsigned char)*op);
		if (rc)
			return rc;
	}
	if (!top(m))
		return refuse(m, "it ends without a result");
	*out = *top(m);
	return 0;
}

int pickle_load(struct pickle_value *out, size_t *used, struct slice bytes, struct arena *arena, const char *label,
		struct err *err)
{
	struct machine m = { .label = label, .in = bytes, .arena = arena, .err = err };
	int rc;

	if (bytes.n > PICKLE_BYTES_MAX)
		m.in.n = PICKLE_BYTES_MAX;
	rc = run(&m, out);
	if (rc == -ERR_TRUNCATED && bytes.n > PICKLE_BYTES_MAX)
		rc = err_set(err, ERR_UNSUPPORTED, "%s: its pickle is larger than %d bytes", label, PICKLE_BYTES_MAX);
	*used = m.at;
	free(m.stack);
	free(m.memo);
	return rc;
}
