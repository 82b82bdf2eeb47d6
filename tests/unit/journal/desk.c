#include "desk.h"

#include <stdio.h>
#include <unistd.h>

saga_verdict never(saga_step *step)
{
	return saga_done(step);
}

static const saga_step_def steps[] = {
	{ .name = "a",
		.on = { &go },
		.run = never,
		.emits = { &did },
		.after = { { .event = &late } } },
	{ .name = "b",
		.on = { &did },
		.run = never,
		.undo = never,
		.undo_on = { &back },
		.undone = { &undid } },
};
const saga_participant_def plain = SAGA_PARTICIPANT("test", steps);

static int64_t desk_time(void *context)
{
	return ((struct desk *)context)->now;
}

static void desk_random(void *context, void *buffer, size_t size)
{
	struct desk *desk = context;
	unsigned char *at = buffer;

	while (size--) {
		desk->random = desk->random * 6364136223846793005u + 1442695040888963407u;
		*at++ = (unsigned char)(desk->random >> 56);
	}
}

struct desk *desk_new(bool in_memory)
{
	struct desk *desk = calloc(1, sizeof *desk);

	ck_assert_ptr_nonnull(desk);
	desk->now = 1700000000000;
	desk->env = (struct saga_env){ desk, desk_time, desk_time, desk_random, NULL };
	if (!is_on("sqlite")) {
		ground()->fresh(desk->url, sizeof desk->url, NULL);
		return desk;
	}
	if (in_memory) {
		(void)snprintf(desk->url, sizeof desk->url, "sqlite::memory:");
		return desk;
	}
	(void)snprintf(desk->dir, sizeof desk->dir, "/tmp/saga-journal-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(desk->dir));
	(void)snprintf(desk->url, sizeof desk->url, "sqlite:%s/test.db", desk->dir);
	return desk;
}

void desk_close(struct desk *desk)
{
	saga__journal_close(&desk->journal);
	if (desk->has_batch)
		saga__batch_free(&desk->batch);
	desk->has_batch = false;
	saga__plan_free(desk->plan);
	desk->plan = NULL;
}

void desk_free(struct desk *desk)
{
	static const char *const files[] = { "test.db", "test.db-wal", "test.db-shm" };
	char path[96];

	desk_close(desk);
	for (size_t i = 0; *desk->dir && i < 3; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", desk->dir, files[i]);
		(void)unlink(path);
	}
	if (*desk->dir)
		(void)rmdir(desk->dir);
	if (ground()->drop)
		ground()->drop(desk->url);
	free(desk);
}

int desk_open(struct desk *desk, const saga_participant_def *def, saga_error *error)
{
	const struct saga__batch_limits limits = { 4096, 1 << 16, 64 };
	struct saga__journal_options options = {
		.url = desk->url, .timeout_ms = 10000, .env = &desk->env, .event_bytes = 4096
	};
	int code;

	ck_assert_ptr_null(desk->plan);
	OK(saga__plan_new(def, &desk->plan, error), *error);
	options.plan = desk->plan;
	code = saga__journal_open(
		&desk->journal, saga_store_builtin(ground()->name), &options, error);
	if (code != SAGA_OK) {
		ck_assert_ptr_null(desk->journal.store);
		desk_close(desk);
		return code;
	}
	memset(&desk->batch, 0, sizeof desk->batch);
	desk->batch.plan = desk->plan;
	desk->batch.env = &desk->env;
	desk->batch.shards = desk->journal.shards;
	desk->batch.locked = &desk->shard;
	desk->batch.locked_count = 1;
	ck_assert_int_eq(saga__batch_init(&desk->batch, &limits), SAGA_OK);
	desk->has_batch = true;
	return SAGA_OK;
}

struct desk *desk_opened(bool in_memory)
{
	struct desk *desk = desk_new(in_memory);
	saga_error error;

