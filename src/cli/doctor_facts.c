/* doctor_facts.c - gathers facts about the machine, its programs and the model file. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/doctor.h"
#include "collect/limits.h"
#include "collect/small_file.h"
#include "runtime/model.h"
#include "runtime/tensor_file.h"
#include "runtime/tokenizer.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECONDS_SHORT = 10, SECONDS_PYTHON = 60 };

static const double SECONDS_WEIGHTS = 20;

static void copy(char out[FACT], const char *text)
{
	snprintf(out, FACT, "%s", text ? text : "");
}

/* The first line that holds anything. */
static void first_line(char out[FACT], const char *text)
{
	text += strspn(text, " \t\r\n");
	snprintf(out, FACT, "%.*s", (int)strcspn(text, "\r\n"), text);
}

/* The text between `before` and the next of `stop`; "" when `before` is not in it. */
static void after(char out[FACT], const char *text, const char *before, const char *stop)
{
	const char *at = strstr(text, before);

	*out = 0;
	if (!at)
		return;
	at += strlen(before);
	at += strspn(at, " \t");
	snprintf(out, FACT, "%.*s", (int)strcspn(at, stop), at);
}

/* -- the GPU --------------------------------------------------------------------------- */

static bool is_nvidia_display(const char *root, const char *device)
{
	char vendor[32], kind[32];

	return small_file_read(vendor, sizeof vendor, "%s/sys/bus/pci/devices/%s/vendor", root, device) &&
	       !strncmp(vendor, "0x10de", 6) &&
	       small_file_read(kind, sizeof kind, "%s/sys/bus/pci/devices/%s/class", root, device) &&
	       !strncmp(kind, "0x03", 4);
}

static bool find_card(const char *root)
{
	char path[1024];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "%s/sys/bus/pci/devices", root);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' && is_nvidia_display(root, entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* One line of values, separated by ", ", the first GPU's. */
static void read_query(struct gpu_facts *g, const char *text)
{
	char field[5][FACT] = { { 0 } };

	for (int i = 0; i < 5 && *text && *text != '\n'; i++) {
		size_t n = strcspn(text, ",\r\n");

		snprintf(field[i], FACT, "%.*s", (int)n, text);
		text += n + (text[n] == ',');
		text += strspn(text, " ");
	}
	copy(g->name, field[0]);
	copy(g->driver, field[1]);
	g->total_mb = isdigit((unsigned char)field[2][0]) ? strtod(field[2], NULL) : NAN;
	g->free_mb = isdigit((unsigned char)field[3][0]) ? strtod(field[3], NULL) : NAN;
	copy(g->capability, isdigit((unsigned char)field[4][0]) ? field[4] : "");
}

/* The GPU that CUDA counts first in this process, as nvidia-smi takes it. False: a part of a GPU (MIG) or a UUID cut
 * short, which nvidia-smi cannot be asked about. */
static bool first_visible(char option[FACT])
{
	const char *list = getenv("CUDA_VISIBLE_DEVICES"), *entry = list ? list + strspn(list, " ") : "";
	size_t n = strcspn(entry, ", ");
	bool whole = strspn(entry, "0123456789") >= n || (n == sizeof "GPU-" - 1 + 36 && !strncmp(entry, "GPU-", 4));

	*option = 0;
	if (n && whole)
		snprintf(option, FACT, "--id=%.*s", (int)n, entry);
	return !n || whole || *entry == '-'; /* "" and -1 hide all GPUs, which torch says */
}

static void gather_gpu(struct gpu_facts *g, const char *root)
{
	static const char *const queries[] = {
		"--query-gpu=name,driver_version,memory.total,memory.free,compute_cap",
		"--query-gpu=name,driver_version,memory.total,memory.free"
	}; /* older drivers */
	struct asked said = { 0 };
	char only[FACT];
	bool askable = first_visible(only);

	g->total_mb = g->free_mb = NAN;
	g->card = find_card(root);
	for (int i = 0; i < 2 && !g->works && said.exit >= 0; i++) {
		ask(&said,
		    (const char *const[]){ "nvidia-smi", queries[i], "--format=csv,noheader,nounits",
					   *only ? only : NULL, NULL },
		    SECONDS_SHORT);
		g->smi = said.found;
		if (!said.found)
			return;
		g->works = !said.exit && *said.text;
		if (g->works)
			read_query(g, said.text);
		else if (!i || said.exit != 2)
			first_line(g->error, *said.text ? said.text : err_words("no answer"));
	}
	if (!askable)
		g->total_mb = g->free_mb = NAN;
	if (!g->works)
		return;
	ask(&said, (const char *const[]){ "nvidia-smi", NULL }, SECONDS_SHORT);
	after(g->cuda, said.text, "CUDA Version:", " |\r\n");
}

