#ifndef TESTS_FRAIL_H
#define TESTS_FRAIL_H

/*
 * Put before each file of a library that is built for this test alone (-include): what it asks of
 * malloc goes through here, and fails by plan. The library that is installed knows nothing of it.
 */

#define _DEFAULT_SOURCE /* for those that ask for it, too late then */
#include <stdlib.h>
#include <string.h>
#undef _DEFAULT_SOURCE

void *frail_malloc(size_t size);
void *frail_calloc(size_t count, size_t size);
void *frail_realloc(void *at, size_t size);
char *frail_strdup(const char *text);
void frail_free(void *at);

#undef strdup
#define malloc(size_) frail_malloc(size_)
#define calloc(count_, size_) frail_calloc(count_, size_)
#define realloc(at_, size_) frail_realloc(at_, size_)
#define strdup(text_) frail_strdup(text_)
#define free(at_) frail_free(at_)

#endif
