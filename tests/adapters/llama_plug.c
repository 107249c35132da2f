/* llama_plug.c - a plug-in that needs libllama, and with -DHOST the program that loads it: with RTLD_LOCAL, so that
 * libllama is not among the symbols that others see. As Node.js and Python load their extensions.
 *
 *     llama_host PLUG.so MODEL.gguf LOGITS_OUT HOW THREADS     each thread runs it, into LOGITS_OUT.0, .1, … */
#ifdef HOST

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8 };

struct run {
	int (*plug)(int, char **);
	char *argument[4], out[1024];
	int rc;
};

static void *run(void *ctx)
{
	struct run *r = ctx;

	r->rc = r->plug(4, r->argument);
	return NULL;
}

int main(int argc, char **argv)
{
	void *plug = argc == 6 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	struct run runs[THREADS];
	pthread_t thread[THREADS];
	int n = plug ? atoi(argv[5]) : 0, rc = 0;

	if (n < 1 || n > THREADS) {
		fprintf(stderr, "llama_host: %s\n", plug ? "1 to 8 threads" : dlerror());
		return 2;
	}
	for (int i = 0; i < n; i++) {
		struct run *r = &runs[i];

		*r = (struct run){ .argument = { argv[1], argv[2], r->out, argv[4] } };
		snprintf(r->out, sizeof r->out, "%s.%d", argv[3], i);
		*(void **)&r->plug = dlsym(plug, "plug_main");
		if (!r->plug || pthread_create(&thread[i], NULL, run, r))
			return 2;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		rc |= runs[i].rc;
	}
	return rc;
}

#else

#define main plug_main
int plug_main(int argc, char **argv);
#include "llama_chats.c"

#endif
