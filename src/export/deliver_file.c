/* deliver_file.c - alarms as JSON lines, appended to a file. */
#include "export/deliver_receiver.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct file_receiver {
	struct receiver r; /* first */
	char *path;
	int fd; /* -1: to be opened */
};

static int open_append(const char *path)
{
	return file_beyond_standard(
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
}

/* Whole lines, also where several processes share the file; a torn one is ended first. */
static enum sent send_line(struct receiver *receiver, const struct message *m, struct attempt *a)
{
	struct file_receiver *f = (struct file_receiver *)(void *)receiver;
	char said[ERR_SAID_BYTES];
	ssize_t wrote;

	if (f->fd < 0)
		f->fd = open_append(f->path);
	wrote = f->fd < 0 ? -1 : write(f->fd, m->text.p, m->text.n);
	if (wrote == (ssize_t)m->text.n)
		return SENT;
	snprintf(a->why, sizeof a->why, "%s", err_said(said, wrote < 0 ? strerror(errno) : "the disk is full"));
	if (wrote > 0)
		file_write_all(f->fd, slice_of("\n")); /* readers skip the torn line either way */
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1; /* a new one may stand there by then */
	return SEND_LATER;
}

static void file_close(struct receiver *receiver)
{
	struct file_receiver *f = (struct file_receiver *)(void *)receiver;

	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f->r.label);
	free(f);
}

int receiver_file_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	const char *path = setup->address;
	struct file_receiver *f;

	if (!*path)
		return err_set(err, ERR_USAGE, "alarm-to: file+ names no file");
	f = calloc(1, sizeof *f);
	if (!f || !(f->path = strdup(path)) || asprintf(&f->r.label, err_words("the alarm file %s"), path) < 0) {
		if (f)
			free(f->path);
		free(f);
		return err_set(err, ERR_NOMEM, "no memory for the alarm file");
	}
	f->r.format = format_json_line;
	f->r.send = send_line;
	f->r.close = file_close;
	f->r.resend_ns = UINT64_MAX;
	f->fd = open_append(path);
	if (f->fd < 0) {
		int why = errno;

		file_close(&f->r);
		err_set_os(err, ERR_WRITE, why, "%s: cannot be opened for alarms", path);
		return err_hint(err, "its directory must exist and be writable");
	}
	*out = &f->r;
	return 0;
}
