/* messages.h - errors in Chinese. */
#ifndef RWKVMON_SPEC_MESSAGES_H
#define RWKVMON_SPEC_MESSAGES_H

#include "spec/lang.h"

/* The function for err_translate: the Chinese of an error's format or text; NULL: there is none. */
const char *message_zh(const char *english) __attribute__((format_arg(1)));

#endif
