/* rwkvmon.h - watch an RWKV model from inside the program that runs it.
 *
 *     rwkvmon *mon;
 *     struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "", .model_name = "RWKV-7 1.5B" };
 *     char why[RWKVMON_ERROR_BYTES];
 *
 *     if (rwkvmon_open(&mon, &cfg, why))
 *             fprintf(stderr, "%s\n", why);            // and go on without: every call accepts NULL
 *
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
 * Streams    a program that runs several conversations opens a stream for each and names it in
 *            rwkvmon_step.stream: one handle, one log, any number of streams. A program with one
 *            conversation needs none: the handle is its stream.
 * Threads    one thread at a time calls a handle, for all its streams; handles are independent of
 *            each other. Logging, rules and sampling run on the library's own threads.
 * Cost       rwkvmon_begin and rwkvmon_end take no lock, do no I/O and allocate nothing
 *            (except room for copies of logits and state when these grow, in practice once, about 5 KiB
 *            with the first call of a stream, and as much as 19 KiB more within its first 3,072 tokens).
 *            When the ring buffer to the writer thread is full, the record is dropped and counted; with
 *            `block_when_full` the call waits instead.
 * Errors     0, or a negative number and a text. Nothing here prints (except alarms, to
 *            standard error, when the configuration asks for it) or exits. A full or slow disk, or a lost directory,
 *            never makes a call fail: rwkvmon_close reports it.
 * Fork       a handle belongs to the process that opened it. In a child process every call with it does nothing (close
 *            included); a child that is to be watched opens its own handle, if desired with the same log file. The
 *            parent is not affected.
 * Units      a name ends in its unit; metrics have the units of docs/METRICS.md.
 * Growth     structs begin with their size, so a newer library accepts an older caller's structs.
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

/* Incremented when a program built against an older header would no longer work. */
#define RWKVMON_ABI 1

typedef struct rwkvmon rwkvmon;
typedef struct rwkvmon_stream rwkvmon_stream;

enum { RWKVMON_ERROR_BYTES = 800 };

enum rwkvmon_dtype { RWKVMON_F32, RWKVMON_F16, RWKVMON_BF16 };
enum rwkvmon_part { RWKVMON_SHIFT, RWKVMON_WKV }; /* token-shift vectors; recurrent matrices */
enum rwkvmon_sync { RWKVMON_SYNC_INTERVAL, RWKVMON_SYNC_NEVER, RWKVMON_SYNC_RECORD };
enum rwkvmon_phase { RWKVMON_PHASE_UNKNOWN, RWKVMON_PREFILL, RWKVMON_DECODE };

struct rwkvmon_config {
	size_t struct_size; /* sizeof(struct rwkvmon_config) */

	/* NULL: no log; "": rwkv_monitor_YYYYmmdd_HHMMSS.log, with _2 and so on before the dot where the name
	 * is taken. {pid}, {session} and {time} in another name are filled in; one that ends in .zst is
	 * compressed; an existing file is appended to, also by several handles and processes at once. */
	const char *log_path;
	const char *rules;      /* NULL or "default", "thresholds", "baseline", or the path of a rule file */
	const char *session_id; /* NULL: rwkv-sess- and 12 random hex digits */
	const char *instance;   /* NULL: host:pid */
	const char *lang;       /* NULL or "en"; "zh": language of alarm texts */
	int log_tokens;         /* 1: token ids go into the log */
	int log_text;           /* 1: rwkvmon_step.text goes into the log (mind your users' privacy) */
	int alarms_to_stderr;   /* 1: "[ALARM] …" lines on standard error */
	int block_when_full;    /* 1: rwkvmon_end waits for the writer instead of dropping */
	size_t ring_bytes;      /* 0: 1 MiB */

	/* Describes the model that is watched; leave unknown members NULL or 0. */
	const char *model_name, *model_version, *strategy;
	const char *runtime_name, *runtime_version, *runtime_flags;
	uint32_t chunk_len, n_layer, n_embd, vocab_size;
	uint64_t model_bytes; /* of the parameters in memory */
	double load_time_ms;
	int has_sampler; /* 1: the next seven are set */
	double temperature, top_p, alpha_frequency, alpha_presence, penalty_decay;
	uint32_t top_k;
	uint64_t seed;

