/* doctor.h - `rwkvmon doctor`: gather facts, judge them, draw the answer.
 *
 *     facts_gather    asks the machine and its programs; judges nothing
 *     doctor_judge    one function per check over the facts; asks nobody
 *     command_doctor  draws
 */
#ifndef RWKVMON_CLI_DOCTOR_H
#define RWKVMON_CLI_DOCTOR_H

#include "base/err.h"
#include "runtime/weight_check.h"
#include "spec/doctor.h"
#include "spec/options.h"

#include <sys/stat.h>

enum { FACT = 256 }; /* bytes of a text, NUL included; "" is unknown */

struct gpu_facts {
	bool card;  /* an NVIDIA card is on the bus */
	bool smi;   /* nvidia-smi is there */
	bool works; /* and answers; otherwise `error` */
	char error[FACT], name[FACT], driver[FACT], cuda[FACT], capability[FACT];
	double total_mb, free_mb; /* NAN: unknown */
};

struct tool_facts {
	char cuda_home[FACT], nvcc[FACT], nvcc_version[FACT], ninja[FACT], compiler[FACT], compiler_version[FACT];
	bool kernel; /* RWKV_CUDA_ON=1 */
};

struct python_facts {
	char program[FACT], version[FACT], error[FACT];
	char torch[FACT], torch_cuda[FACT], torch_error[FACT];
	char torch_arch[FACT]; /* "sm_80 sm_90 compute_90": what it has kernels for */
	char torch_mps[FACT], torch_dml[FACT],
		torch_half[FACT]; /* "1": can, "0": cannot; half: fp16 on the processor */
	bool torch_sees_gpu;
	char rwkv[FACT], rwkv_error[FACT];
	bool rwkv_knows_7;
};

struct model_facts {
	bool named;    /* --model */
	bool readable; /* the rest is known; otherwise `err` */
	struct err err;
	char converted[FACT], version[FACT];
	size_t n_layer, n_embd, n_vocab;
	uint64_t parameters, file_bytes;
	char source[FACT];                /* what it seems to be converted from */
	bool stale;                       /* and that is newer */
	double read_mb_s;                 /* NAN: too small to tell */
	size_t tensors, unlooked_tensors; /* whose values there was no time to look at */
	char nonfinite[FACT],
		damaged[FACT]; /* the first tensor with NaN or Inf, the first storage with a wrong CRC-32 */
	size_t nonfinite_tensors, damaged_storages;
	struct weight_findings weights; /* finite, and yet odd */
};

/* Looks at the checksums and then at the values of a model file, for so many seconds at most (INFINITY: at all). What
 * is damaged in the tensors whose values it did not look at is not known. */
void weights_look(struct model_facts *m, const char *path, double seconds);

/* The checksums alone: only a .pth has any. */
void weights_look_at_checksums(struct model_facts *m, const char *path);

struct tokenizer_facts {
	bool named, readable;
	struct err err;
	size_t tokens; /* one more than the largest id */
};

struct set_up {
	const struct options *opts;
	enum lang lang;
	struct gpu_facts gpu;
	struct tool_facts tool;
	struct python_facts python;
	struct model_facts model;
	struct tokenizer_facts tokenizer;
	double free_ram_mb; /* NAN: unknown */
	/* values of variables; "" when one is not set */
	char v7_on[FACT], de_version[FACT];
};

/* Takes as long as the programs it asks: at most 90 s. `root` stands before /proc, /sys and /usr/local. */
void facts_gather(struct set_up *out, const struct options *opts, const char *root);

/* How many bytes a strategy needs, and whether they are free. */
struct plan {
	char strategy[FACT];
	uint64_t ram, vram;
	bool fits;                  /* known to */
	bool unknown;               /* the free memory is known, and nothing that is known rules the strategy out */
	bool mps, dml, half_on_cpu; /* a layer asks for it */
};

enum { PLANS_MAX = 8 };

/* The strategies worth considering for this model on this machine, best first; returns how many. */
size_t plans_make(struct plan out[PLANS_MAX], const struct set_up *f);

/* The same for one given strategy; negative with *err if the text is not a strategy. */
int plan_of(struct plan *out, const struct set_up *f, const char *strategy, struct err *err);

enum { ANSWER_WORDS = 6, ANSWER_WORD = 560 };

struct answer {
	enum finding_id found;
	char word[ANSWER_WORDS][ANSWER_WORD]; /* for the %s of the finding, then of its fix */
};

void doctor_judge(struct answer out[CHECK_COUNT], const struct set_up *f);

#endif
