#ifndef SAGA_EVENT_UTF8_H
#define SAGA_EVENT_UTF8_H

/* UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing beyond U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at `at` has, 1 to 4; 0: there is no whole one in `left` bytes. */
size_t saga__utf8_step(const void *at, size_t left);

/* Whether all of it is UTF-8 without a NUL. */
bool saga__utf8_text(const void *at, size_t size);

#endif
