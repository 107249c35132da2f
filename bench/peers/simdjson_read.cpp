// simdjson's on-demand parser doing what json_read.hpp says; bench/environment builds it.
#include "simdjson.h"

#include "json_read.hpp"

namespace
{

struct Line {
	simdjson::ondemand::parser parser;

	bool read(const char *line, size_t n, Found &out)
	{
		simdjson::ondemand::document document;
		simdjson::ondemand::object object, group;
		std::string_view time, event;
		uint64_t length;

		static_assert(padding >= simdjson::SIMDJSON_PADDING);
		if (parser.iterate(simdjson::padded_string_view(line, n, n + padding)).get(document) ||
		    document.get_object().get(object) || object["timestamp"].get(time) ||
		    object["session_id"].get(out.id) || object["event_type"].get(event) ||
		    object["sequence_length"].get(length))
			return false;
		for (int g = 0; g < 3; g++) {
			if (object[groups[g]].get(group))
				return false;
			for (int k = 3 * g; k < 3 * g + 3; k++)
				if (group[keys[k]].get(out.v[k]))
					return false;
		}
		return true;
	}
};

} // namespace

int main(int argc, char **argv)
{
	return run<Line>(argc, argv);
}
