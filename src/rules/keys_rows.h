/* keys_rows.h - the rows of keys.def whose macro the includer has defined; may be included any number of times. */
#ifndef SET_KEY
#define SET_KEY(...)
#endif
#ifndef RULE_KEY
#define RULE_KEY(...)
#endif
#ifndef WHEN_KEY
#define WHEN_KEY(...)
#endif
#ifndef LIMIT_KEY
#define LIMIT_KEY(...)
#endif
#ifndef UNUSUAL_KEY
#define UNUSUAL_KEY(...)
#endif
#ifndef FORECAST_KEY
#define FORECAST_KEY(...)
#endif
#ifndef SUDDEN_KEY
#define SUDDEN_KEY(...)
#endif
#include "rules/keys.def"
#undef SET_KEY
#undef RULE_KEY
#undef WHEN_KEY
#undef LIMIT_KEY
#undef UNUSUAL_KEY
#undef FORECAST_KEY
#undef SUDDEN_KEY