	/* When lines are synced to the disk: at least every second, when the kernel decides, after every record. In any
	 * case they survive the end of the process after 100 ms. */
	enum rwkvmon_sync fsync;
	uint64_t log_rotate_bytes, log_rotate_seconds; /* begin a new file when this size or age is reached; 0: never */
	uint32_t log_keep;                             /* number of rotated files to keep; 0: all */

	int log_state_norms; /* 1: the norm of each layer's state goes into the log (n_layer must be set) */

	/* Maximum cost of monitoring, in % of the forward calls' time; 0: 1 %, below 0: no limit. If it is exceeded,
	 * logits and states without sums are measured only in some calls, and the log says so (`sampled_every`). */
	double overhead_budget_pct;

	/* Where alarms go besides the log and standard error: NULL, or KIND+ADDRESS each and NULL at the end, such as
	 * "slack+https://hooks.slack.com/services/…", "alertmanager+http://127.0.0.1:9093",
	 * "command+/usr/local/bin/page", "file+alarms.jsonl", or "@FILE", a file with one per line (docs/ALARMS.md).
	 * Each receiver has its own thread: a slow or dead one delays neither the model nor other receivers. A failed
	 * delivery is retried after 1 s, doubling up to 60 s; up to 256 alarms wait for a receiver, then the oldest are
	 * dropped and counted. Addresses may hold secrets: they are never logged. */
	const char *const *alarm_to;
	/* File that keeps critical alarms that could not be delivered until the next start. NULL: rwkv_alarms.spool
	 * beside the log, or no file if there is no log; "none": they are lost and counted. */
	const char *alarm_spool;

	/* Metrics for Prometheus, combined over all handles of the process. */
	const char *listen; /* NULL: nowhere; "ADDR:PORT" of /metrics, "" for 127.0.0.1:8000; port 0 takes a free one
			       (rwkvmon_url) */
	const char
		*listen_token; /* NULL: none; clients must send `Authorization: Bearer` and this, 8 to 255 characters;
				  @FILE: the first line of FILE */
	const char *metrics_textfile; /* NULL: none; a file for node_exporter's textfile collector, every 15 s and at
					 the end */

	uint32_t log_mode; /* permissions of new log files, before the umask is applied; 0: 0640 */
	const char *goal;  /* NULL: none; "20tps" (tokens per second), "50ms" (per token): recorded in session_start */

	void *owned; /* what rwkvmon_config_set copied; rwkvmon_config_free frees it */

	/* Maximum memory of this process for the copies of logits and states with which streams are compared; 0: 256
	 * MiB. Beyond it streams are measured in turns, and the log says so (`sampled_every`). */
	uint64_t state_memory_bytes;
	uint32_t
		max_streams; /* open at a time in this handle; 0: 65536. Calls of those beyond are counted as dropped */
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
	double dot;                  /* sum old * new */
	double old_norm2, new_norm2; /* sums of squares */
	double change_norm2;         /* sum (new - old)^2 */
	uint64_t nonfinite;          /* values of new that are NaN or Inf */
};

/* Any metric by its number, for values that are on a GPU or that only the caller knows. */
struct rwkvmon_number {
	int metric; /* from rwkvmon_metric() */
	double value;
};

struct rwkvmon_step {
	size_t struct_size; /* sizeof(struct rwkvmon_step) */

	const uint32_t *tokens; /* (n_tokens): the tokens that were fed */
	size_t n_tokens;        /* at least 1 */
	enum rwkvmon_phase phase;
	int ends_prefill; /* 1: the prompt ends with this call */

	const void *logits; /* (n_logits) after the last token, raw, before any penalty or sampling; or NULL */
	size_t n_logits;
	enum rwkvmon_dtype logits_dtype;

	const struct rwkvmon_tensor *state; /* (n_state) after the call; or NULL */
	size_t n_state;
	const struct rwkvmon_state_sums *sums; /* (n_sums): used instead of comparing `state`; or NULL. With both,
						* `state` is read only when rwkvmon_wants_state() returns 1, for
						* state_drift */
	size_t n_sums;
	uint64_t state_bytes; /* when `state` is not given */

	const struct rwkvmon_number *numbers; /* (n_numbers): override what was computed */
	size_t n_numbers;

