/* export_article.h - writes a log's steps in the format of the published article on monitoring RWKV. */
#ifndef RWKVMON_CLI_EXPORT_ARTICLE_H
#define RWKVMON_CLI_EXPORT_ARTICLE_H

#include "base/err.h"
#include "spec/options.h"

/* Writes to the standard output: one line per step with every key that the article's own parser asks for. What
 * the log does not know is 0 here, as that parser wants it, and nowhere else. */
int export_article(const struct options *opts, struct err *err);

#endif
