#ifndef SAGA_EVENT_UTF8_H
#define SAGA_EVENT_UTF8_H

/* UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing beyond U+10FFFF. */

#include <saga/macros.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at `at` has, 1 to 4; 0: there is no whole one in `left` bytes. */
size_t saga__utf8_step(const void *at, size_t left);

/* Whether all of it is UTF-8 without a NUL. */
bool saga__utf8_text(const void *at, size_t size);

/*
 * Makes a text UTF-8 where it stands, never longer: a character that a cut has left unfinished at
 * the end goes, what is none becomes `?`. Stores refuse other texts, and a log would not be read.
 */
void saga__utf8_mend(char *text);

/* As snprintf, but what is written is UTF-8, and cut between characters. For all that we say. */
void saga__say(char *buffer, size_t size, const char *format, ...) SAGA_PRINTF(3, 4);
void saga__vsay(char *buffer, size_t size, const char *format, va_list list);

#endif
