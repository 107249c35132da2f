/* time_breakdown.h - what the diagnosis asks of a log and no summary of one metric tells.
 *
 * Steps are kept apart by part: one model with one strategy in one process. Of each part: times of calls and of the
 * pauses between them, in stretches of equally many calls and as counts by size; prompts turn by turn; the first calls;
 * how sure the model was; and what its session_start said. Once all are there, those of processes that ran on one host
 * one after the other are joined: a process that was started again goes on in the part of the one before.
 *
 * Ownership  time_breakdown_open, time_breakdown_close; time_breakdown_finish copies into the caller's arena, all but
 *            stretches: those may be the book's until time_breakdown_let_go.
 * Threads    one at a time, in the log's order.
 * Cost       [hot] time_breakdown_look, time_breakdown_steps: some sums and one logarithm; memory only for a part's
 *            first step.
 * Units      ms, tokens. A pause is from the end of the process's last call to the start of this one, inside a
 * sequence.
 */
#ifndef RWKVMON_ANALYZE_TIME_BREAKDOWN_H
#define RWKVMON_ANALYZE_TIME_BREAKDOWN_H

#include "analyze/certain.h"
#include "analyze/devices.h"
#include "analyze/history.h"
#include "base/arena.h"
#include "record/columns.h"

enum {
	PARTS_MAX = 4096,
	PROCESSES_MAX = 16384,
	STRETCHES_MAX = 256,
	TIME_BINS = 32,  /* octaves of a length */
	SIZE_BINS = 320, /* eight to an octave: 2^-20 .. 2^20 ms */
	FIRST_CALLS = 8,
	OPEN_EXCHANGES = 16, /* sequences of a session whose exchange may go on */
};

/* Figures that are sampled now and then: their levels are followed by stretch. */
enum level_id {
	L_VRAM,
	L_OWN_VRAM,
	L_GPU,
	L_CPU,
	L_MACHINE,
	L_MEMORY,
	L_CLOCK,
	L_HOT,
	L_STOPPED,
	L_WAITING,
	L_GPU_CLOCK,
	L_GPU_HOT,
	L_GPU_POWER,
	L_REPETITION,
	L_QUEUE,
	LEVEL_COUNT
};

extern const enum metric_id level_metrics[LEVEL_COUNT];

struct sketch_run; /* stats/sketch_text.h */

/* Equally many calls in a row. */
struct stretch {
	int64_t from_us, to_us;
	uint64_t calls, decode_calls, pauses, entropies, unsure;
	uint64_t renewed;                              /* processes that begin in it, after others */
	double call_ms;                                /* sum of the calls' time */
	double decode_ln;                              /* sum of ln(ms per token) of decode calls */
	double batch_ln;                               /* sum of ln(streams, or requests under way) of them */
	uint64_t prefill_calls;                        /* compared with the first ones of their length */
	double prefill_ln;                             /* sum of ln(their time over that of those) */
	double prefill_call_ln;                        /* sum of ln(ms) */
	double decode_ms, pause_ms, entropy, entropy2; /* entropy2: sum of squares */
	double level[LEVEL_COUNT];                     /* sums */
	uint64_t seen[LEVEL_COUNT];
};

/* Counts by size: small differences blur, the whole range is there. */
struct sizes {
	uint64_t n, count[SIZE_BINS];
	double sum[SIZE_BINS]; /* of the values in the bin */
};

/* What a stretch of time adds to one bin of them. */
struct size_sum {
	size_t bin;
	uint64_t n;
	double sum;
};

/* Prefill calls whose tokens are in [2^i, 2^(i+1)). */
struct chunk_bin {
	uint64_t calls, tokens;
	double ms;
};

/* The first prefill calls of about one length; two lengths to an octave: where a call takes as long for any length, its
 * tokens take at most sqrt(2) times as long as those of another call of its length. */
enum { PREFILL_FIRST = 3, PREFILL_LENGTHS = 64 };
struct first_prefills {
	double ln[PREFILL_FIRST]; /* (n), of ms per token */
	size_t n;
};

/* A session's prompts: the sum of their tokens' surprisal, as far as it is known. */
struct fed_session {
	const char *session_id; /* "" none */
	int64_t since_us;
	double nats, tokens;
};

