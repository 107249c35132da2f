// The core of `rwkvmon analyze` asked of simdjson's on-demand parser, for bench/analyze_bench.c: of each session and
// metric the count, minimum, maximum, mean, deviation and 95th percentile (log-linear bins), and the correlation of
// similarity and entropy. No rules, phases, time series, worst moments or correlations: less than analyze does.
//
//     g++ -O3 -march=native -DNDEBUG -ISIMDJSON/include -ISIMDJSON/src -o simdjson_read bench/peers/simdjson_read.cpp SIMDJSON/src/simdjson.cpp
//     RWKVMON_SIMDJSON=./simdjson_read build/bench/analyze_bench 1000 3
#include "simdjson.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

const char *const groups[3] = { "performance", "resources", "accuracy" };
const char *const keys[9] = { "token_latency_ms", "throughput_tps",	"chunk_process_time_ms",
			      "vram_used_mb",	  "gpu_utilization_pct", "state_size_bytes",
			      "logits_entropy",	  "token_repetition_pct", "state_similarity" };

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

struct Log {
	simdjson::ondemand::parser parser;
	std::unordered_map<std::string, Session> sessions;
	std::string latest;
	Session *session = nullptr;
	uint64_t lines = 0, bad = 0;

	bool take(const char *line, size_t n)
	{
		simdjson::ondemand::document document;
		simdjson::ondemand::object object, group;
		std::string_view time, id, event;
		uint64_t length;
		double v[9];

		if (parser.iterate(simdjson::padded_string_view(line, n, n + simdjson::SIMDJSON_PADDING)).get(document) ||
		    document.get_object().get(object) || object["timestamp"].get(time) || object["session_id"].get(id) ||
		    object["event_type"].get(event) || object["sequence_length"].get(length))
			return false;
		if (!session || latest != id) {
			latest = std::string(id);
			session = &sessions[latest];
		}
		for (int g = 0; g < 3; g++) {
			if (object[groups[g]].get(group))
				return false;
			for (int k = 3 * g; k < 3 * g + 3; k++) {
				if (group[keys[k]].get(v[k]))
					return false;
				session->track[k].add(v[k]);
			}
		}
		session->x += v[8];
		session->y += v[6];
		session->xx += v[8] * v[8];
		session->yy += v[6] * v[6];
		session->xy += v[8] * v[6];
		return true;
	}
};

} // namespace

int main(int argc, char **argv)
{
	const size_t block = 1 << 20;
	std::vector<char> buffer(2 * block + simdjson::SIMDJSON_PADDING);
	size_t have = 0;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	Log log;

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
