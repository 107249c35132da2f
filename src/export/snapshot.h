/* snapshot.h - turns records into the values of /metrics: counters, gauges, histograms.
 *
 * One exporter serves all handles of a process, or all logs that `serve` follows. Values are kept per label set (model
 * and backend; for logs also instance), and gauges per session, so that the last value of a closed session does not
 * persist.
 *
 * Ownership  exporter_open creates, exporter_close destroys; texts of records are copied.
 * Threads    any; one lock, held while one record is added or one text is written. The inference thread never takes it.
 * Cost       exporter_take: about a microsecond; allocates only for new sessions.
 * Bounds     64 label sets, then "other"; 512 live sessions, then the one silent for longest is dropped, of "other"
 * first.
 */
#ifndef RWKVMON_EXPORT_SNAPSHOT_H
#define RWKVMON_EXPORT_SNAPSHOT_H

#include "base/buf.h"
#include "base/clock.h"
#include "record/record.h"
#include "record/sink.h"
#include "spec/families.h"

struct exporter;

struct exporter_options {
	const struct clock *clock;
	bool by_instance;  /* beside logs: every series says whose it is */
	bool own_process;  /* in the process that is watched: its processor time is known */
	int64_t silent_us; /* a session silent for so long is down; 0: only its end says so */
};

/* NULL: no memory. */
struct exporter *exporter_open(const struct exporter_options *opts);
void exporter_close(struct exporter *e);

/* Any record of any session; known by its session_id. */
void exporter_take(struct exporter *e, const struct record *r);

enum finish_reason { FINISH_STOP, FINISH_LENGTH, FINISH_ABORT, FINISH_ERROR, FINISH_COUNT };

/* What only the collector's own handle knows, as totals since it was opened. */
struct exporter_own {
	double overhead_seconds;
	double look_seconds; /* between the records of a session that rules look at; 0: it has never been longer than
				usual */
	uint64_t finished[FINISH_COUNT]; /* requests; all 0: nobody says */
	double undelivered, lost_critical;
};

void exporter_set_own(struct exporter *e, struct slice session_id, const struct exporter_own *own);

/* What was judged of all that was taken: one of the label's values (families.def); -1, as at the start: nothing. */
void exporter_set_verdict(struct exporter *e, int verdict);

/* The session is over, also when no session_end came. */
void exporter_end(struct exporter *e, struct slice session_id);

enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_COUNT };

/* The format that an Accept header (or an empty one) asks for: OpenMetrics 1.0 when it is
 * wanted at least as much as text 0.0.4. */
enum exposition exposition_accepted(struct slice accept);

extern const char *const exposition_content_type[EXPOSITION_COUNT];

/* Appends everything known now. Two consecutive calls write the same text, except for the time they took. */
void exporter_write(struct exporter *e, enum exposition format, struct buf *out);

/* The same with a label `instance` on every series, those of the process too: files that are gathered together must not
 * have a series in common. */
void exporter_write_for(struct exporter *e, enum exposition format, const char *instance, struct buf *out);

#endif