/* The state of a session, which is of one size by construction, from its smallest size on. */
struct state_growth {
	double from, to; /* bytes; 0: unknown */
	uint32_t rises;  /* calls after which it was larger than before */
	int64_t since_us;
	const char *session_id;
};

/* Sums for a line through (x, y). */
struct sums_line {
	double n, x, y, xx, yy, xy;
};

/* Do decode calls take longer the longer their sequence is? Lines of ln(ms per token) through thousands of its tokens:
 * through all calls, and through each sequence's own mean, so that what happens once in the log is no such growth. */
struct by_length {
	struct sums_line all;
	double xx, yy, xy;        /* about the means of each sequence */
	double sequences, rising; /* that have calls enough; in how many of them calls take longer and longer */
};

/* What session_ends say of a figure over the whole of their sessions: sums, weighted by the sessions' seconds. */
struct whole_sum {
	double seconds, pct;
};

struct first_call {
	double ms;
	uint32_t tokens;
	bool prefill;
};

/* Of a kind of text: what is repeated in it, and how sure the model is. Sums, and how many values. */
struct text_level {
	double share, rate, nats;
	uint64_t calls, rates, entropies;
	uint64_t cycles; /* calls after which a whole period and more had been repeated exactly */
};

struct time_part {
	uint16_t number;                              /* in the breakdown's `part`, of what it is joined into */
	const char *model_name, *strategy, *instance; /* of its first session; NULL unknown */
	bool has_start;
	bool mixed;                       /* steps of parts for which there was no room */
	bool shared;                      /* … of processes, one after the other, for which there was none */
	size_t gpus_named;                /* by the strategy; 0: none */
	char gpu_alone[GPU_DEVICE_BYTES]; /* "cuda:1" when the strategy names that GPU alone, by its number; else "" */
	struct devices devices;           /* of several GPUs each */
	bool gpu_used;                    /* its use was above 0: from then on 0 is a measurement */
	struct field_values about;        /* the first session_start's SESSION fields */
	uint64_t starts, steps;
	int64_t from_us, to_us;

	struct stretch *stretch; /* (n_stretches), at most STRETCHES_MAX */
	size_t n_stretches, stretches_cap;
	uint64_t per_stretch; /* calls */

	struct sizes decode, pause; /* ms per token; ms */
	struct first_prefills first_prefills[PREFILL_LENGTHS];
	struct chunk_bin by_chunk[TIME_BINS]; /* by octave (stats/octave.h) of their tokens */
	uint64_t decode_calls, decode_tokens, prefill_calls, prefill_tokens;
	double decode_ms, prefill_ms, pause_ms; /* sums; pauses longer than the user's are in none */
	double stall_pause_ms;
	uint64_t stall_pauses;
	double answer_pause_ms; /* of pauses that long inside answers, where nobody is asked */
	uint64_t answer_pauses;
	double stall_prefill_ms; /* of prompts that took many times as long as others of their length */
	uint64_t stall_prefills;
	struct whole_sum waiting, stopped; /* for a processor; by the CPU quota */

	/* Pauses against thousands of tokens of the sequence, and minutes since the part's start. */
	struct sums_line pause_length, pause_time;
	struct sums_line batch;     /* ln(ms per token) against ln(streams in the call), of decode calls */
	double length_time;         /* sum of their products */
	struct by_length by_length; /* of decode calls */

	struct exchange *exchange; /* the last HISTORY_EXCHANGES; (n_exchanges) once finished, oldest first */
	size_t n_exchanges;
	uint64_t prompts; /* all of them; until finished, the next one's place in the ring */
	uint64_t leaks, leaks_checked, jumps, nonfinite, bans; /* steps */
	double fed_surprisal, fed_tokens;                      /* of prompts: sum over tokens, and their number */
	uint64_t fed_sessions;                                 /* whose prompts have tokens enough to be judged … */
	struct fed_session fed_worst;                          /* … and the one whose tokens surprise most */
	struct certain_run same_rate, higher_rate, any_rate;   /* the longest of its sessions */
	struct certain_track sessions;                         /* one after the other */
	struct state_growth state;                             /* of the session in which it rose most often */
	uint64_t loop_tokens; /* decode tokens inside an exact repetition of three periods, or one that varies as no
				 table does */
	struct text_level near, beside;       /* near repetitions, and all other text */
	double loop_longest, loop_period;     /* tokens of the longest, and its period */
	const char *loop_session;             /* "" none; where it was */
	int64_t loop_us;                      /* when it had become one */
	struct first_call first[FIRST_CALLS]; /* of the process that began slowest */
	size_t n_first;
};

