/* Feeds files and folders of files to one fuzz target: a corpus as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t n = 0, cap = 0, got;

	if (!f)
		return 0;
	do {
		if (n == cap) {
			cap = cap ? 2 * cap : 4096;
			data = realloc(data, cap);
			if (!data)
				abort();
		}
		got = fread(data + n, 1, cap - n, f);
		n += got;
	} while (got);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int files = 0;

	while (dir && (e = readdir(dir))) {
		char file[1024];
		struct stat st;

		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		if (!stat(file, &st) && S_ISREG(st.st_mode))
			files += replay_file(file);
	}
	if (dir)
		closedir(dir);
	return files;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st))
			continue;
		files += S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
	}
	printf("%d files replayed\n", files);
	return files ? 0 : 77; /* nothing to replay: skipped */
}
