/* A directory of odd entries: every log in it is read once, whatever lies beside it. Each two bytes of the input are
 * one entry: what it is, and what it is called. */
#include "read/read.h"
#include "read/sources.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const names[] = {
	"a.log",   "b.log",     "c.log.1",  "d.jsonl",     "e.ndjson.2025-09-11",
	"f.txt",   ".g.log",    "h.log.gz", "i.log.zst",   "j\x1b[31m.log",
	"k k.log", "l\n.log",   "*.log",    "?[a.log",     "-.log",
	"--x.log", "\xff.log",  ".log",     "n.log.log.1", "o.log-20250911-1757592000",
	"p.LOG",   "q.log.old", "r.log~",   "s.log.tmp",
};
static const char good[] = "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"#\",\"event_type\":"
			   "\"inference_step\",\"sequence_length\":1,\"performance\":{\"token_latency_ms\":1}}\n";
enum { NAMES = sizeof names / sizeof *names, GOOD = sizeof good - 1 };

static char dir[64];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void write_file(const char *name, const char *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	require(write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

/* Each log is one of its own; the same twice would count once. */
static void write_good(const char *name, size_t number)
{
	char line[GOOD + 1];

	memcpy(line, good, sizeof good);
	*strchr(line, '#') = (char)('a' + number);
	write_file(name, line, GOOD);
}

static void make_socket(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof at.sun_path, "%s", name);
	if (bind(fd, (struct sockaddr *)&at, sizeof at)) /* there already */
		at.sun_path[0] = 0;
	close(fd);
}

/* Names that exist already stay as they are: any call may fail. */
static void make_entry(unsigned what, unsigned which)
{
	static const char zeros[100];
	const char *name = names[which % NAMES], *other = names[which / NAMES % NAMES];
	int failed = 0;

	switch (what % 13) {
	case 0:
		failed = symlink(other, name);
		break;
	case 1:
		failed = symlink("/nonexistent/x", name);
		break;
	case 2:
		failed = symlink(name, name);
		break;
	case 3:
		failed = symlink(".", name);
		break;
	case 4:
		failed = link(other, name);
		break;
	case 5:
		failed = mkfifo(name, 0600);
		break;
	case 6:
		failed = mkdir(name, 0700);
		break;
	case 7:
		make_socket(name);
		break;
	case 8:
		write_file(name, "", 0);
		break;
	case 9:
		write_file(name, zeros, sizeof zeros);
		break;
	case 10:
		failed = symlink("/dev/zero", name);
		break;
	default:
		write_good(name, which % NAMES);
		break;
	}
	(void)failed;
}

/* Logs with a record, each file once however many names it has. */
static unsigned expected(void)
{
	ino_t seen[NAMES];
	unsigned n = 0;

	for (size_t i = 0; i < NAMES; i++) {
		struct stat st;
		unsigned k = 0;

		if (!source_is_log(names[i]) || stat(names[i], &st) || !S_ISREG(st.st_mode) || st.st_size != GOOD)
			continue;
		while (k < n && seen[k] != st.st_ino)
			k++;
		if (k == n)
			seen[n++] = st.st_ino;
	}
	return n;
}

static unsigned found(void)
{
	const char *const all[] = { "." };
	struct reader *r;
	struct record rec;
	struct err err = { 0 };
	unsigned n = 0;
	int rc = read_open(&r, all, 1, NULL, &err);

	if (rc) {
		require(err.text[0]);
		return 0;
	}
	while ((rc = read_next(r, &rec, &err)) > 0)
		n++;
	require(!rc || (!n && err.text[0]));
	read_close(r);
	return n;
}

static void clear(void)
{
	for (size_t i = 0; i < NAMES; i++)
		if (unlink(names[i]))
			rmdir(names[i]);
}

static void remove_dir(void)
{
	require(!rmdir(dir));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int before;

	if (!*dir) {
		snprintf(dir, sizeof dir, "/tmp/fuzz_directory.XXXXXX");
		require(mkdtemp(dir));
		atexit(remove_dir);
	}
	before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(before >= 0 && !chdir(dir));
	for (; n >= 3; data += 3, n -= 3)
		make_entry(data[0], (unsigned)data[1] << 8 | data[2]);
	require(found() == expected());
	clear();
	require(!fchdir(before));
	close(before);
	return 0;
}