/* A part of one process, unless it is mixed or shared. */
struct time_own {
	struct time_part *whole; /* the breakdown's, where no other is joined with it; else NULL, and … */
	const uint64_t *packed;  /* … itself; time_own_part */
	uint16_t number;         /* of what it is joined into */
	bool mixed, shared;
};

struct time_breakdown {
	struct time_part **part; /* (n_parts), in order of their first step */
	size_t n_parts;
	struct time_own *own; /* (n_own) */
	size_t n_own;
};

/* Whose a step is; NULL: unknown. */
struct time_owner {
	const char *session_id, *model_name, *strategy, *instance;
};

/* Per session: what its next step is held against. */
struct time_progress {
	struct time_owner who;   /* of the steps at hand */
	struct time_part *at;    /* … their part, … */
	struct time_process *of; /* … and process; until others enter */
	uint16_t part, process;  /* 1 + index; 0 not known yet */
	bool begun;
	bool ready; /* its first calls are known, and when its process began and ended a call */
	uint8_t n_first, n_open;
	uint32_t sequence, newest; /* of the last call, and the highest */
	uint64_t length;           /* of that sequence, in tokens, as its last call says */
	struct open_exchange {
		uint32_t sequence;
		bool in_prompt;
		uint64_t length;
		struct exchange is;
		struct sums_line line; /* of the sequence's decode calls, all with as many streams as the first */
		double streams_ln;
	} open[OPEN_EXCHANGES]; /* (n_open), the one of the last call first */
	struct first_call first[FIRST_CALLS];
	struct fed_session fed; /* session_id: not set */
	struct certain_track certain;
	struct state_growth state; /* session_id: not set */
};

struct time_process {
	uint64_t hash;            /* of its name */
	int64_t begin_us, end_us; /* of its calls; 0: it made none yet */
	bool begun;               /* its first calls are known */
};

/* A part, and whose it is. What nobody asks for while others begin is packed. */
struct time_place {
	struct time_part *part; /* NULL: it is packed */
	uint64_t *packed;
	uint64_t key;   /* of several parts, where a host has several processes */
	size_t process; /* its index */
	int64_t to_us;  /* of a packed one */
	bool used;      /* since others were packed last */
};

/* What a step says of its call, wherever it stands in the log. */
struct time_call {
	double ms;           /* NAN: the log does not say */
	double ln, batch_ln; /* of ms per token; of the streams in the call; only of decode calls whose time is known */
	uint32_t tokens;     /* as the log says, which may be 0 */
	uint16_t over;       /* 1 + its place in `over`; 0: nothing is over with it */
	bool prefill;
	bool goes_on;   /* nothing but a pause came before it */
	bool in_answer; /* nobody is asked before it */
	bool plain;     /* a decode call whose time is known, after a pause, and nothing of what few steps have */
};

/* What is over when a step comes: an exchange (without a prompt: none), and the calls of a sequence (n 0: none). */
struct time_over {
	struct exchange is;
	struct sums_line line;
};

struct time_book {
	struct time_call *call; /* [COLUMNS_ROWS] by row of time_breakdown_look: of the steps at hand */
	struct time_over *over; /* (n_over) of them, over_left of which their parts have not taken yet */
	size_t n_over, over_left, over_cap;
	struct time_place *place; /* (n_parts), at most PARTS_MAX */
	size_t n_parts, parts_cap;
	uint64_t entered;             /* processes, into parts */
	struct time_process *process; /* (n_processes), at most PROCESSES_MAX */
	size_t n_processes, processes_cap;
	struct arena texts;
	uint64_t levels; /* bits of their metrics */
	bool failed;
};

