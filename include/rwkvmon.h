/* rwkvmon.h - watch an RWKV model from inside the program that runs it.
 *
 *     rwkvmon *mon;
 *     struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "", .model_name = "RWKV-7 1.5B" };
 *     char why[RWKVMON_ERROR_BYTES];
 *
 *     if (rwkvmon_open(&mon, &cfg, why))
 *             fprintf(stderr, "%s\n", why);            // go on without: every call takes NULL
 *     for (each forward call) {
 *             rwkvmon_begin(mon);
 *             logits = forward(tokens, n);
 *             rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
 *                     .tokens = tokens, .n_tokens = n, .logits = logits, .n_logits = vocab });
 *     }
 *     rwkvmon_close(mon, NULL);
 *
 * Ownership  rwkvmon_open creates a handle, rwkvmon_close destroys it. Texts of the
 *            configuration are copied; buffers of a step are read during the call only.
 * Threads    one handle belongs to one thread; handles are independent of each other.
 *            Logging, rules and sampling run on threads of the handle's own.
 * Cost       rwkvmon_begin and rwkvmon_end take no lock, do no I/O and allocate nothing
 *            (but room for copies of logits and state when these grow, in practice once).
 *            When the ring to the writer is full, the record is dropped and counted; with
 *            `block_when_full` the call waits instead.
 * Errors     0, or a negative number and a text. Nothing here prints (but for alarms, to
 *            the descriptor that the configuration names) or exits. A full disk, a lost
 *            directory or a slow one never fail a call: rwkvmon_close tells.
 * Fork       a handle belongs to the process that opened it. In a child every call with it
 *            does nothing (close too); a child that wants to be watched opens its own, with
 *            the same log file if it likes. The parent does not notice.
 * Units      a name ends in its unit; metrics have the units of docs/METRICS.md.
 * Growth     structs begin with their size: a newer library reads an older caller's.
 *            A zeroed member is its default.
 */
#ifndef RWKVMON_H
#define RWKVMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RWKVMON_API __attribute__((visibility("default")))
#else
#define RWKVMON_API
#endif

/* Grows when a program that was built against an older header would not work any more. */
#define RWKVMON_ABI 1

typedef struct rwkvmon rwkvmon;

enum { RWKVMON_ERROR_BYTES = 800 };

enum rwkvmon_dtype { RWKVMON_F32, RWKVMON_F16, RWKVMON_BF16 };
enum rwkvmon_part { RWKVMON_SHIFT, RWKVMON_WKV }; /* token-shift vectors; recurrent matrices */
enum rwkvmon_sync { RWKVMON_SYNC_INTERVAL, RWKVMON_SYNC_NEVER, RWKVMON_SYNC_RECORD };
enum rwkvmon_phase { RWKVMON_PHASE_UNKNOWN, RWKVMON_PREFILL, RWKVMON_DECODE };

struct rwkvmon_config {
	size_t struct_size; /* sizeof(struct rwkvmon_config) */

	/* NULL: no log; "": rwkv_monitor_YYYYmmdd_HHMMSS.log. {pid}, {session} and {time} in it are filled
	 * in; a name that ends in .zst is compressed; an existing file is appended to, also by several
	 * handles and processes at once. */
	const char *log_path;
	const char *rules;	/* NULL or "thresholds", "baseline", or the path of a rule file */
	const char *session_id; /* NULL: rwkv-sess- and 6 random hex digits */
	const char *instance;	/* NULL: host:pid */
	const char *lang;	/* NULL or "en"; "zh": language of alarm texts */
	int log_tokens;		/* 1: token ids go into the log */
	int log_text;		/* 1: rwkvmon_step.text goes into the log (mind your users' privacy) */
	int alarms_to_stderr;	/* 1: "[ALARM] …" lines on standard error */
	int block_when_full;	/* 1: rwkvmon_end waits for the writer instead of dropping */
	size_t ring_bytes;	/* 0: 1 MiB */

	/* What is watched; unknown stays NULL or 0. */
	const char *model_name, *model_version, *strategy;
	const char *runtime_name, *runtime_version, *runtime_flags;
	uint32_t chunk_len, n_layer, n_embd, vocab_size;
	uint64_t model_bytes; /* of the parameters in memory */
	double load_time_ms;
	int has_sampler; /* 1: the next seven are set */
	double temperature, top_p, alpha_frequency, alpha_presence, penalty_decay;
	uint32_t top_k;
	uint64_t seed;

