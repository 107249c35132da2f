// The core of `rwkvmon analyze`, for a general JSON parser to answer (bench/analyze_bench.c): of each session and metric
// the count, minimum, maximum, mean, deviation and 95th percentile (log-linear bins), and the correlation of similarity
// and entropy. No rules, phases, time series, worst moments, trends or diagnosis: less than analyze does.
//
// A peer defines Line: what it takes from a line. It includes this before and calls run<Line>() from main.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace
{

const char *const groups[3] = { "performance", "resources", "accuracy" };
const char *const keys[9] = { "token_latency_ms", "throughput_tps",       "chunk_process_time_ms",
			      "vram_used_mb",     "gpu_utilization_pct",  "state_size_bytes",
			      "logits_entropy",   "token_repetition_pct", "state_similarity" };

struct Track {
	uint64_t n = 0;
	double min = INFINITY, max = -INFINITY, sum = 0, squares = 0;
	std::vector<uint32_t> bins; // by sign, exponent and 7 bits of the mantissa, from 2^-63 on

	void add(double v)
	{
		uint64_t bits;

		n++;
		min = v < min ? v : min;
		max = v > max ? v : max;
		sum += v;
		squares += v * v;
		memcpy(&bits, &v, 8);
		uint32_t bin = uint32_t(bits >> 45) & 0x7ffff;
		bin = bin > 960 * 128 ? bin - 960 * 128 : 0;
		if (bin >= bins.size())
			bins.resize(bin + 64);
		bins[bin]++;
	}

	double p95() const
	{
		uint64_t seen = 0;

		for (size_t bin = 0; bin < bins.size(); bin++)
			if ((seen += bins[bin]) >= 0.95 * double(n)) {
				uint64_t bits = uint64_t(bin + 960 * 128) << 45;
				double v;

				memcpy(&v, &bits, 8);
				return v;
			}
		return NAN;
	}
};

struct Session {
	Track track[9];
	double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
};

// What a parser has found in a line.
struct Found {
	std::string_view id;
	double v[9];
};

template <class Line> struct Log {
	Line parser;
	std::unordered_map<std::string, Session> sessions;
	std::string latest;
	Session *session = nullptr;
	uint64_t lines = 0, bad = 0;

	bool take(const char *line, size_t n)
	{
		Found found;

		if (!parser.read(line, n, found))
			return false;
		if (!session || latest != found.id) {
			latest = std::string(found.id);
			session = &sessions[latest];
		}
		for (int k = 0; k < 9; k++)
			session->track[k].add(found.v[k]);
		session->x += found.v[8];
		session->y += found.v[6];
		session->xx += found.v[8] * found.v[8];
		session->yy += found.v[6] * found.v[6];
		session->xy += found.v[8] * found.v[6];
		return true;
	}
};

const size_t padding = 64; // bytes behind a line that a parser may read

template <class Line> int run(int argc, char **argv)
{
	const size_t block = 1 << 20;
	std::vector<char> buffer(2 * block + padding);
	size_t have = 0;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	Log<Line> log;

	for (ssize_t got; fd >= 0 && (got = read(fd, buffer.data() + have, block)) > 0;) {
		char *line = buffer.data(), *end = buffer.data() + have + got;

		while (char *stop = static_cast<char *>(memchr(line, '\n', size_t(end - line)))) {
			log.lines++;
			log.bad += !log.take(line, size_t(stop - line));
			line = stop + 1;
		}
		have = size_t(end - line);
		memmove(buffer.data(), line, have);
	}
	printf("%llu lines, %llu bad\n", (unsigned long long)log.lines, (unsigned long long)log.bad);
	for (const auto &[id, s] : log.sessions) {
		double n = double(s.track[8].n), spread = (s.xx - s.x * s.x / n) * (s.yy - s.y * s.y / n);

		printf("%s correlation %g\n", id.c_str(), (s.xy - s.x * s.y / n) / std::sqrt(spread));
		for (int k = 0; k < 9; k++) {
			const Track &t = s.track[k];
			double m = double(t.n), mean = t.sum / m;

			printf("%s %llu %g %g %g %g %g\n", keys[k], (unsigned long long)t.n, t.min, t.max, mean,
			       std::sqrt((t.squares - m * mean * mean) / (m - 1)), t.p95());
		}
	}
	return fd < 0 || log.bad ? 1 : 0;
}

} // namespace