	const char *text; /* (text_bytes) of the tokens; used only with log_text */
	size_t text_bytes;

	uint32_t batch_size; /* streams in this forward call; 0: one, or those of rwkvmon_end_batch */

	rwkvmon_stream *stream; /* the stream to which it belongs; NULL: the handle's own */
	uint64_t began_ns;      /* start of the call, CLOCK_MONOTONIC, for calls of several streams that overlap;
				   0: as rwkvmon_begin said */
	uint64_t spent_ns;      /* what the caller itself has spent on monitoring since its last step, outside this
				   library: counts as overhead, and against the budget */
};

/* Totals of a handle: final from rwkvmon_close, current from rwkvmon_so_far. */
struct rwkvmon_totals {
	size_t struct_size;                /* sizeof(struct rwkvmon_totals), set by you; 0: the members below */
	uint64_t records, tokens;          /* forward calls seen, tokens fed */
	uint64_t dropped;                  /* records that never reached the log */
	uint64_t alarms;                   /* alarms that fired */
	double seconds, overhead_seconds;  /* since open; spent in begin, end and the check of a new sequence's state */
	char log_path[1024];               /* "" without a log */
	char trouble[RWKVMON_ERROR_BYTES]; /* what went wrong with the log, or with the metrics file; "": nothing */
	uint64_t undelivered;              /* alarms that a receiver never got */
	char undelivered_why[RWKVMON_ERROR_BYTES]; /* which receiver, and why; "" if all alarms arrived */
	uint64_t streams, streams_refused;         /* opened; beyond max_streams */
	uint64_t undelivered_critical;             /* critical alarms that were lost for good, see docs/ALARMS.md */
};

/* Sets a member by the name that the setting has everywhere ("log-keep", as in --log-keep and RWKVMON_LOG_KEEP;
 * docs/SETTINGS.md lists all) and copies the value; "alarm-to" adds the receivers in it, one on a line. A config that
 * is opened may be freed at once. On error nothing changes, a negative number is returned, and `error`
 * (RWKVMON_ERROR_BYTES, or NULL) says what was expected. */
RWKVMON_API int rwkvmon_config_set(struct rwkvmon_config *config, const char *name, const char *value, char *error);

/* Sets what the environment specifies (RWKVMON_LOG_KEEP and so on; RWKVMON_ALARM_TO holds one receiver per line).
 * Settings that it does not specify get the defaults for programs that are watched without a change: a log with the
 * default name, and alarms on standard error. An empty variable counts as not set; a program with more rights than its
 * user reads no variables. */
RWKVMON_API int rwkvmon_config_environment(struct rwkvmon_config *config, char *error);

/* Frees what these two copied. NULL is fine. */
RWKVMON_API void rwkvmon_config_free(struct rwkvmon_config *config);

/* Opens a handle and writes `session_start`. On error *out is NULL, a negative number is
 * returned and `error` (RWKVMON_ERROR_BYTES, or NULL) says what is wrong and how to fix it. */
RWKVMON_API int rwkvmon_open(rwkvmon **out, const struct rwkvmon_config *config, char *error);

/* Address of /metrics: "http://127.0.0.1:8000"; "" if the handle does not listen. */
RWKVMON_API const char *rwkvmon_url(const rwkvmon *mon);

/* [hot] To be called before and after each forward call. NULL handles are allowed. */
RWKVMON_API void rwkvmon_begin(rwkvmon *mon);
RWKVMON_API void rwkvmon_end(rwkvmon *mon, const struct rwkvmon_step *step);

/* [hot] In place of rwkvmon_begin, where the state lies in this process's memory: also reads the state (n_state) that
 * the call is given, in the order of rwkvmon_step.state. If it is not the state that the stream's last call left, the
 * call's record says so (`state_jump`), and the call is compared with the state that it was given; also where that one
 * is not known, as after rwkvmon_went_back. Without it, and without sums, a state that was passed once for another is
 * not seen; conversations that take turns on a handle without streams are, after some calls, if nobody says where
 * sequences begin. stream: NULL: the handle's own; for a call over several streams, once for each. */
RWKVMON_API void rwkvmon_begin_from(rwkvmon *mon, const rwkvmon_stream *stream, const struct rwkvmon_tensor *state,
				    size_t n_state);

