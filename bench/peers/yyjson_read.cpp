// yyjson doing what json_read.hpp says, each line a document in one block of memory; bench/environment builds it.
#include "yyjson.h"

#include "json_read.hpp"

namespace
{

struct Line {
	std::vector<char> memory = std::vector<char>(1 << 20);

	bool read(const char *line, size_t n, Found &out)
	{
		yyjson_alc pool;
		yyjson_doc *document;
		yyjson_val *object, *id;

		yyjson_alc_pool_init(&pool, memory.data(), memory.size());
		document = yyjson_read_opts(const_cast<char *>(line), n, 0, &pool, nullptr);
		object = document ? yyjson_doc_get_root(document) : nullptr;
		id = yyjson_obj_get(object, "session_id");
		if (!yyjson_is_str(id) || !yyjson_is_str(yyjson_obj_get(object, "timestamp")) ||
		    !yyjson_is_str(yyjson_obj_get(object, "event_type")) ||
		    !yyjson_is_uint(yyjson_obj_get(object, "sequence_length")))
			return false;
		out.id = std::string_view(yyjson_get_str(id), yyjson_get_len(id));
		for (int k = 0; k < 9; k++) {
			yyjson_val *value = yyjson_obj_get(yyjson_obj_get(object, groups[k / 3]), keys[k]);

			if (!yyjson_is_num(value))
				return false;
			out.v[k] = yyjson_get_num(value);
		}
		return true;
	}
};

} // namespace

int main(int argc, char **argv)
{
	return run<Line>(argc, argv);
}
