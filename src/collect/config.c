/* config.c - fills a configuration by the names of its settings, from C and from the environment.
 *
 * Copies are kept in a list of memory blocks at config->owned, until rwkvmon_config_free. */
#include "collect/collector.h"

#include "spec/settings.h"

#include <stdlib.h>

/* Where a setting's value goes. */
struct place {
	size_t offset, size; /* of the member in struct rwkvmon_config */
};

static const struct place places[SETTING_COUNT] = {
#define SETTING(commands, member, ...)                                                                                 \
	[SETTING_##member] = { offsetof(struct rwkvmon_config, member), sizeof(((struct rwkvmon_config *)0)->member) },
#include "spec/settings.def"
#undef SETTING
};

struct owned {
	struct owned *next;
	char bytes[];
};

static void *own_memory(struct rwkvmon_config *config, size_t n)
{
	struct owned *block = malloc(sizeof *block + n);

	if (!block)
		return NULL;
	block->next = config->owned;
	config->owned = block;
	return block->bytes;
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for a setting");
}

/* NULL stays NULL. */
static int set_text(struct rwkvmon_config *config, const char **member, const char *text, struct err *err)
{
	char *copy = text ? own_memory(config, strlen(text) + 1) : NULL;

	if (text && !copy)
		return no_memory(err);
	if (copy)
		memcpy(copy, text, strlen(text) + 1);
	*member = copy;
	return 0;
}

/* Appends an entry to a list, which is copied to grow. */
static int add_text(struct rwkvmon_config *config, const char *const **member, const char *text, struct err *err)
{
	size_t n = 0;
	const char **list;
	int rc;

	while (*member && (*member)[n])
		n++;
	list = own_memory(config, (n + 2) * sizeof *list);
	if (!list)
		return no_memory(err);
	if (n)
		memcpy(list, *member, n * sizeof *list);
	list[n] = list[n + 1] = NULL;
	rc = set_text(config, &list[n], text, err);
	*member = list;
	return rc;
}

/* Whole numbers of any member's size. */
static int set_count(void *member, size_t size, const char *label, uint64_t count, struct err *err)
{
	uint32_t small = (uint32_t)count;

	if (size == sizeof count) {
		memcpy(member, &count, size);
		return 0;
	}
	if (count > INT32_MAX)
		return err_set(err, ERR_USAGE, "%s: found %llu, expected at most %d", label, (unsigned long long)count,
			       INT32_MAX);
	memcpy(member, &small, size);
	return 0;
}

static int store(struct rwkvmon_config *config, enum setting_id id, const char *label,
		 const struct setting_value *value, struct err *err)
{
	void *member = (char *)config + places[id].offset;

	switch (setting_specs[id].kind) {
	case SETTING_IS_TEXT:
	case SETTING_IS_OUTPUT:
	case SETTING_IS_WORD:
	case SETTING_IS_GOAL:
		return set_text(config, member, value->text, err);
	case SETTING_IS_LIST:
		return add_text(config, member, value->text, err);
	case SETTING_IS_NUMBER:
		*(double *)member = value->number;
		return 0;
	case SETTING_IS_CHOICE:
	case SETTING_IS_FLAG:
	case SETTING_IS_COUNT:
	case SETTING_IS_MODE:
		return set_count(member, places[id].size, label, value->count, err);
	}
	return 0;
}

static int set_one(struct rwkvmon_config *config, enum setting_id id, const char *label, const char *text,
		   struct err *err)
{
	struct setting_value value;
	int rc = setting_read(&value, &setting_specs[id], label, text, err);

	return rc ? rc : store(config, id, label, &value, err);
}

/* A list's text holds one entry per line. */
static int set(struct rwkvmon_config *config, enum setting_id id, const char *label, const char *text, struct err *err)
{
	int rc = 0;

	if (setting_specs[id].kind != SETTING_IS_LIST || !strchr(text, '\n'))
		return set_one(config, id, label, text, err);
	while (*text && !rc) {
		size_t n = strcspn(text, "\n");
		char *line = n ? strndup(text, n) : NULL;

		if (n)
			rc = line ? set_one(config, id, label, line, err) : no_memory(err);
		free(line);
		text += n + (text[n] == '\n');
	}
	return rc;
}

/* A caller that was built against an older header has a smaller struct: nothing may be written beyond its end. */
static int check(const struct rwkvmon_config *config, struct err *err)
{
	size_t needed = offsetof(struct rwkvmon_config, owned) + sizeof config->owned;

	if (config && config->struct_size >= needed)
		return 0;
	if (config)
		err_set(err, ERR_USAGE, "the configuration's struct_size is %zu, expected at least %zu",
			config->struct_size, needed);
	else
		err_set(err, ERR_USAGE, "there is no configuration");
	return err_hint(err, "struct rwkvmon_config cfg = { .struct_size = sizeof cfg, ... };");
}

int rwkvmon_config_set(struct rwkvmon_config *config, const char *name, const char *value, char *error)
{
	struct err err = { 0 };
	int rc = check(config, &err);
	enum setting_id id = SETTING_COUNT;

	if (!rc && (!name || !value))
		rc = err_set(&err, ERR_USAGE, "a setting has a name and a value");
	if (!rc && (id = setting_find(slice_of(name), &err)) == SETTING_COUNT)
		rc = -ERR_USAGE;
	if (!rc)
		rc = set(config, id, name, value, &err);
	if (rc)
		collector_copy_error(error, &err);
	return rc;
}

static int set_from_variable(struct rwkvmon_config *config, enum setting_id id, struct err *err)
{
	char name[SETTING_VARIABLE_BYTES];
	const char *text;

	setting_variable(name, &setting_specs[id]);
	text = secure_getenv(name);
	return text && *text ? set(config, id, name, text, err) : 0;
}

int rwkvmon_config_environment(struct rwkvmon_config *config, char *error)
{
	struct err err = { 0 };
	int rc = check(config, &err);

	for (int i = 0; i < SETTING_COUNT && !rc; i++)
		if (setting_specs[i].preset)
			rc = set(config, (enum setting_id)i, setting_specs[i].name, setting_specs[i].preset, &err);
	for (int i = 0; i < SETTING_COUNT && !rc; i++)
		rc = set_from_variable(config, (enum setting_id)i, &err);
	if (rc)
		collector_copy_error(error, &err);
	return rc;
}

void rwkvmon_config_free(struct rwkvmon_config *config)
{
	struct owned *block = config ? config->owned : NULL;

	while (block) {
		struct owned *next = block->next;

		free(block);
		block = next;
	}
	if (config)
		config->owned = NULL;
}
