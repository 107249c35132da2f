/* engine_row.h - a roll-up as the engine gives it back: one line, a flat JSON object whose values are texts.
 *
 * The same names come again in every line: each is looked up once, and then known where it is expected.
 *
 * Ownership  engine_rows_open creates, engine_rows_close destroys; what a row points to lasts until the next one.
 */
#ifndef RWKVMON_SHIP_ENGINE_ROW_H
#define RWKVMON_SHIP_ENGINE_ROW_H

#include "analyze/summed.h"

struct engine_rows;

/* NULL: no memory. */
struct engine_rows *engine_rows_open(void);
void engine_rows_close(struct engine_rows *r);

struct engine_row {
	struct slice id; /* of the roll-up, as it is written */
	struct summed sums;
	bool fine; /* all that it says of metrics was understood */
};

/* [hot] Takes a line of any bytes. False: it is no roll-up. The metrics are for engine_row_metrics. */
bool engine_row_read(struct engine_rows *r, struct slice line, struct engine_row *out);

/* [hot] Reads the metrics of the row that was read last. False: no memory. */
bool engine_row_metrics(struct engine_rows *r, struct engine_row *row);

#endif
