/* pth.h - turns a pickled dictionary of tensors into views; shared by both .pth containers. */
#ifndef RWKVMON_RUNTIME_PTH_H
#define RWKVMON_RUNTIME_PTH_H

#include "runtime/pickle.h"

/* Finds a storage's bytes in the container; false when there are none of that key. */
typedef bool (*pth_storage_fn)(void *ctx, struct slice key, struct slice *bytes);

/* Adds every tensor of the dictionary `root`. Entries that are no tensors are skipped. */
int pth_add_tensors(struct tensor_file *f, const struct pickle_value *root, pth_storage_fn storage, void *ctx,
		    struct err *err);

#endif