/* -- tools of the custom kernel ---------------------------------------------------------- */

static bool is_program(const char *path)
{
	return !access(path, X_OK);
}

static bool in_path(char out[FACT], const char *name)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");

		snprintf(out, FACT, "%.*s/%s", (int)n, path, name);
		if (n && is_program(out))
			return true;
		path += n + (path[n] == ':');
	}
	*out = 0;
	return false;
}

static void find_nvcc(struct tool_facts *t, const char *root)
{
	const char *home = getenv("CUDA_HOME") ? getenv("CUDA_HOME") : getenv("CUDA_PATH");
	struct asked said;

	copy(t->cuda_home, home);
	if (*t->cuda_home)
		snprintf(t->nvcc, FACT, "%.240s/bin/nvcc", t->cuda_home);
	else if (!in_path(t->nvcc, "nvcc"))
		snprintf(t->nvcc, FACT, "%s/usr/local/cuda/bin/nvcc", root);
	if (!is_program(t->nvcc)) {
		*t->nvcc = 0;
		return;
	}
	ask(&said, (const char *const[]){ t->nvcc, "--version", NULL }, SECONDS_SHORT);
	after(t->nvcc_version, said.text, "release", ",\r\n");
}

static void gather_tools(struct tool_facts *t, const char *root)
{
	const char *cxx = getenv("CXX"), *cuda_on = getenv("RWKV_CUDA_ON");
	struct asked said;

	t->kernel = cuda_on && !strcmp(cuda_on, "1");
	find_nvcc(t, root);
	ask(&said, (const char *const[]){ "ninja", "--version", NULL }, SECONDS_SHORT);
	if (!said.exit)
		first_line(t->ninja, said.text);
	copy(t->compiler, cxx && *cxx ? cxx : "c++");
	ask(&said, (const char *const[]){ t->compiler, "-dumpfullversion", "-dumpversion", NULL }, SECONDS_SHORT);
	if (!said.exit && isdigit((unsigned char)said.text[0]))
		first_line(t->compiler_version, said.text);
}

/* -- Python ------------------------------------------------------------------------------ */

/* A line NAME=VALUE for each thing it finds; imports torch, but nothing of rwkv. */
static const char questions[] = "import sys\n"
				"if sys.path[:1] == ['']: del sys.path[0]  # nothing of the working directory runs\n"
				"print('python=%d.%d.%d' % sys.version_info[:3])\n"
				"def why(e): return (type(e).__name__ + ': ' + str(e)).splitlines()[0]\n"
				"try:\n"
				"    import torch\n"
				"    print('torch=' + torch.__version__)\n"
				"    print('torch_cuda=' + str(torch.version.cuda or ''))\n"
				"    print('torch_gpu=%d' % torch.cuda.is_available())\n"
				"    print('torch_arch=' + ' '.join(torch.cuda.get_arch_list()))\n"
				"    print('torch_mps=%d' % torch.backends.mps.is_available())\n"
				"    x = torch.ones(2, 2, dtype=torch.half)\n"
				"    try: torch.nn.functional.layer_norm(x @ x, (2,)); print('torch_half=1')\n"
				"    except RuntimeError: print('torch_half=0')\n"
				"except BaseException as e:\n"
				"    print('torch_error=' + why(e))\n"
				"try:\n"
				"    from importlib import metadata, util\n"
				"    print('torch_dml=%d' % bool(util.find_spec('torch_directml')))\n"
				"    print('rwkv=' + metadata.version('rwkv'))\n"
				"    with open(util.find_spec('rwkv.model').origin, encoding='utf-8') as f:\n"
				"        print('rwkv_7=%d' % ('RWKV_x070' in f.read()))\n"
				"except BaseException as e:\n"
				"    print('rwkv_error=' + why(e))\n";

