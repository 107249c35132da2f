/* pictures.c - one gnuplot process per picture, its script on standard input. */
#include "cli/pictures.h"

#include "report/gnuplot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int no_gnuplot(struct err *err)
{
	err_set(err, ERR_SYSTEM, "--charts: gnuplot is not installed, which draws them");
	return err_hint(err, "Debian, Ubuntu: apt-get install gnuplot-nox; macOS: brew install gnuplot");
}

int pictures_possible(const char *folder, struct err *err)
{
	struct stat st;

	if (strpbrk(folder, "\r\n"))
		return err_set(err, ERR_USAGE, "--charts: the folder's name holds a line break");
	if (!stat(folder, &st) && !S_ISDIR(st.st_mode))
		return err_set(err, ERR_USAGE, "--charts: %s is a file; expected a folder, or the name of a new one",
			       folder);
	return system("command -v gnuplot >/dev/null") ? no_gnuplot(err) : 0;
}

/* The script is gnuplot's standard input; its error messages come from its standard error. */
static int draw(const struct buf *script, const char *path, struct err *err)
{
	FILE *gnuplot = popen("command -v gnuplot >/dev/null || exit 127; LC_ALL=C.UTF-8 exec gnuplot",
			      "w"); /* no word of a user is in this command */
	bool written;
	int status;

	if (!gnuplot)
		return err_set_os(err, ERR_SYSTEM, errno, "gnuplot cannot be started");
	written = fwrite(script->p, 1, script->used, gnuplot) == script->used;
	status = pclose(gnuplot);
	if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return no_gnuplot(err);
	if (!written || WEXITSTATUS(status))
		return err_set(err, ERR_SYSTEM, "%s: gnuplot could not draw it (its own message stands above)", path);
	return 0;
}

/* gnuplot does not say that a disk was full. */
static bool is_whole(const char *path, enum picture kind)
{
	static const char *const end[PICTURE_COUNT] = { [PICTURE_PNG] = "IEND", [PICTURE_SVG] = "</svg>" };
	char tail[24];
	size_t n = 0;
	FILE *f = fopen(path, "r");

	if (f && !fseek(f, -(long)sizeof tail, SEEK_END))
		n = fread(tail, 1, sizeof tail, f);
	if (f)
		fclose(f);
	return memmem(tail, n, end[kind], strlen(end[kind]));
}

static int one_picture(const char *folder, const struct findings *f, enum chart_id chart, enum picture kind,
		       enum lang lang, int *drawn, struct err *err)
{
	struct buf path = { 0 }, script = { 0 };
	int rc = 0;

	buf_printf(&path, "%s/%s.%s", folder, chart_specs[chart].id, picture_names[kind]);
	if (!path.failed && gnuplot_chart(&script, f, chart, kind, path.p, lang)) {
		rc = script.failed ? err_set(err, ERR_NOMEM, "no memory for a picture") : draw(&script, path.p, err);
		if (!rc && !is_whole(path.p, kind))
			rc = err_set(err, ERR_WRITE, "%s: was not written whole: is the disk full?", path.p);
		*drawn += !rc;
	}
	buf_free(&path);
	buf_free(&script);
	return rc;
}

int pictures_write(const char *folder, const struct findings *f, enum lang lang, int *drawn, struct err *err)
{
	int rc = 0;

	*drawn = 0;
	if (mkdir(folder, 0777) && errno != EEXIST)
		return err_set_os(err, ERR_SYSTEM, errno, "%s: the folder cannot be made", folder);
	for (int chart = 0; chart < CHART_COUNT && !rc; chart++)
		for (int kind = 0; kind < PICTURE_COUNT && !rc; kind++)
			rc = one_picture(folder, f, (enum chart_id)chart, (enum picture)kind, lang, drawn, err);
	if (!*drawn)
		rmdir(folder); /* fails if the folder is not empty, as it should */
	return rc;
}
