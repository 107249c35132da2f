/* tokenizer_split.h - text into the pieces that byte-level BPE merges within. Private to runtime/.
 *
 * The pieces are those of GPT-2's pattern, which GPT-NeoX's 20B_tokenizer.json uses:
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Unicode's classes come from utf8proc. A byte that is part of no character counts as [^\s\p{L}\p{N}].
 */
#ifndef RWKVMON_RUNTIME_TOKENIZER_SPLIT_H
#define RWKVMON_RUNTIME_TOKENIZER_SPLIT_H

#include "base/buf.h"

/* Bytes of the piece that the text begins with; 0 only for an empty text. Cost: the piece and one character. */
size_t split_piece(struct slice text);

/* Appends `text` in Unicode's normal form C; bytes that are no character stay as they are. */
void split_normalise(struct buf *out, struct slice text);

#endif
