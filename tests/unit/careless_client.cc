// A C++ program that uses the collector as it should not be used: what is empty, moved away, gone, closed, shared, thrown
// through or left over at the end. It lives on, its log holds whole lines only, and what was right is in it.
#include "child.h"

#include <rwkvmon.h>

#include <atomic>
#include <climits>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

std::string dir;
int cases;

void require(bool holds, const char *what)
{
	if (holds)
		return;
	std::fprintf(stderr, "FAILED: %s\n", what);
	std::exit(1);
}

struct closes {
	void operator()(rwkvmon *mon) const
	{
		rwkvmon_close(mon, nullptr);
	}
};
using handle = std::unique_ptr<rwkvmon, closes>;

handle open(const std::string &log)
{
	rwkvmon_config cfg{};
	rwkvmon *mon = nullptr;
	char why[RWKVMON_ERROR_BYTES];

	cfg.struct_size = sizeof cfg;
	cfg.log_path = log.c_str(); // gone when this returns
	cfg.model_name = "m";
	if (rwkvmon_open(&mon, &cfg, why))
		require(false, why);
	return handle(mon);
}

rwkvmon_step good(const std::vector<uint32_t> &tokens, const std::vector<float> &logits)
{
	rwkvmon_step step{};

	step.struct_size = sizeof step;
	step.tokens = tokens.data();
	step.n_tokens = tokens.size();
	step.logits = logits.data();
	step.n_logits = logits.size();
	return step;
}

void end_good(rwkvmon *mon)
{
	const std::vector<uint32_t> tokens{ 1 };
	const std::vector<float> logits(256, 0.5F);
	const rwkvmon_step step = good(tokens, logits);

	rwkvmon_begin(mon);
	rwkvmon_end(mon, &step);
}

// Steps of a log whose every line is whole.
size_t steps_of(const std::string &path)
{
	std::ifstream in(path, std::ios::binary);
	std::string line;
	size_t n = 0;

	while (std::getline(in, line)) {
		require(line.size() > 2 && line.front() == '{' && line.back() == '}', "a line of the log is torn");
		n += line.find("\"event_type\":\"inference_step\"") < 150;
	}
	return n;
}

// --- one handle, one thread ---------------------------------------------------------------

using spoiler = std::function<void(rwkvmon *, rwkvmon_step &)>;

const std::vector<float> one_float{ 1 };
const rwkvmon_tensor tensor{ one_float.data(), 1, RWKVMON_F32, RWKVMON_WKV };

