/* YAML whose pieces are repeated: depth, width and aliases far beyond the limits must be refused as fast as they are
 * read. Every third byte of the input is how often the two before it stand there. */
#include "base/yaml.h"

#include "base/buf.h"

#include <stdlib.h>

enum { TEXT_MAX = 1 << 20 };

static const char *const pieces[] = { "[",    "]",  "{",     "}",   "- ", "? ", ": ", "\n",
				      " ",    "a",  ",",     "&a ", "*a", "'",  "\"", "| ",
				      "!!x ", "# ", "---\n", "\t",  "<<", "%Y", "\\", "\xe4\xb8\xad" };

static size_t depth_of(const struct yaml_node *node)
{
	size_t deepest = 0;

	if (node->kind == YAML_SCALAR)
		return 1;
	for (size_t i = 0; i < node->n; i++) {
		size_t depth = depth_of(node->item[i]);

		deepest = depth > deepest ? depth : deepest;
	}
	return 1 + deepest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct yaml_node *root;
	struct arena arena = { 0 };
	struct buf text = { 0 };
	struct err err = { 0 };

	for (; n >= 3 && text.used < TEXT_MAX; data += 3, n -= 3)
		for (unsigned i = 0; i < 1U << data[2] % 18; i++)
			for (int k = 0; k < 2; k++)
				buf_str(&text, pieces[data[k] % (sizeof pieces / sizeof *pieces)]);
	if (yaml_parse(&root, &arena, buf_slice(&text), "fuzz.yaml", &err)) {
		if (!err.text[0])
			abort();
	} else if (root && depth_of(root) > 40) {
		abort();
	}
	arena_free(&arena);
	buf_free(&text);
	return 0;
}
