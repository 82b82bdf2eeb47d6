#ifndef SAGA_TESTS_DELIVERY_COMMON_H
#define SAGA_TESTS_DELIVERY_COMMON_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/frame.h"
#include "event/blob.h"

static const struct saga__stream the_stream = { { { 7, 7, 7 } }, 3 };
static const saga_id no_id = { { 0 } };

/* The id of an event in one of several histories of the same stream; zero before the first. */
static inline saga_id id_in(int history, uint64_t seq)
{
	saga_id id = { { 0 } };

	if (seq) {
		id.bytes[0] = (uint8_t)history;
		memcpy(id.bytes + 8, &seq, sizeof seq);
	}
	return id;
}

static inline saga_id id_of(uint64_t seq)
{
	return id_in(1, seq);
}

static inline bool same_id(saga_id a, saga_id b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

static inline struct saga__blob *blob_of(uint64_t seq)
{
	struct saga__blob *blob = saga__blob_new(&seq, sizeof seq);

	ck_assert_ptr_nonnull(blob);
	return blob;
}

static inline int run_suite(const char *name, TCase *tests)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