/* The value of the line that begins with `name`. */
static void value_of(char out[FACT], const char *text, const char *name)
{
	size_t n = strlen(name);

	*out = 0;
	for (const char *line = text; *line && !*out; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, name, n) && line[n] == '=')
			snprintf(out, FACT, "%.*s", (int)strcspn(line + n + 1, "\r\n"), line + n + 1);
}

static void gather_python(struct python_facts *p, const char *program)
{
	struct asked said;
	char flag[FACT];

	copy(p->program, program ? program : "python3");
	ask(&said, (const char *const[]){ p->program, "-c", questions, NULL }, SECONDS_PYTHON);
	value_of(p->version, said.text, "python");
	if (!*p->version)
		first_line(p->error, !said.found  ? err_words("there is no such program")
				     : *said.text ? said.text
						  : err_words("no answer"));
	value_of(p->torch, said.text, "torch");
	value_of(p->torch_cuda, said.text, "torch_cuda");
	value_of(p->torch_error, said.text, "torch_error");
	value_of(p->torch_arch, said.text, "torch_arch");
	value_of(p->torch_mps, said.text, "torch_mps");
	value_of(p->torch_dml, said.text, "torch_dml");
	value_of(p->torch_half, said.text, "torch_half");
	value_of(flag, said.text, "torch_gpu");
	p->torch_sees_gpu = *flag == '1';
	value_of(p->rwkv, said.text, "rwkv");
	value_of(p->rwkv_error, said.text, "rwkv_error");
	value_of(flag, said.text, "rwkv_7");
	p->rwkv_knows_7 = *flag == '1';
}

/* -- the model and its tokenizer ------------------------------------------------------------ */

