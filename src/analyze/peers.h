/* peers.h - finds instances that differ from their peers: those that run the same model with the same strategy on the
 * same device.
 *
 * An instance is compared with the median of its group, metric by metric, in units of the group's spread: the standard
 * deviation of those within 2.5 median absolute deviations, with a floor, plus what the instance's own steps leave
 * uncertain. With few instances the spread is known only roughly, and hosts have heavier tails than a normal
 * distribution, so the score is treated as Student's t. Over all comparisons of a log, an instance of a healthy fleet
 * is named in at most one log in twenty.
 *
 * Hosts may serve different texts. So only what does not follow the text is compared: times, memory, and how much more
 * surprised a model is than its own entropy says. Entropy, repetition and similarity by themselves are not.
 *
 * Bounds  sessions that are listed (analyze.h) and decode. Groups of fewer than PEERS_LEAST instances tell nothing.
 */
#ifndef RWKVMON_ANALYZE_PEERS_H
#define RWKVMON_ANALYZE_PEERS_H

#include "analyze/analysis.h"

enum {
	PEERS_LEAST = 4,   /* instances of a group */
	PEERS_KIND = 6,    /* more than one of so many that stand apart are another kind of host, not outliers */
	PEER_RECORDS = 50, /* decode steps that an instance needs */
	PEER_PROMPTS = 6,  /* calls of prefill, for the surprisal of prompts */
	PEER_MEMORY = 100, /* steps until two of them are taken as independent */
};

/* Fills f->peers once f->instance is there, and the trouble of its instances; false when memory is out. */
bool peers_tell(struct findings *f, const struct analysis *a);

#endif
