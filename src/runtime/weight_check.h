/* weight_check.h - weights that are damaged though every value is finite: each tensor against the same tensor of the
 * other layers.
 *
 * Checks zeros, size, tails, values that do not vary, layers whose profiles are in the wrong order, and relations
 * within a layer (weight_relations.def) that hold in all layers except one. Nothing is compared with numbers of another
 * model: a model of any version, trained or not, has no findings if all of its layers are alike.
 *
 * Ownership  the caller's struct; nothing to free.
 * Cost       at most 256 by 256 values of each tensor are read: milliseconds to a second.
 * Errors     -ERR_NOMEM; a file in which nothing can be compared (fewer than 4 layers, int8) has few findings or none.
 */
#ifndef RWKVMON_RUNTIME_WEIGHT_CHECK_H
#define RWKVMON_RUNTIME_WEIGHT_CHECK_H

#include "runtime/tensor_file.h"
#include "spec/lang.h"

enum weight_fault {
#define WEIGHT_FAULT(name, ...) WEIGHT_##name,
#include "runtime/weight_faults.def"
#undef WEIGHT_FAULT
	WEIGHT_FAULT_COUNT
};

enum { WEIGHT_FINDINGS = 16, WEIGHT_TEXT = 256 };

struct weight_finding {
	enum weight_fault fault;
	char name[PRINTABLE_BYTES]; /* about the tensor, or about two layers */
};

struct weight_findings {
	size_t n; /* how many there are; the first WEIGHT_FINDINGS are kept */
	struct weight_finding finding[WEIGHT_FINDINGS];
};

struct model;

int weight_check(struct weight_findings *out, const struct tensor_file *f, struct err *err);
int weight_check_model(struct weight_findings *out, const struct model *m, struct err *err);

/* "blocks.2.att.key.weight: all values are 0" */
const char *weight_finding_text(char out[WEIGHT_TEXT], const struct weight_finding *f, enum lang lang);

#endif