/* [hot] The forward call was over n streams: a step for each, all with the struct_size of the first. The call's wall
 * time is the latency of each stream, and `batch_size` in each record is n unless the step gives another value. */
RWKVMON_API void rwkvmon_end_batch(rwkvmon *mon, const struct rwkvmon_step *steps, size_t n);

/* One conversation of many. In the log it is a session with its own session_id, sequences, metrics and alarms. It has
 * no thread; its memory is allocated at its first call. Its session_start comes before its first record and holds only
 * what the handle's session_start does not (`stream_of` names that one). */
struct rwkvmon_stream_config {
	size_t struct_size;     /* sizeof(struct rwkvmon_stream_config) */
	const char *session_id; /* NULL: rwkv-sess- and 12 random hex digits */
	const char *request_id; /* NULL: none; the server's name for the request */
	const char *label;      /* NULL: none; any other text to identify it */
	const char *model_name; /* NULL: the handle's; for programs that serve several models */
	uint32_t candidates;    /* 0 or 1: it is known whose conversation this is. More: as many had the state that it
				 * begins from, and `from` is one of them; its session_start says so */
};

/* config may be NULL. On error (max_streams are open, or out of memory) a negative number is returned, `error`
 * (RWKVMON_ERROR_BYTES, or NULL) says why, and *out is a stream whose calls are all counted as dropped. *out is NULL
 * only if `mon` is not a handle of this process. */
RWKVMON_API int rwkvmon_stream_open(rwkvmon_stream **out, rwkvmon *mon, const struct rwkvmon_stream_config *config,
				    char *error);

/* The same for a stream that goes on where `from` (NULL: the handle's own) is: with its length, its repetitions, and
 * what its next call is compared with. For a conversation that is continued in two ways, or left for another one and
 * come back to. `from` stays as it is. */
RWKVMON_API int rwkvmon_stream_branch(rwkvmon_stream **out, rwkvmon *mon, const rwkvmon_stream *from,
				      const struct rwkvmon_stream_config *config, char *error);

/* Closes a stream: its session_end follows its last record; a stream without a call leaves nothing in the log. It must
 * not be used afterwards. NULL is allowed; rwkvmon_close closes all open streams. */
RWKVMON_API void rwkvmon_stream_close(rwkvmon *mon, rwkvmon_stream *stream);

/* [hot] Returns 1 if the next rwkvmon_end, with n_tokens tokens, would read a state that is given together with sums:
 * at the first call of a sequence, and about every 100 tokens. A caller that has the state in memory gives it with
 * every call and need not ask; a caller that would have to fetch it from a device asks first. 0 for a NULL handle. */
RWKVMON_API int rwkvmon_wants_state(const rwkvmon *mon, size_t n_tokens);
RWKVMON_API int rwkvmon_stream_wants_state(const rwkvmon *mon, const rwkvmon_stream *stream, size_t n_tokens);

/* Signs that something is wrong: bits of rwkvmon_verdict.fires. */
enum rwkvmon_sign {
	RWKVMON_LOOP = 1 << 0,         /* the text repeats itself word for word */
	RWKVMON_NEAR_LOOP = 1 << 1,    /* the same, with small variations */
	RWKVMON_LOW_ENTROPY = 1 << 2,  /* the model has been certain of nearly every one of the last 256 tokens */
	RWKVMON_HIGH_ENTROPY = 1 << 3, /* the model has guessed for 200 tokens */
	RWKVMON_FREEZE = 1 << 4,       /* the token-shift state does not change */
	RWKVMON_NON_FINITE = 1 << 5,   /* logits or state hold NaN or infinity */
	RWKVMON_STATE_JUMP = 1 << 6,   /* this call was given a state other than the one that the previous call left */
	RWKVMON_STATE_LEAK = 1 << 7,   /* the sequence did not start from its declared state; at its first call */
};