	/* When lines reach the disk (they survive the end of the process after 100 ms in any case): at least
	 * every second, when the kernel likes, after every record. */
	enum rwkvmon_sync log_sync;
	uint64_t log_rotate_bytes, log_rotate_seconds; /* begin a new file beyond this size or age; 0: never */
	uint32_t log_keep;			       /* rotated files that stay; 0: all */

	int log_state_norms; /* 1: the norm of each layer's state goes into the log (n_layer must be set) */

	/* What watching may cost, in % of the forward calls' time; 0: 1 %, below 0: whatever it takes. Above
	 * it, logits and unsummed states are looked at less often, and the log says so (`sampled_every`). */
	double overhead_budget_pct;

	/* Where alarms go besides the log and standard error; NULL: not there. A thread of its own delivers
	 * them: a slow or dead receiver delays nothing. It is tried again after 1 s, doubling to 60 s; up to 256
	 * alarms wait for it, then the oldest are dropped and counted. Addresses may hold secrets: they are
	 * never logged. */
	const char *alarm_file;		       /* JSON lines, appended */
	const char *const *alarm_command;      /* argv, NULL at its end: run for each alarm, without a shell, its JSON on stdin */
	const char *webhook_url;	       /* gets a POST per alarm */
	const char *webhook_template;	       /* NULL or "json"; "slack", "feishu", "dingtalk", "wecom": as that service takes it */
	const char *alertmanager_url;	       /* http://HOST:9093: Alertmanager's API v2 */

	/* Numbers for Prometheus, of all handles of the process together. */
	const char *listen;	      /* NULL: nowhere; "ADDR:PORT" of /metrics, "" for 127.0.0.1:8000; port 0 takes a free one (rwkvmon_url) */
	const char *listen_token;     /* NULL: none; who asks must send `Authorization: Bearer` and this, 8 to 255 characters */
	const char *metrics_textfile; /* NULL: none; a file for node_exporter's textfile collector, every 15 s and at the end */
};

struct rwkvmon_tensor {
	const void *data; /* (count) values, contiguous, any alignment */
	size_t count;
	enum rwkvmon_dtype dtype;
	enum rwkvmon_part part;
};

/* The change of one part of the state over the call, summed by the runtime itself. */
struct rwkvmon_state_sums {
	enum rwkvmon_part part;
	double dot;		     /* sum old * new */
	double old_norm2, new_norm2; /* sums of squares */
	double change_norm2;	     /* sum (new - old)^2 */
	uint64_t nonfinite;	     /* values of new that are NaN or Inf */
};

/* Any metric by number, for what lives on a GPU or only the caller knows. */
struct rwkvmon_number {
	int metric; /* from rwkvmon_metric() */
	double value;
};

struct rwkvmon_step {
	size_t struct_size; /* sizeof(struct rwkvmon_step) */

	const uint32_t *tokens; /* (n_tokens): what was fed */
	size_t n_tokens;	/* at least 1 */
	enum rwkvmon_phase phase;
	int ends_prefill; /* 1: the prompt is done with this call */

	const void *logits; /* (n_logits) after the last token, raw, before any change; or NULL */
	size_t n_logits;
	enum rwkvmon_dtype logits_dtype;

	const struct rwkvmon_tensor *state; /* (n_state) after the call; or NULL */
	size_t n_state;
	const struct rwkvmon_state_sums *sums; /* (n_sums): instead of comparing `state`; or NULL. With both, `state` is
						* read only when rwkvmon_wants_state() says so, for state_drift */
	size_t n_sums;
	uint64_t state_bytes; /* when `state` is not given */

	const struct rwkvmon_number *numbers; /* (n_numbers): override what was computed */
	size_t n_numbers;

	const char *text; /* (text_bytes) of the tokens; used only with log_text */
	size_t text_bytes;
};

/* How a handle did, from rwkvmon_close, or does, from rwkvmon_so_far. */
struct rwkvmon_totals {
	size_t struct_size; /* sizeof(struct rwkvmon_totals), set by you; 0: the members below */
	uint64_t records, tokens; /* forward calls seen, tokens fed */
	uint64_t dropped;	  /* records that never reached the log */
	uint64_t alarms;	  /* alarms that fired */
	double seconds, overhead_seconds; /* since open; spent inside begin and end */
	char log_path[1024];	  /* "" without a log */
	char trouble[RWKVMON_ERROR_BYTES]; /* what went wrong with the log, and what to do; "" when nothing did */
	uint64_t undelivered;		   /* alarms that a receiver never got */
	char undelivered_why[RWKVMON_ERROR_BYTES]; /* which, and why; "" when all arrived */
};