void time_breakdown_open(struct time_book *b);
void time_breakdown_close(struct time_book *b);
/* The room for the steps at hand: between two calls it holds nothing. */
void time_breakdown_hand_over(struct time_book *from, struct time_book *to);

/* Where the session's steps count, unless that is settled: by what is known of it at its first step, at that time. */
void time_breakdown_enter(struct time_book *b, struct time_progress *t, const struct time_owner *who, int64_t time_us);

/* [hot] The next n steps of a session that has entered, in rows that begin at `from`. */
void time_breakdown_look(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			 const struct columns *c, size_t from, size_t n);
/* [hot] Then those of all sessions, in the log's order: step i is one of of[which[i]], in row rows[i] of c, with its
 * decimals as doubles; it was row looked[i] when it was looked at. */
void time_breakdown_steps(struct time_book *b, struct time_progress *const *of, const uint16_t *which,
			  const struct columns *c, const uint16_t *rows, const uint16_t *looked, size_t n);

/* Calls of a stretch of time that were summed up elsewhere. */
struct time_summed {
	int64_t from_us, to_us;
	uint64_t decode_calls, decode_tokens, prefill_calls, prefill_tokens; /* of one call at least */
	double decode_ms, prefill_ms;  /* sums of the calls' time, as far as it is known */
	double latency_ms, latency_ln; /* of decode calls: sums of ms per token, and of their logarithms */
	double level[LEVEL_COUNT];     /* sums */
	uint64_t seen[LEVEL_COUNT];
	struct size_sum *size; /* (n_sizes): ms per token of decode calls, by their bins; owned */
	size_t n_sizes;
};

/* Puts ms per token of decode calls into *into, which holds none yet; time_summed_free releases them. False: no memory.
 */
bool time_summed_pour(struct time_summed *into, const struct sketch_run *run, size_t n);
void time_summed_free(struct time_summed *s);

/* In the order of time: only then is it known whose part they are in. */
void time_breakdown_take(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			 const struct time_summed *sums);
void time_breakdown_start(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			  const struct record *rec);
/* A session_end. */
void time_breakdown_totals(struct time_book *b, const struct time_progress *t, const struct field_values *totals);

/* What a session knows that its part does not yet. */
struct time_session {
	const struct time_progress *times;
	const char *id; /* NULL: of several */
};

/* The parts of each process, and those of the hosts (time_join.c); NULL when memory is out. */
struct time_breakdown *time_breakdown_finish(const struct time_book *b, const struct time_session *session, size_t n,
					     struct arena *arena);
/* Before the book goes on or is closed: the parts have no stretches any more. */
void time_breakdown_let_go(const struct time_breakdown *t);

/* A part as it was in its process, which may be the breakdown's; NULL when memory is out. */
struct time_part *time_own_part(const struct time_own *own, struct arena *arena);

/* Part i of the book, its texts in the arena, into *out, whose stretch and exchange have room for STRETCHES_MAX and
 * HISTORY_EXCHANGES; stretches that are not packed stay the book's. False when memory is out. */
bool time_book_part(const struct time_book *b, size_t i, struct time_part *out, struct arena *arena);
/* Counts the session's exchanges that are not over yet, its prompts, where its text became certain, and whether its
 * state grew. */
void time_part_count(struct time_part *p, const struct time_session *session, struct arena *arena);

/* The host of host:pid, as bytes of it; are both on the same one? */
size_t host_length(const char *instance);
bool same_host(const char *a, const char *b);

/* Twice as many calls in each of half as many stretches. */
void stretches_halve(struct time_part *p);

/* What they take together. */
double first_calls_ms(const struct first_call *first, size_t n);

/* The calls of both, in a. */
void stretch_join(struct stretch *a, const struct stretch *b);

/* Counts a sequence's calls; those of both, in a. */
void by_length_add(struct by_length *to, const struct sums_line *sequence);
void by_length_join(struct by_length *a, const struct by_length *b);

/* The value that a share q of the counts lies below; NAN when there are none. */
double sizes_quantile(const struct sizes *s, double q);
/* Of the values above `least`: how many, and their sum. */
void sizes_above(const struct sizes *s, double least, double *n, double *sum);

#endif