/* Advice: bits of rwkvmon_verdict.advice. */
enum rwkvmon_advice {
	RWKVMON_ADVISE_STOP = 1 << 0,      /* more tokens of this sequence are useless, unless you rewind: */
	RWKVMON_ADVISE_GO_BACK = 1 << 1,   /* rewind to the state before the last `go_back_tokens` tokens, and report it
					      with rwkvmon_went_back */
	RWKVMON_ADVISE_SAMPLING = 1 << 2,  /* sample with `temperature`, `top_p` and `alpha_frequency` for a while */
	RWKVMON_ADVISE_RESET = 1 << 3,     /* begin a new sequence, from a fresh state */
	RWKVMON_ADVISE_PRECISION = 1 << 4, /* use a wider type: bf16 or fp32 instead of fp16 */
};

struct rwkvmon_verdict {
	size_t struct_size; /* sizeof(struct rwkvmon_verdict), set by you */
	uint32_t fires;     /* of enum rwkvmon_sign; 0: nothing is wrong */
	uint32_t critical;  /* those of them from which the sequence does not recover by itself: a loop, non-finite
			       values */
	uint32_t advice;    /* of enum rwkvmon_advice */
	double sure; /* certainty of the clearest sign: 1 for a fact, otherwise 1 - limit / (2 * value), which is 1/2
			when the limit is just reached. It ranks signs; it is not a probability */
	uint64_t first_bad_token; /* of the sequence, from 1: the earliest token of all signs that fire; 0: none
				   * fires */
	uint64_t go_back_tokens;  /* number of tokens to rewind, so that the last one left is before first_bad_token */
	double temperature, top_p, alpha_frequency; /* advised; NAN: leave it */

	/* Alarms of the rules, which are judged later on another thread, so they may differ from run to run. */
	uint64_t alarms;     /* bit rwkvmon_alarm(id): that alarm is on */
	uint64_t alarms_age; /* forward calls since the last one that the rules have judged */

	/* How it is, whether or not anything fires; NAN: unknown. */
	double repeat_share;   /* of the last 100 generated tokens, that equal the one a period before: 0 to 1 */
	double mean_entropy;   /* of the last 100 decoded calls whose logits were looked at, nats */
	double mean_surprisal; /* of the last 100 decoded tokens whose surprisal is known, nats */

	/* first_bad_token of each sign by itself: [k] is that of bit k of `fires`; 0: it does not fire. */
	uint64_t first_bad[8];
};

/* [hot] The verdict after the last rwkvmon_end. It depends only on the tokens and numbers of that call and of earlier
 * ones, so the same input gives the same verdict, whatever the machine does meanwhile. Signs that need logits or a
 * comparison of states wait for a call in which these are measured; with `overhead_budget_pct` below 0, that is every
 * call. Loops are detected from tokens, at every call. For a NULL handle nothing is wrong. */
RWKVMON_API void rwkvmon_verdict(const rwkvmon *mon, struct rwkvmon_verdict *verdict);
RWKVMON_API void rwkvmon_stream_verdict(const rwkvmon *mon, const rwkvmon_stream *stream,
					struct rwkvmon_verdict *verdict);

/* The number of an alarm type ("mode_collapse"), or -1; and the alarm type with a number, NULL beyond the last. */
RWKVMON_API int rwkvmon_alarm(const char *type);
RWKVMON_API const char *rwkvmon_alarm_type(int number);

/* Reports that the state was rewound to before the last n tokens of the sequence; the next call continues from
 * there. */
RWKVMON_API void rwkvmon_went_back(rwkvmon *mon, size_t n_tokens);
RWKVMON_API void rwkvmon_stream_went_back(rwkvmon *mon, rwkvmon_stream *stream, size_t n_tokens);

/* An action taken because of a verdict or an alarm; the log gets a line of event_type `action`. */
struct rwkvmon_change {
	const char *key;      /* "sequence_length", "temperature", "top_p", "alpha_frequency", "alpha_presence" or
				 "penalty_decay" */
	double before, after; /* a value that is not finite counts as unknown and is left out */
};

struct rwkvmon_action {
	size_t struct_size;       /* sizeof(struct rwkvmon_action) */
	const char *action;       /* "stop", "rewind", "warn", "set_sampling", "reset_state", or a word of your own */
	const char *alarm_type;   /* the alarm that it responds to: "mode_collapse", "non_finite", …; or NULL */
	const char *reason;       /* in words; or NULL */
	uint64_t first_bad_token; /* of the sequence, from 1; 0: unknown */
	uint64_t attempt;         /* number of this action among those of its kind in the sequence, from 1; 0: not
				   * counted */
	uint64_t tokens_saved;    /* how many were left before the limit when generation was stopped; 0: none */
	const struct rwkvmon_change *changes; /* (n_changes) */
	size_t n_changes;
	rwkvmon_stream *stream; /* the stream to which it belongs; NULL: the handle's own */
};