/* Opens a handle and writes `session_start`. On error *out is NULL, a negative number is
 * returned and `error` (RWKVMON_ERROR_BYTES, or NULL) says what and how to mend it. */
RWKVMON_API int rwkvmon_open(rwkvmon **out, const struct rwkvmon_config *config, char *error);

/* Where /metrics is: "http://127.0.0.1:8000"; "" when the handle does not listen. */
RWKVMON_API const char *rwkvmon_url(const rwkvmon *mon);

/* [hot] The forward call begins, ends. NULL handles are fine. */
RWKVMON_API void rwkvmon_begin(rwkvmon *mon);
RWKVMON_API void rwkvmon_end(rwkvmon *mon, const struct rwkvmon_step *step);

/* [hot] 1 when the rwkvmon_end that comes next, with so many tokens, would read a state given beside sums: at the first
 * call of a sequence, and about every 100 tokens. Who has the state in memory gives it with every call and
 * need not ask; who would have to fetch it from a device asks first. 0 for a NULL handle. */
RWKVMON_API int rwkvmon_wants_state(const rwkvmon *mon, size_t n_tokens);

/* A request's answer is complete: why, for rwkv_requests_total. Who never calls it has no such series. */
enum rwkvmon_finish { RWKVMON_FINISH_STOP, RWKVMON_FINISH_LENGTH, RWKVMON_FINISH_ABORT, RWKVMON_FINISH_ERROR };
RWKVMON_API void rwkvmon_finished(rwkvmon *mon, enum rwkvmon_finish why);

/* The next call begins a new sequence: its state starts afresh. */
RWKVMON_API void rwkvmon_new_sequence(rwkvmon *mon);

/* The same, and checks that it does: the first record of the sequence says how far the state
 * it is given lies from the one it ought to be given, and a difference raises `state_leak`. */
struct rwkvmon_start {
	size_t struct_size; /* sizeof(struct rwkvmon_start) */
	const struct rwkvmon_tensor *state;    /* (n_state): what the first call will be given */
	size_t n_state;
	const struct rwkvmon_tensor *declared; /* (n_declared): what it ought to be; NULL: all zero */
	size_t n_declared;
};
RWKVMON_API void rwkvmon_new_sequence_from(rwkvmon *mon, const struct rwkvmon_start *start);

/* A field of your own in every later step: `path` is a name, which stands at the line's end, or
 * performance., resources., accuracy. or metadata. and a name, which stands at that group's end.
 * Names are letters, digits and _; the log's own are refused. At most 16 fields of 270 bytes. A
 * number that is not finite, and a NULL text, remove the field. Not for every token: these
 * may allocate. `error` (RWKVMON_ERROR_BYTES, or NULL) says what was wrong. */
RWKVMON_API int rwkvmon_set_number(rwkvmon *mon, const char *path, double value, char *error);
RWKVMON_API int rwkvmon_set_text(rwkvmon *mon, const char *path, const char *text, char *error);

/* Reads the rule file anew, for the next records; alarms that are on stay on as long as a rule of their name is there.
 * From the handle's thread, not from a signal handler. On error the old rules stay and `error` (RWKVMON_ERROR_BYTES, or
 * NULL) says what is wrong with the file. */
RWKVMON_API int rwkvmon_reload_rules(rwkvmon *mon, char *error);

/* The number of a metric's id ("vram_used_mb"), or -1. */
RWKVMON_API int rwkvmon_metric(const char *id);

/* How it is doing so far, from the handle's thread: the same numbers, and in `trouble` what went wrong
 * with the log up to now. Alarms that wait for receivers are not counted. */
RWKVMON_API void rwkvmon_so_far(const rwkvmon *mon, struct rwkvmon_totals *totals);

/* Drains, delivers alarms (2 s at most), writes `session_end`, flushes, joins the threads, frees. totals may be NULL.
 * Returns 0, or a negative number when records could not be written (totals->trouble). */
RWKVMON_API int rwkvmon_close(rwkvmon *mon, struct rwkvmon_totals *totals);

/* "0.1.0" */
RWKVMON_API const char *rwkvmon_version(void);

/* The library's RWKVMON_ABI: compare it when you load the library at run time. */
RWKVMON_API int rwkvmon_abi(void);

#ifdef __cplusplus
}
#endif

#endif
