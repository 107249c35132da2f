// quill and our ring side by side: 16 calls in a row, a pause, the other one's turn.
//
// Both hand a time stamp and four numbers (32 bytes, 64 with the header that each keeps) to a
// thread that wakes every 100 us; both queues are bounded, hold 1 MiB, and drop when full. Printed are
// nanoseconds per call: quantiles of the means of 16, so that reading the clock does not count.
#include "handover.h"

#include "quill/Backend.h"
#include "quill/Frontend.h"
#include "quill/LogMacros.h"
#include "quill/Logger.h"
#include "quill/sinks/NullSink.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

struct Options : quill::FrontendOptions {
	static constexpr quill::QueueType queue_type = quill::QueueType::BoundedDropping;
	static constexpr std::size_t initial_queue_capacity = 1 << 20;
};
using Frontend = quill::FrontendImpl<Options>;
using Logger = quill::LoggerImpl<Options>;

static double now_ns()
{
	return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count());
}

static void pause_us(double us)
{
	for (double until = now_ns() + us * 1e3; now_ns() < until;)
		;
}

static const int batch = 16, batches = 40000;

template <class Put> static double one_batch(int i, Put put)
{
	double start = now_ns();

	for (int k = 0; k < batch; k++)
		put(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(k), std::uint64_t{ 7 }, i * 0.1);
	return (now_ns() - start) / batch;
}

static void say(const char *who, std::vector<double> &ns)
{
	std::sort(ns.begin(), ns.end());
	auto at = [&](double q) { return ns[static_cast<std::size_t>(q * static_cast<double>(ns.size() - 1))]; };

	std::printf("%-22s p50 %6.1f ns   p99 %7.1f ns   p99.9 %8.1f ns\n", who, at(0.5), at(0.99), at(0.999));
}

int main()
{
	std::vector<double> ours, peer;

	quill::Backend::start();
	Logger *logger =
		Frontend::create_or_get_logger("handover", Frontend::create_or_get_sink<quill::NullSink>("null"));
	Frontend::preallocate();
	if (ours_open())
		return 4;
	for (int i = 0; i < batches; i++) {
		ours.push_back(one_batch(i, ours_put));
		pause_us(20);
		peer.push_back(one_batch(i, [logger](std::uint64_t a, std::uint64_t b, std::uint64_t c, double d) {
			LOG_INFO(logger, "{} {} {} {}", a, b, c, d);
		}));
		pause_us(20);
	}
	say("rwkvmon ring, 64 bytes", ours);
	say("quill, four numbers", peer);
	std::printf("dropped by ours: %llu\n", static_cast<unsigned long long>(ours_dropped()));
	ours_close();
	quill::Backend::stop();
	return 0;
}
