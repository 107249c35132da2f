/* doubt.h - how sure the analysis must be before it reports something: shared by all that report it. */
#ifndef RWKVMON_ANALYZE_DOUBT_H
#define RWKVMON_ANALYZE_DOUBT_H

/* Share of healthy fleets in which any instance is named, for what it shows by chance or beside its peers. */
static const double FALSE_FLEETS = 0.05;

/* Moments that a log shows by chance, by one metric and by several at once: a third of what is promised, as tails of
 * short series are known badly. */
static const double CHANCE_MOMENTS = 0.015;

/* A difference smaller than the first share does not matter, however certain it is. If an interval contains 0 and
 * extends beyond the second share, the result is undecided. */
static const double MATTERS = 0.01, TOO_WIDE = 0.1;

/* Share of records that violate a critical rule of the user's own, in percent, above which the verdict is critical. */
static const double OWN_RULE_PCT = 0.1;

#endif
