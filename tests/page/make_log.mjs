/* Writes logs to test the page with, the same every time:
 *
 *   node make_log.mjs KIND        to standard output
 *
 * KIND is one of the keys of `kinds`. */

let seed = 20250911;
const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const round = (x, decimals) => Number(x.toFixed(decimals));
const start = Date.parse("2025-09-11T12:34:56.789Z");
const HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e";
const put = record => process.stdout.write(JSON.stringify(record) + "\n");

/* One step of a session on a GPU; `at` runs from 0 to 1 through the log. */
function step(at, i, session, model) {
	const slow = at > 0.6 && at < 0.72, loop = at > 0.88 && at < 0.93;
	const prefill = i % 400 === 0, tokens = prefill ? 256 : 1;
	const latency = (prefill ? 2.2 : slow ? 88 : 31) * (0.9 + 0.25 * random()) + (random() < 0.01 ? 40 : 0);

	return {
		timestamp: new Date(start + at * 3_600_000).toISOString(),
		session_id: session,
		event_type: "inference_step",
		sequence_length: 256 + i % 400,
		sequence: Math.floor(i / 400),
		phase: prefill ? "prefill" : "decode",
		token_count: tokens,
		performance: {
			token_latency_ms: round(latency, 3),
			throughput_tps: round((slow ? 11 : 160) * (0.95 + 0.1 * random()), 2),
			chunk_process_time_ms: round(latency * tokens, 3),
			...(prefill && { time_to_first_token_ms: round(latency * tokens + 4, 3) }),
		},
		resources: {
			vram_used_mb: round(2457 + 300 * at, 1),
			gpu_utilization_pct: round(slow ? 97 : 76 + 6 * random(), 2),
			state_size_bytes: 1048576,
			cpu_utilization_pct: round(20 + 10 * random(), 2),
			process_memory_mb: round(3100 + 40 * Math.sin(at * 9), 1),
		},
		accuracy: {
			logits_entropy: round(loop ? 0.4 + 0.2 * random() : 3.4 + 1.6 * (random() - 0.5), 4),
			token_repetition_pct: round(loop ? 61 : 8 + 2 * random(), 2),
			...(!prefill && {
				state_similarity: round(loop ? 0.995 : 0.93 + 0.03 * (random() - 0.5), 6),
				state_similarity_shift: round(0.81 + 0.1 * (random() - 0.5), 6),
				state_similarity_wkv: round(0.985 + 0.008 * (random() - 0.5), 6),
				state_change: round(loop ? 0.04 : 0.3 + 0.1 * (random() - 0.5), 6),
				...(i % 100 === 99 && {
					state_drift: round(0.7 + 0.2 * random(), 6),
					decay_half_life_tokens: { p5: 1.2, p50: round(12 + 4 * random(), 2), p95: round(9000 * (1 + random()), 2) },
				}),
				surprisal_nats: round(2.2 * random() + 0.3, 4),
			}),
		},
		metadata: { model_name: model, strategy: "cuda fp16i8", chunk_len: 256 },
	};
}

/* n steps of three sessions side by side, with a pause in the middle. */
function steps(n, name = i => `rwkv-sess-${(0x8f4e2d + i * 7919).toString(16)}`, model = "RWKV-x070-World-1.5B") {
	for (let i = 0; i < n; i++) {
		const at = i / n;

		if (at < 0.35 || at > 0.42)
			put(step(at, Math.floor(i / 3), name(i % 3), model));
	}
}

const kinds = {
	ordinary: () => steps(30_000),
	hostile: () => steps(3_000, i => HOSTILE + i, HOSTILE),
	torn: () => {
		steps(600);
		process.stdout.write("not json\n{\"event_type\":\"inference_step\",\"timestamp\":\"2025-09-11T13:40:00Z\",\"perform");
	},
	few: () => steps(2),
	published: () => {
		for (let i = 0; i < 500; i++) {
			const r = step(i / 500, i + 1, "rwkv-sess-8f4e2d", "RWKV-x070-World-1.5B");
			for (const key of ["phase", "sequence", "token_count"])
				delete r[key];
			put(r);
		}
	},
	many: () => {
		const name = i => `rwkv-sess-${(i % 9000).toString(16).padStart(6, "0")}-${"x".repeat(60)}`;

		for (let i = 0; i < 40_000; i++)
			put(step(i / 40_000, i, name(i), `model ${i % 50}`));
	},
};

const kind = kinds[process.argv[2]];
if (!kind) {
	console.error(`make_log.mjs: expected one of ${Object.keys(kinds).join(", ")}`);
	process.exit(2);
}
kind();
