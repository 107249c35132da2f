/* analyze_logs.h - the logs that analyze_bench.c reads: the same bytes every time, as one process writes them or as a
 * fleet does.
 *
 * A log has so many sessions alive at a time, each of which ends after some steps and makes room for another. In a
 * fleet's log each has its own model, strategy, chunk length and instance, drawn from a few; else all have the same.
 */
#ifndef RWKVMON_BENCH_ANALYZE_LOGS_H
#define RWKVMON_BENCH_ANALYZE_LOGS_H

#include "base/clock.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ALIVE_MAX = 512, STEPS_LEAST = 4000, STEPS_MORE = 16000 };

static uint64_t seed;

static double unit(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(double mean, double deviation)
{
	return mean + deviation * (unit() + unit() + unit() + unit() - 2) * 1.7320508;
}

static unsigned one_of(unsigned n)
{
	return (unsigned)(unit() * n);
}

/* A session, and where it is. */
struct stream {
	uint64_t id;
	unsigned steps, length, left;
	const char *model, *strategy;
	unsigned chunk, instance;
	double pace, entropy; /* they wander */
};

struct step {
	char time[TIME_TEXT_BYTES];
	const struct stream *of;
	double latency, throughput, chunk_ms, entropy, vram, gpu, repetition, similarity;
};

typedef void put_step(FILE *out, const struct step *s);

/* As our own writer has them. */
static void put_own(FILE *out, const struct step *s)
{
	fprintf(out,
		"{\"timestamp\":\"%s\",\"session_id\":\"rwkv-sess-%012llx\",\"event_type\":\"inference_step\","
		"\"sequence_length\":%u,\"performance\":{\"token_latency_ms\":%.3f,\"throughput_tps\":%.2f,"
		"\"chunk_process_time_ms\":%.3f},\"resources\":{\"vram_used_mb\":%.1f,\"gpu_utilization_pct\":%.0f,"
		"\"state_size_bytes\":1048576},\"accuracy\":{\"logits_entropy\":%.4f,\"token_repetition_pct\":%.0f,"
		"\"state_similarity\":%.6f},\"metadata\":{\"model_name\":\"%s\",\"strategy\":\"%s\",\"chunk_len\":%u},"
		"\"sequence\":0,\"phase\":\"decode\",\"token_count\":1,\"instance\":\"gpu-%u:4711\",\"record\":%u}\n",
		s->time, (unsigned long long)s->of->id, s->of->length, s->latency, s->throughput, s->latency, s->vram,
		s->gpu, s->entropy, s->repetition, s->similarity, s->of->model, s->of->strategy, s->of->chunk,
		s->of->instance, s->of->steps);
}

/* The published keys alone, in their order; `gap` stands behind ':' and ','. */
static void put_published(FILE *out, const struct step *s, const char *gap)
{
	fprintf(out,
		"{\"timestamp\":%s\"%s\",%s\"session_id\":%s\"rwkv-sess-%06llx\",%s\"event_type\":%s\"inference_step\","
		"%s\"sequence_length\":%s%u,%s",
		gap, s->time, gap, gap, (unsigned long long)s->of->id & 0xffffff, gap, gap, gap, gap, s->of->length,
		gap);
	fprintf(out,
		"\"performance\":%s{\"token_latency_ms\":%s%.*g,%s\"throughput_tps\":%s%.1f,%s"
		"\"chunk_process_time_ms\":%s%.1f},%s",
		gap, gap, s->latency < 100 ? 4 : 5, s->latency, gap, gap, s->throughput, gap, gap, s->chunk_ms, gap);
	fprintf(out,
		"\"resources\":%s{\"vram_used_mb\":%s%.0f,%s\"gpu_utilization_pct\":%s%.0f,%s\"state_size_bytes\":%s"
		"1048576},%s\"accuracy\":%s{\"logits_entropy\":%s%.3g,%s\"token_repetition_pct\":%s%.1f,%s"
		"\"state_similarity\":%s%.3f},%s",
		gap, gap, s->vram, gap, gap, s->gpu, gap, gap, gap, gap, gap, s->entropy, gap, gap, s->repetition, gap,
		gap, s->similarity, gap);
	fprintf(out, "\"metadata\":%s{\"model_name\":%s\"%s\",%s\"strategy\":%s\"%s\",%s\"chunk_len\":%s%u}}\n", gap,
		gap, s->of->model, gap, gap, s->of->strategy, gap, gap, s->of->chunk);
}

static void put_compact(FILE *out, const struct step *s)
{
	put_published(out, s, "");
}

static void put_dumps(FILE *out, const struct step *s)
{
	put_published(out, s, " ");
}

static void put_floats(FILE *out, const struct step *s)
{
	fprintf(out,
		"{\"timestamp\": \"%s\", \"session_id\": \"rwkv-sess-%06llx\", \"event_type\": \"inference_step\", "
		"\"sequence_length\": %u, \"performance\": {\"token_latency_ms\": %.17g, \"throughput_tps\": %.17g, "
		"\"chunk_process_time_ms\": %.17g}, \"resources\": {\"vram_used_mb\": %.17g, \"gpu_utilization_pct\": "
		"%.17g, \"state_size_bytes\": 1048576}, \"accuracy\": {\"logits_entropy\": %.17g, "
		"\"token_repetition_pct\": %.17g, \"state_similarity\": %.17g}, \"metadata\": {\"model_name\": \"%s\", "
		"\"strategy\": \"%s\", \"chunk_len\": %u}}\n",
		s->time, (unsigned long long)s->of->id & 0xffffff, s->of->length, s->latency, s->throughput,
		s->chunk_ms, s->vram, s->gpu, s->entropy, s->repetition, s->similarity, s->of->model, s->of->strategy,
		s->of->chunk);
}

/* Puts the pieces, joined by commas, in an order drawn anew. */
static void put_shuffled_pieces(FILE *out, char piece[][200], size_t n)
{
	for (; n; n--) {
		size_t i = one_of((unsigned)n);

		fprintf(out, "%s%s", piece[i], n > 1 ? ", " : "");
		if (i != n - 1)
			memmove(piece[i], piece[n - 1], sizeof piece[i]);
	}
}

static void put_shuffled(FILE *out, const struct step *s)
{
	char piece[8][200];

	fputc('{', out);
	snprintf(piece[0], sizeof piece[0], "\"timestamp\": \"%s\"", s->time);
	snprintf(piece[1], sizeof piece[1], "\"session_id\": \"rwkv-sess-%06llx\"",
		 (unsigned long long)s->of->id & 0xffffff);
	snprintf(piece[2], sizeof piece[2], "\"event_type\": \"inference_step\"");
	snprintf(piece[3], sizeof piece[3], "\"sequence_length\": %u", s->of->length);
	snprintf(piece[4], sizeof piece[4],
		 "\"performance\": {\"throughput_tps\": %.2f, \"token_latency_ms\": %.2f, \"chunk_process_time_ms\": "
		 "%.1f}",
		 s->throughput, s->latency, s->chunk_ms);
	snprintf(
		piece[5], sizeof piece[5],
		"\"resources\": {\"state_size_bytes\": 1048576, \"vram_used_mb\": %.0f, \"gpu_utilization_pct\": %.0f}",
		s->vram, s->gpu);
	snprintf(piece[6], sizeof piece[6],
		 "\"accuracy\": {\"state_similarity\": %.3f, \"logits_entropy\": %.2f, \"token_repetition_pct\": %.1f}",
		 s->similarity, s->entropy, s->repetition);
	snprintf(piece[7], sizeof piece[7],
		 "\"metadata\": {\"chunk_len\": %u, \"model_name\": \"%s\", \"strategy\": \"%s\"}", s->of->chunk,
		 s->of->model, s->of->strategy);
	put_shuffled_pieces(out, piece, 8);
	fputs("}\n", out);
}

static const struct form {
	const char *name;
	put_step *put;
	unsigned alive;
	bool fleet;
} forms[] = {
	{ "our own writer's order, 1 session alive", put_own, 1, false },
	{ "our own writer's order, 8", put_own, 8, false },
	{ "our own writer's order, a fleet's 128", put_own, 128, true },
	{ "json.dumps, 8", put_dumps, 8, false },
	{ "a fleet's, published keys, 1", put_compact, 1, true },
	{ "a fleet's, published keys, 8", put_compact, 8, true },
	{ "a fleet's, published keys, 32", put_compact, 32, true },
	{ "a fleet's, published keys, 128", put_compact, 128, true },
	{ "a fleet's, published keys, 512", put_compact, 512, true },
	{ "every line in another order, 8", put_shuffled, 8, false },
	{ "floats of 17 digits, 8", put_floats, 8, false },
};

static struct stream begin_stream(bool fleet)
{
	static const char *const models[] = { "RWKV-x070-World-1.5B", "RWKV-x070-World-2.9B", "RWKV-x070-World-0.4B",
					      "RWKV-x060-World-3B" };
	static const char *const strategies[] = { "cuda fp16i8", "cuda fp16", "cpu fp32",
						  "cuda fp16i8 *20 -> cpu fp32" };

	return (struct stream){ .id = (uint64_t)(unit() * 0x1000000) << 24 | (uint64_t)(unit() * 0x1000000),
				.left = STEPS_LEAST + one_of(STEPS_MORE),
				.model = models[fleet ? one_of(4) : 0],
				.strategy = strategies[fleet ? one_of(4) : 0],
				.chunk = fleet && one_of(4) == 0 ? 128 : 256,
				.instance = fleet ? one_of(64) : 0,
				.pace = normal(32, 3),
				.entropy = normal(4.2, 0.3) };
}

static struct step draw_step(struct stream *of, int64_t us)
{
	struct step s = { .of = of };

	time_format(s.time, us);
	of->pace += 0.05 * (32 - of->pace) + normal(0, 0.6);
	of->entropy += 0.05 * (4.2 - of->entropy) + normal(0, 0.12);
	s.latency = fmax(5, normal(of->pace, 2) * (one_of(1000) ? 1 : 3));
	s.throughput = 5000 / s.latency;
	s.chunk_ms = s.latency * 5.1;
	s.entropy = fmax(0.01, normal(of->entropy, 0.3));
	s.vram = 2400 + 400 * unit();
	s.gpu = 60 + 35 * unit();
	s.repetition = 3 + 10 * unit();
	s.similarity = 0.93 - 0.01 * (s.entropy - 4.2) + normal(0, 0.008);
	return s;
}

/* Returns its lines; 0 when it cannot be written. */
static uint64_t make_log(const char *path, size_t bytes, const struct form *form)
{
	static struct stream stream[ALIVE_MAX];
	FILE *out = fopen(path, "w");
	uint64_t lines = 0;
	int64_t us = 1757594096789000;

	seed = 88172645463325252u;
	for (unsigned i = 0; i < form->alive; i++)
		stream[i] = begin_stream(form->fleet);
	for (; out && (lines % 256 || (size_t)ftell(out) < bytes); lines++) {
		struct stream *of = &stream[one_of(form->alive)];
		struct step s;

		if (of->steps == of->left)
			*of = begin_stream(form->fleet);
		us += (int64_t)(5000 + unit() * 55000) * 8 / (form->alive < 8 ? 8 : form->alive);
		of->length++;
		s = draw_step(of, us);
		form->put(out, &s);
		of->steps++;
	}
	return out && !fclose(out) ? lines : 0;
}

#endif
