// From C++: a guard closes the handle, whatever happens.
#include <rwkvmon.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

struct Close {
	void operator()(rwkvmon *mon) const
	{
		rwkvmon_close(mon, nullptr);
	}
};
using Monitor = std::unique_ptr<rwkvmon, Close>;

static Monitor open_monitor(const char *log)
{
	rwkvmon_config cfg{};
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon = nullptr;

	cfg.struct_size = sizeof cfg;
	cfg.log_path = log;
	cfg.model_name = "my model";
	cfg.alarms_to_stderr = 1;
	if (rwkvmon_open(&mon, &cfg, why))
		std::fprintf(stderr, "%s\n", why);
	return Monitor(mon);
}

int main()
{
	Monitor mon = open_monitor("cpp.log");
	std::vector<float> logits(256), state(1024);

	rwkvmon_set_text(mon.get(), "request", "r-17", nullptr); // a field of our own
	for (std::uint32_t token = 0; token < 200; token++) {
		rwkvmon_begin(mon.get());
		logits[token] += 3; // the forward call
		state[token] = 1;

		rwkvmon_tensor tensor{ state.data(), state.size(), RWKVMON_F32, RWKVMON_WKV };
		rwkvmon_step step{};

		step.struct_size = sizeof step;
		step.tokens = &token;
		step.n_tokens = 1;
		step.phase = RWKVMON_DECODE;
		step.logits = logits.data();
		step.n_logits = logits.size();
		step.state = &tensor;
		step.n_state = 1;
		rwkvmon_end(mon.get(), &step);
	}
}
