/* A short program with alarms, through the public header alone: what its receivers do must not reach it.
 *
 *     attack_client LOG MILLISECONDS RECEIVER...
 *
 * Calls for so long under a rule that always fires, closes, and says what could not be delivered. */
#include <rwkvmon.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char rules[] =
	"rules: [{alarm: high_latency, severity: warning, metric: token_latency_ms, above: 0, warmup: 5}]\n";

static int write_rules(const char *path)
{
	FILE *f = fopen(path, "w");

	return !f || fputs(rules, f) < 0 || fclose(f) ? -1 : 0;
}

/* Texts that would be commands to a shell, and options to a program. */
static int open_monitor(rwkvmon **mon, const char *log, const char *const *receivers)
{
	char why[RWKVMON_ERROR_BYTES] = "";
	const struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg,
		.log_path = log,
		.rules = "fire.yaml",
		.model_name = "x\"; touch PWNED; $(touch PWNED) `touch PWNED`\n--help",
		.session_id = "s'; touch PWNED",
		.alarm_spool = "none",
		.alarm_to = receivers,
	};

	if (write_rules("fire.yaml"))
		return -1;
	if (!rwkvmon_open(mon, &cfg, why))
		return 0;
	puts(why);
	return -1;
}

int main(int argc, char **argv)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	const uint32_t token = 1;
	const float logits[64] = { 0 };
	const struct rwkvmon_step step = {
		.struct_size = sizeof step, .tokens = &token, .n_tokens = 1, .logits = logits, .n_logits = 64
	};
	rwkvmon *mon;

	if (argc < 4 || open_monitor(&mon, argv[1], (const char *const *)argv + 3))
		return 2;
	for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
		rwkvmon_begin(mon);
		usleep(1000);
		rwkvmon_end(mon, &step);
	}
	if (rwkvmon_close(mon, &totals))
		return 1;
	printf("alarms %llu undelivered %llu dropped %llu: %s\n", (unsigned long long)totals.alarms,
	       (unsigned long long)totals.undelivered, (unsigned long long)totals.dropped, totals.undelivered_why);
	return 0;
}