	OK(desk_open(desk, &plain, &error), error);
	return desk;
}

/* ---- batches ---- */

void desk_begin(struct desk *desk)
{
	struct saga__journal *j = &desk->journal;
	saga_error error;

	saga__batch_begin(&desk->batch);
	desk->batch.now = desk->now;
	OK(j->ops->begin(j->store, &error), error);
	desk->shard = (struct saga__shard){ .shard = 0 };
	OK(saga__journal_lock(j, &desk->shard, 1, NULL, &error), error);
}

void desk_load(struct desk *desk)
{
	saga_error error;

	OK(saga__journal_load(&desk->journal, &desk->batch, &error), error);
}

void desk_commit(struct desk *desk, const struct saga__move *moves, size_t move_count)
{
	struct saga__journal *j = &desk->journal;
	saga_error error;

	OK(saga__journal_write(
		   j, &desk->batch, &desk->own, moves, move_count, &desk->woken, &error),
		error);
	OK(j->ops->commit(j->store, &error), error);
}

saga_id saga_no(unsigned number)
{
	saga_id id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 } };

	id.bytes[12] = (uint8_t)(number >> 8);
	id.bytes[13] = (uint8_t)number;
	return id;
}

struct saga__slot *desk_slot(struct desk *desk, unsigned saga, size_t row, enum saga__state state)
{
	struct saga__slot *slot = saga__batch_slot(&desk->batch, saga_no(saga), row, "");

	ck_assert_ptr_nonnull(slot);
	desk_load(desk);
	slot->state = state;
	slot->dirty = true;
	return slot;
}

const struct saga__parked *desk_park(struct desk *desk, unsigned saga, size_t row,
	enum saga__parked_kind kind, int64_t due, const char *behind)
{
	static const saga_bytes question = { "why", 3 };
	struct saga_event *event = saga__arena_calloc(&desk->batch.arena, 1, sizeof *event);
	struct saga__slot *slot = saga__batch_slot(&desk->batch, saga_no(saga), row, "");
	char bytes[24];
	struct saga__blob *blob;
	struct saga__work work = { .batch = &desk->batch,
		.item = &desk->item,
		.event = event,
		.slot = slot,
		.role = SAGA__ROLE_UNDO };

	/* Each is another event: a row's id is made of it. */
	(void)snprintf(bytes, sizeof bytes, "event %d", desk->parked++);
	blob = saga__blob_new(bytes, strlen(bytes));
	event->saga = saga_no(saga);
	desk->item.event = blob;
	saga__park(&desk->batch, &work, kind, 2, due, behind, "because", question);
	desk->item.event = NULL;
	desk->batch.parking_last->parked.event = (saga_bytes){ "event", 5 };
	saga__blob_unref(blob);
	return saga__last_parked(&desk->batch);
}

void desk_publish(struct desk *desk, unsigned saga)
{
	struct saga__blob *event = saga__blob_new("published", 9);

	saga__batch_publish(&desk->batch, saga_no(saga), event,
		saga__id_new(&desk->batch.ids, &desk->env), false);
	saga__blob_unref(event);
}

void desk_put(struct desk *desk, unsigned saga, size_t row, enum saga__state state)
{
	desk_begin(desk);
	(void)desk_slot(desk, saga, row, state);
	desk_commit(desk, NULL, 0);
}

enum saga__state desk_state(struct desk *desk, unsigned saga, size_t row)
{
	struct saga__slot *slot;

	saga__batch_begin(&desk->batch);
	slot = saga__batch_slot(&desk->batch, saga_no(saga), row, "");
	desk_load(desk);
	return slot->state;
}

/* ---- by hand ---- */

static int take_number(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	(void)i, (void)names, (void)column_count;
	*(int64_t *)context = columns[0].kind == SAGA_VALUE_INT64 ? columns[0].as.int64 : -1;
	return SAGA_OK;
}

int64_t desk_number(struct desk *desk, const char *sql)
{
	const saga_statement statement = { sql, NULL, 0 };
	int64_t number = -2;
	saga_sink sink = { take_number, NULL, &number };
	saga_error error;

	OK(desk->journal.ops->run(desk->journal.store, &statement, 1, &sink, &error), error);
	return number;
}

void desk_sql(struct desk *desk, const char *sql)
{
	const saga_statement statement = { sql, NULL, 0 };
	saga_error error;

	OK(desk->journal.ops->run(desk->journal.store, &statement, 1, NULL, &error), error);
}

int run_tests(const char *name, const struct test *tests, size_t count)
{
	Suite *suite;
	TCase *cases;
	SRunner *runner;
	int failed;

	if (!ground_is_there())
		return 77;
	suite = suite_create(name);
	cases = tcase_create(name);
	tcase_set_timeout(cases, 120);
	for (size_t i = 0; i < count; i++)
		tcase_add_loop_test(cases, tests[i].test, 0, tests[i].times ? tests[i].times : 1);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