const std::vector<spoiler> spoilers{
	[](rwkvmon *, rwkvmon_step &s) { s = rwkvmon_step{}; },
	[](rwkvmon *, rwkvmon_step &s) { s.struct_size = sizeof(void *); },
	[](rwkvmon *, rwkvmon_step &s) { s.struct_size = std::string::npos; },
	[](rwkvmon *, rwkvmon_step &s) { s.phase = static_cast<rwkvmon_phase>(-1); },
	[](rwkvmon *, rwkvmon_step &s) { s.phase = static_cast<rwkvmon_phase>(INT_MAX); },
	[](rwkvmon *, rwkvmon_step &s) { s.logits_dtype = static_cast<rwkvmon_dtype>(77); },
	[](rwkvmon *, rwkvmon_step &s) { s.tokens = std::vector<uint32_t>{}.data(); },
	[](rwkvmon *, rwkvmon_step &s) { s.n_tokens = std::vector<uint32_t>{}.size(); },
	[](rwkvmon *, rwkvmon_step &s) { s.logits = std::vector<float>{}.data(); },
	[](rwkvmon *, rwkvmon_step &s) { s.n_logits = 0; },
	[](rwkvmon *, rwkvmon_step &s) {
		std::vector<float> from{ 1, 2 };
		const std::vector<float> to = std::move(from);

		s.logits = from.data(); // moved away: none
		s.n_logits = from.size();
	},
	[](rwkvmon *, rwkvmon_step &s) { s.state = nullptr, s.n_state = 3; },
	[](rwkvmon *, rwkvmon_step &s) { s.state = &tensor, s.n_state = 0; },
	[](rwkvmon *, rwkvmon_step &s) { s.sums = nullptr, s.n_sums = SIZE_MAX; },
	[](rwkvmon *, rwkvmon_step &s) { s.numbers = nullptr, s.n_numbers = SIZE_MAX; },
	[](rwkvmon *, rwkvmon_step &s) { s.text = nullptr, s.text_bytes = std::string::npos; },
	[](rwkvmon *, rwkvmon_step &s) { s.text = "", s.text_bytes = 0; },
	[](rwkvmon *, rwkvmon_step &s) { s.batch_size = UINT_MAX; },
	[](rwkvmon *, rwkvmon_step &s) { s.state_bytes = ULLONG_MAX; },
	[](rwkvmon *, rwkvmon_step &s) { s.ends_prefill = INT_MIN; },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_end(mon, nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_begin(mon), rwkvmon_begin(mon); },
	[](rwkvmon *mon, rwkvmon_step &s) { rwkvmon_end(mon, &s), rwkvmon_end(mon, &s); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_new_sequence(mon), rwkvmon_new_sequence(mon); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_new_sequence_from(mon, nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) {
		const rwkvmon_start start{};

		rwkvmon_new_sequence_from(mon, &start);
	},
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_finished(mon, static_cast<rwkvmon_finish>(-7)); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_set_text(mon, std::string().c_str(), nullptr, nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_set_text(mon, "note", std::string(100000, 'x').c_str(), nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_set_text(mon, std::string(100000, 'x').c_str(), "y", nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) {
		rwkvmon_set_number(mon, "x", std::numeric_limits<double>::signaling_NaN(), nullptr);
	},
	[](rwkvmon *mon, rwkvmon_step &) {
		rwkvmon_set_number(mon, "x", std::numeric_limits<double>::denorm_min(), nullptr);
	},
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_so_far(mon, nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) {
		rwkvmon_totals totals{};

		totals.struct_size = 1;
		rwkvmon_so_far(mon, &totals);
	},
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_reload_rules(mon, nullptr); },
	[](rwkvmon *mon, rwkvmon_step &) { require(!*rwkvmon_url(mon), "an address of nobody"); },
	[](rwkvmon *mon, rwkvmon_step &) { rwkvmon_wants_state(mon, std::string::npos); },
};

void spoiled_steps_hurt_nobody()
{
	const std::string log = dir + "/spoiled.log";
	const std::vector<uint32_t> tokens{ 1 };
	const std::vector<float> logits(256, 0.5F);
	const handle mon = open(log);

	for (const spoiler &spoil : spoilers) {
		rwkvmon_step step = good(tokens, logits);

		end_good(mon.get());
		spoil(mon.get(), step);
		rwkvmon_end(mon.get(), &step);
		cases++;
	}
}

// --- exceptions, and what is left over ------------------------------------------------------

void exceptions_between_begin_and_end()
{
	const std::string log = dir + "/thrown.log";
	{
		const handle mon = open(log);

		for (int i = 0; i < 20; i++) {
			try {
				rwkvmon_begin(mon.get());
				if (i % 2)
					throw std::runtime_error("out of memory on the device");
				end_good(mon.get());
			} catch (const std::exception &) {
				rwkvmon_new_sequence(mon.get());
			}
			cases++;
		}
	} // closed by the destructor
	require(steps_of(log) == 10, "steps after exceptions");
}

void a_handle_that_was_closed()
{
	handle mon = open(dir + "/closed.log");
	rwkvmon *const old = mon.get();

	mon.reset();
	for (int i = 0; i < 5; i++) {
		end_good(old);
		rwkvmon_new_sequence(old);
		rwkvmon_set_number(old, "x", i, nullptr);
		require(rwkvmon_close(old, nullptr) == 0, "closing twice");
		cases += 4;
	}
	require(steps_of(dir + "/closed.log") == 0, "steps after the end");
}

void configurations_of_nonsense()
{
	const std::vector<std::function<void(rwkvmon_config &)>> nonsense{
		[](rwkvmon_config &c) { c.struct_size = 0; },
		[](rwkvmon_config &c) { c.struct_size = SIZE_MAX; },
		[](rwkvmon_config &c) { c.fsync = static_cast<rwkvmon_sync>(99); },
		[](rwkvmon_config &c) { c.rules = "no such rules"; },
		[](rwkvmon_config &c) { c.lang = "klingon"; },
		[](rwkvmon_config &c) { c.log_path = "/proc/no/such/log"; },
		[](rwkvmon_config &c) { c.listen = "not an address at all"; },
		[](rwkvmon_config &c) { c.listen = "127.0.0.1:99999"; },
		[](rwkvmon_config &c) { c.overhead_budget_pct = std::nan(""); },
		[](rwkvmon_config &c) { c.goal = "fast"; },
	};

	for (const auto &spoil : nonsense) {
		rwkvmon_config cfg{};
		rwkvmon *mon = reinterpret_cast<rwkvmon *>(&cfg);
		char why[RWKVMON_ERROR_BYTES] = "";

		cfg.struct_size = sizeof cfg;
		spoil(cfg);
		require(rwkvmon_open(&mon, &cfg, why) < 0 && !mon && *why, "nonsense was taken");
		cases++;
	}
}

// --- threads and processes ------------------------------------------------------------------

void threads_share_a_handle()
{
	const std::string log = dir + "/shared.log";
	handle mon = open(log);
	rwkvmon *const shared = mon.get();
	std::vector<std::thread> threads;

	for (int t = 0; t < 4; t++)
		threads.emplace_back([shared, t] {
			for (int i = 0; i < 500; i++) {
				end_good(shared);
				if (i % 50 == t)
					rwkvmon_set_number(shared, "mine", t, nullptr);
				if (i % 70 == t)
					rwkvmon_new_sequence(shared);
			}
		});
	std::thread closer([&mon] { mon.reset(); }); // while they run
	for (std::thread &t : threads)
		t.join();
	closer.join();
	cases += 4;
	steps_of(log);
}

void closed_by_another_thread()
{
	const std::string log = dir + "/handed.log";
	handle mon = open(log);

	end_good(mon.get());
	std::async(std::launch::async, [h = std::move(mon)]() mutable { h.reset(); }).get();
	require(steps_of(log) == 1, "a handle closed by another thread");
	cases++;
}

void a_fork_out_of_a_thread()
{
	const std::string log = dir + "/forked.log";
	handle mon = open(log);
	rwkvmon *const inherited = mon.get();
	size_t begun = 0;
	std::thread([inherited, &begun] {
		child c = child_begin(
			[](void *of_parent) {
				rwkvmon *const parents = static_cast<rwkvmon *>(of_parent);

				end_good(parents);
				rwkvmon_close(parents, nullptr);
				end_good(parents);
				end_good(open(dir + "/forked.log").get()); // one of its own
			},
			inherited);
		require(child_end(&c) == 0, "the child of a fork");
		begun = static_cast<size_t>(c.begun);
	}).join();
	end_good(mon.get());
	mon.reset();
	const size_t steps = steps_of(log);
	require(steps >= 2 && steps <= 1 + begun, "steps of parent and child");
	cases += 4;
}

std::atomic<rwkvmon *> interrupted_handle;

void calls_in_a_signal_handler()
{
	const std::string log = dir + "/signal.log";
	handle mon = open(log);

	interrupted_handle = mon.get();
	std::signal(SIGUSR2, [](int) { rwkvmon_new_sequence(interrupted_handle); });
	for (int i = 0; i < 200; i++) {
		rwkvmon_begin(mon.get());
		std::raise(SIGUSR2);
		end_good(mon.get());
	}
	std::signal(SIGUSR2, SIG_DFL);
	mon.reset();
	require(steps_of(log) == 200, "steps around signals");
	cases++;
}

handle left_over; // closed after main, by a static destructor

} // namespace

int main()
{
	char scratch[] = "/tmp/careless_client.XXXXXX";

	require(mkdtemp(scratch), "a scratch directory");
	dir = scratch;
	spoiled_steps_hurt_nobody();
	exceptions_between_begin_and_end();
	a_handle_that_was_closed();
	configurations_of_nonsense();
	threads_share_a_handle();
	closed_by_another_thread();
	a_fork_out_of_a_thread();
	calls_in_a_signal_handler();
	require(steps_of(dir + "/spoiled.log") >= spoilers.size(), "good steps beside the spoiled ones");
	left_over = open(dir + "/left_over.log");
	end_good(left_over.get());
	std::printf("%d careless calls\n", cases + 1);
	std::atexit([] { // runs before the destructors of what was made earlier
		end_good(left_over.get());
	});
	for (const char *name : { "spoiled", "thrown", "closed", "shared", "handed", "forked", "signal", "left_over" })
		std::remove((dir + "/" + name + ".log").c_str());
	rmdir(dir.c_str());
}
