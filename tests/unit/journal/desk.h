#ifndef TESTS_JOURNAL_DESK_H
#define TESTS_JOURNAL_DESK_H

/* A journal and a batch to write into it by hand, on virtual time; SAGA_TEST_STORE says on what. */

#include "participant/ground.h"

#include "step/work.h"
#include "stores/journal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

SAGA_EVENT(go, "t.go", 1, opt_int64(n));
SAGA_EVENT(back, "t.back", 1, opt_int64(n));
SAGA_EVENT(did, "t.did", 1, opt_int64(n));
SAGA_EVENT(undid, "t.undid", 1, opt_int64(n));
SAGA_EVENT(late, "t.late", 1, opt_int64(n));

saga_verdict never(saga_step *step);
extern const saga_participant_def plain; /* steps a (with schedule a>t.late) and b */

enum {
	A,
	B,
	LATE
}; /* its rows */

struct desk {
	char dir[32];
	char url[600];
	int64_t now;
	uint64_t random;
	struct saga_env env;
	struct saga__plan *plan;
	struct saga__journal journal;
	struct saga__batch batch;
	bool has_batch;
	struct saga__shard shard;
	uint64_t own;
	bool woken;
	struct saga__item item;
	int parked; /* rows that desk_park made so far */
};

/* In memory, or in a file; on a server that is the same. */
struct desk *desk_new(bool in_memory);
void desk_free(struct desk *desk);

/* Opens with a declaration; what saga__journal_open answers. Close first what was open. */
int desk_open(struct desk *desk, const saga_participant_def *def, saga_error *error);
void desk_close(struct desk *desk);
struct desk *desk_opened(bool in_memory);

/* begin, lock: a batch, to be filled by hand; then load what it asks for. */
void desk_begin(struct desk *desk);
void desk_load(struct desk *desk);
void desk_commit(struct desk *desk, const struct saga__move *moves, size_t move_count);

saga_id saga_no(unsigned number);
struct saga__slot *desk_slot(struct desk *desk, unsigned saga, size_t row, enum saga__state state);
const struct saga__parked *desk_park(struct desk *desk, unsigned saga, size_t row,
	enum saga__parked_kind kind, int64_t due, const char *behind);
void desk_publish(struct desk *desk, unsigned saga);

/* One slot in a batch of its own. */
void desk_put(struct desk *desk, unsigned saga, size_t row, enum saga__state state);

/* What a slot says in the store now. */
enum saga__state desk_state(struct desk *desk, unsigned saga, size_t row);

int64_t desk_number(struct desk *desk, const char *sql);
void desk_sql(struct desk *desk, const char *sql);

struct test {
	const TTest *test;
	int times;
};

int run_tests(const char *name, const struct test *tests, size_t count);
#define RUN_TESTS(suite, tests) run_tests(suite, tests, sizeof(tests) / sizeof(tests)[0])

#define OK(code, error) ck_assert_msg((code) == SAGA_OK, "%s", (error).text)

#endif
