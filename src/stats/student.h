/* student.h - Student's t distribution: the chance of a value as far out, and how far out a chance reaches.
 *
 * Two-sided and exact (to about 1e-10) for any number of degrees of freedom > 0, whole or not: with two of them, as of
 * three runs a side, approximations by powers of 1/freedom are too far off.
 *
 * Ownership  plain values.
 * Cost       student_chance 0.3 us; student_reach five times that. More where there are thousands of degrees.
 */
#ifndef RWKVMON_STATS_STUDENT_H
#define RWKVMON_STATS_STUDENT_H

/* P(|T| >= |t|); NAN for a t that is none. From a million degrees on the normal distribution's. */
double student_chance(double t, double freedom);

/* The t > 0 that |T| exceeds with this chance, 0 < chance < 1. */
double student_reach(double chance, double freedom);

#endif
