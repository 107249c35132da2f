/* Bytes as an exposition, taken twice; the board of it is drawn. */
#include "tui/dashboard.h"
#include "tui/scrape.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = { (const char *)data, n };
	struct scrape *s = calloc(1, sizeof *s);
	struct board *board = calloc(1, sizeof *board);
	struct dashboard_view view = { .interval_s = 1 };
	struct frame frame = { .rows = 0 };
	struct buf out = { 0 };

	if (s && board && frame_open(&frame, 24, 80)) {
		scrape_take(s, text, 1000000);
		scrape_take(s, text, 2000000);
		if (s->n_rows > SCRAPE_ROWS)
			abort();
		board_from_scrapes(board, s, 1, "fuzz", LANG_EN);
		dashboard_draw(&frame, board, &view);
		frame_text(&out, &frame);
		board_json(&out, board);
	}
	buf_free(&out);
	frame_free(&frame);
	free(board);
	free(s);
	return 0;
}