/* At most 255 bytes of each text are kept. If the ring buffer is full, the call waits for at most 0.1 s; then the line
 * is dropped and counted. Returns 0, or a negative number when there is no `action` or no such `key`: then nothing is
 * written. */
RWKVMON_API int rwkvmon_acted(rwkvmon *mon, const struct rwkvmon_action *action);

/* Reports that the answer to a request is complete, and why, for rwkv_requests_total. A program that never calls this
 * has no such series. */
enum rwkvmon_finish { RWKVMON_FINISH_STOP, RWKVMON_FINISH_LENGTH, RWKVMON_FINISH_ABORT, RWKVMON_FINISH_ERROR };
RWKVMON_API void rwkvmon_finished(rwkvmon *mon, enum rwkvmon_finish why);

/* The next call begins a new sequence: its state starts afresh. */
RWKVMON_API void rwkvmon_new_sequence(rwkvmon *mon);

/* The same, and checks the initial state: the first record of the sequence says how far the given state differs from
 * the declared one, and a difference raises `state_leak`. */
struct rwkvmon_start {
	size_t struct_size;                 /* sizeof(struct rwkvmon_start) */
	const struct rwkvmon_tensor *state; /* (n_state): the state that the first call will be given */
	size_t n_state;
	const struct rwkvmon_tensor *declared; /* (n_declared): the state that it should be given; NULL: all zero */
	size_t n_declared;
};
RWKVMON_API void rwkvmon_new_sequence_from(rwkvmon *mon, const struct rwkvmon_start *start);

/* The same for a stream; if start is NULL, nothing is checked. */
RWKVMON_API void rwkvmon_stream_new_sequence(rwkvmon *mon, rwkvmon_stream *stream, const struct rwkvmon_start *start);

/* Adds your own field to every later step. `path` is a name, which is written at the end of the line, or performance.,
 * resources., accuracy. or metadata. followed by a name, which is written at the end of that group. Names are letters,
 * digits and _; the log's own are refused. At most 16 fields of 270 bytes. A number that is not finite, and a NULL
 * text, remove the field. Do not call this for every token: it may allocate. `error` (RWKVMON_ERROR_BYTES, or NULL)
 * says what was wrong. */
RWKVMON_API int rwkvmon_set_number(rwkvmon *mon, const char *path, double value, char *error);
RWKVMON_API int rwkvmon_set_text(rwkvmon *mon, const char *path, const char *text, char *error);

/* Reads the rule file again, for the next records; alarms that are firing keep firing if a rule with their name still
 * exists. To be called from the handle's thread, not from a signal handler. On error the old rules stay and `error`
 * (RWKVMON_ERROR_BYTES, or NULL) says what is wrong with the file. */
RWKVMON_API int rwkvmon_reload_rules(rwkvmon *mon, char *error);

/* The number of a metric's id ("vram_used_mb"), or -1. */
RWKVMON_API int rwkvmon_metric(const char *id);

/* Current totals, to be called from the handle's thread; `trouble` says what has gone wrong with the log so far, or
 * why the metrics file could not be written the last time. Alarms that wait for receivers are not counted. */
RWKVMON_API void rwkvmon_so_far(const rwkvmon *mon, struct rwkvmon_totals *totals);

/* Drains the ring buffer, delivers alarms (for 2 s at most), writes `session_end`, flushes, ends the threads and frees
 * the handle. totals may be NULL. Returns 0, or a negative number when records could not be written
 * (totals->trouble). */
RWKVMON_API int rwkvmon_close(rwkvmon *mon, struct rwkvmon_totals *totals);

/* "0.1.0" */
RWKVMON_API const char *rwkvmon_version(void);

/* The library's RWKVMON_ABI: compare it when you load the library at run time. */
RWKVMON_API int rwkvmon_abi(void);

#ifdef __cplusplus
}
#endif

#endif