/* MB/s of reading up to 256 MiB or 1.5 s of it, past the page cache where the kernel lets us. */
static double read_speed(const char *path)
{
	enum { PIECE = 1 << 20, LEAST = 16 << 20, MOST = 256 << 20 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *piece = malloc(PIECE);
	uint64_t start = clock_mono_ns(&clock_system), total = 0, spent = 0;
	ssize_t got = 1;

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	while (fd >= 0 && piece && got > 0 && total < MOST && spent < UINT64_C(1500000000)) {
		got = read(fd, piece, PIECE);
		total += got > 0 ? (uint64_t)got : 0;
		spent = clock_mono_ns(&clock_system) - start;
	}
	free(piece);
	if (fd >= 0)
		close(fd);
	return total < LEAST || !spent ? NAN : (double)total * 1e3 / (double)spent;
}

/* X.pth beside X.safetensors, X.bin or X.gguf. */
static void find_source(struct model_facts *m, const char *path, const struct stat *made)
{
	const char *dot = strrchr(path, '.');
	struct stat source;

	if (!dot || (strcmp(dot, ".safetensors") && strcmp(dot, ".bin") && strcmp(dot, ".gguf")))
		return;
	if ((size_t)(dot - path) + sizeof ".pth" > FACT)
		return;
	snprintf(m->source, FACT, "%.*s.pth", (int)(dot - path), path);
	if (stat(m->source, &source))
		*m->source = 0;
	else
		m->stale = source.st_mtim.tv_sec > made->st_mtim.tv_sec ||
			   (source.st_mtim.tv_sec == made->st_mtim.tv_sec &&
			    source.st_mtim.tv_nsec > made->st_mtim.tv_nsec);
}

static void note_converted(struct model_facts *m, const char *path)
{
	struct tensor_file *file;
	struct err err;

	if (tensor_file_open(&file, path, &err))
		return;
	copy(m->converted, file->converted);
	tensor_file_close(file);
}

/* Of a checkpoint in several files, all of them count, and the largest is read for the disk's speed. */
static void measure(struct model_facts *m, const char *path)
{
	struct tensor_file *file;
	const struct tensor_file *largest;
	struct err err;

	if (tensor_file_open(&file, path, &err)) {
		m->read_mb_s = read_speed(path);
		return;
	}
	m->file_bytes = file->bytes;
	largest = file->n_shards ? file->shards[0] : file;
	for (size_t i = 1; i < file->n_shards; i++)
		if (file->shards[i]->bytes > largest->bytes)
			largest = file->shards[i];
	m->read_mb_s = read_speed(largest->label);
	tensor_file_close(file);
}

static void gather_model(struct model_facts *m, const char *path, double seconds)
{
	struct model *model;
	struct stat st;

	m->named = path;
	m->read_mb_s = NAN;
	if (!path)
		return;
	if (!stat(path, &st)) {
		m->file_bytes = (uint64_t)st.st_size;
		find_source(m, path, &st);
		if (S_ISREG(st.st_mode))
			measure(m, path);
	}
	m->readable = !model_open(&model, path, NULL, &m->err);
	if (!m->readable) {
		note_converted(m, path);
		return;
	}
	copy(m->version, model_info(model)->version);
	m->n_layer = model_info(model)->n_layer;
	m->n_embd = model_info(model)->n_embd;
	m->n_vocab = model_info(model)->n_vocab;
	m->parameters = model_info(model)->parameters;
	model_close(model);
	weights_look(m, path, isnan(seconds) ? SECONDS_WEIGHTS : seconds);
}

/* One more than the largest id of a Hugging Face tokenizer.json; 0 when it is none. */
static size_t json_tokens(const char *path)
{
	json_t *all = json_load_file(path, 0, NULL), *id;
	json_int_t most = -1;
	const char *token;
	size_t i;

	json_object_foreach(json_object_get(json_object_get(all, "model"), "vocab"), token, id) most =
		json_integer_value(id) > most ? json_integer_value(id) : most;
	json_array_foreach(json_object_get(all, "added_tokens"), i, id) most =
		json_integer_value(json_object_get(id, "id")) > most ? json_integer_value(json_object_get(id, "id"))
								     : most;
	json_decref(all);
	return most < 0 ? 0 : (size_t)most + 1;
}

static void gather_tokenizer(struct tokenizer_facts *t, const char *path)
{
	struct tokenizer *tokenizer;

	t->named = path;
	if (!path)
		return;
	t->tokens = json_tokens(path);
	t->readable = t->tokens;
	if (t->readable)
		return;
	t->readable = !tokenizer_open(&tokenizer, path, &t->err);
	if (t->readable) {
		t->tokens = tokenizer_vocab(tokenizer);
		tokenizer_close(tokenizer);
	}
}

/* What a new process could take, control groups included. */
static double free_ram_mb(const char *root)
{
	char text[4096], available[FACT];
	double limit = limits_find(root).memory_mb;

	if (!small_file_read(text, sizeof text, "%s/proc/meminfo", root))
		return limit;
	after(available, text, "MemAvailable:", " \n");
	return *available ? fmin(strtod(available, NULL) / 1024, isnan(limit) ? INFINITY : limit) : limit;
}

/* Parts whose GPU takes its memory from the machine's; nvidia-smi says [N/A] for it. */
static bool shares_memory(const struct gpu_facts *g)
{
	static const char *const parts[] = { "GB10", "Thor", "Orin", "Xavier", "Tegra" };
	bool found = false;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		found |= g->works && strstr(g->name, parts[i]);
	return found;
}

void facts_gather(struct set_up *out, const struct options *opts, const char *root)
{
	*out = (struct set_up){ .opts = opts, .lang = args_lang(opts->lang) };
	copy(out->v7_on, getenv("RWKV_V7_ON"));
	copy(out->de_version, getenv("RWKV_DE_VERSION"));
	out->free_ram_mb = free_ram_mb(root);
	gather_gpu(&out->gpu, root);
	if (isnan(out->gpu.free_mb) && shares_memory(&out->gpu))
		out->gpu.free_mb = out->free_ram_mb;
	gather_tools(&out->tool, root);
	gather_python(&out->python, opts->python);
	gather_model(&out->model, opts->model, opts->check_seconds);
	gather_tokenizer(&out->tokenizer, opts->tokenizer);
}
