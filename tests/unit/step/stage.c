#include "stage.h"

#include "event/schema.h"

#include <stdio.h>

enum {
	EVENT_BYTES = 2048
};

/* ---- its doors ---- */

static int64_t stage_time(void *context)
{
	return ((struct stage *)context)->now;
}

static void stage_random(void *context, void *buffer, size_t size)
{
	struct stage *stage = context;
	unsigned char *at = buffer;

	while (size--) {
		stage->random ^= stage->random << 13;
		stage->random ^= stage->random >> 7;
		stage->random ^= stage->random << 17;
		*at++ = (unsigned char)(stage->random >> 24);
	}
}

static void stage_log(void *user, const saga_log *log)
{
	struct stage *stage = user;
	size_t used = strlen(stage->log);

	(void)snprintf(stage->log + used, sizeof stage->log - used, "%s ", log->what);
}

struct stage *stage_new(const saga_participant_def *def)
{
	const struct saga__batch_limits limits = { EVENT_BYTES, 1 << 16, ITEMS_MOST };
	struct stage *stage = calloc(1, sizeof *stage);
	saga_error error;

	ck_assert_ptr_nonnull(stage);
	stage->now = 1700000000000;
	stage->random = 88172645463325252u;
	stage->env = (struct saga_env){ stage, stage_time, stage_time, stage_random, NULL };
	ck_assert_msg(saga__plan_new(def, &stage->plan, &error) == SAGA_OK, "%s", error.text);
	stage->batch.plan = stage->plan;
	stage->batch.env = &stage->env;
	stage->batch.store_ops = &memory_store;
	stage->batch.user = stage;
	stage->batch.log = stage_log;
	stage->batch.log_user = stage;
	stage->batch.shards = 1;
	stage->batch.rows_most = 64;
	stage->batch.history_ms = 1000000;
	stage->batch.locked = &stage->shard;
	stage->batch.locked_count = 1;
	stage->batch.store = &stage->memory;
	ck_assert_int_eq(saga__batch_init(&stage->batch, &limits), SAGA_OK);
	saga__items_init(&stage->items);
	return stage;
}

void stage_free(struct stage *stage)
{
	struct saga__item *item;

	saga__batch_free(&stage->batch);
	while ((item = saga__items_pop(&stage->items)))
		if (item->kind != SAGA__ITEM_REQUEST)
			saga__item_free(item);
	for (size_t i = 0; i < stage->asked_count; i++)
		saga__item_free(stage->asked[i]);
	for (size_t i = 0; i < stage->call_count; i++)
		saga__call_free(stage->calls[i]);
	memory_free(&stage->memory);
	saga__plan_free(stage->plan);
	free(stage);
}

void stage_seed(struct stage *stage, uint64_t seed)
{
	stage->random = seed * 2654435769u + 88172645463325252u;
}

/* ---- what comes in ---- */

saga_id saga_no(unsigned number)
{
	saga_id id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 } };

	id.bytes[12] = (uint8_t)(number >> 24);
	id.bytes[13] = (uint8_t)(number >> 16);
	id.bytes[14] = (uint8_t)(number >> 8);
	id.bytes[15] = (uint8_t)number;
	return id;
}

struct saga__blob *event_of(
	struct stage *stage, saga_id saga, const saga_type *type, const char *subject, int64_t n)
{
	struct go body = { .has_n = n != 0, .n = n };
	static const char zeros[256];
	struct saga_event event = {
		.id = saga__id_new(&stage->ids, &stage->env),
		.saga = saga,
		.time = stage->now,
		.sequence = ++stage->foreign,
		.source = "elsewhere",
		.subject = subject,
		.traceparent = "",
	};
	struct saga__buffer buffer;
	struct saga__blob *blob;

	saga__buffer_init(&buffer, EVENT_BYTES);
	ck_assert_int_eq(
		saga__event_encode(&buffer, &event, type,
			saga__shape_same(&type->body, &go.body) ? (const void *)&body : zeros, "",
			NULL),
		SAGA_OK);
	blob = saga__blob_new(buffer.at, buffer.size);
	saga__buffer_free(&buffer);
	ck_assert_ptr_nonnull(blob);
	return blob;
}

static struct saga__item *item_new(enum saga__item_kind kind)
{
	struct saga__item *item = calloc(1, sizeof *item);

	ck_assert_ptr_nonnull(item);
	item->kind = kind;
	return item;
}

void give_blob(struct stage *stage, struct saga__blob *event)
{
	struct saga__item *item = item_new(SAGA__ITEM_EVENT);

	item->event = saga__blob_ref(event);
	saga__items_push(&stage->items, item);
}

void give_subject(struct stage *stage, saga_id saga, const saga_type *type, const char *subject)
{
	struct saga__blob *event = event_of(stage, saga, type, subject, 0);

	give_blob(stage, event);
	saga__blob_unref(event);
}

void give(struct stage *stage, saga_id saga, const saga_type *type)
{
	give_subject(stage, saga, type, "");
}

void give_bytes(struct stage *stage, const void *at, size_t size)
{
	struct saga__blob *event = saga__blob_new(at, size);

	give_blob(stage, event);
	saga__blob_unref(event);
}

struct saga__reply *ask(
	struct stage *stage, saga_id saga, const saga_type *type, const char *subject, int body)
{
	struct saga__item *item = item_new(SAGA__ITEM_REQUEST);

	ck_assert_uint_lt(stage->asked_count, ASKED_MOST);
	item->event = event_of(stage, saga, type, subject, body);
	memset(item->digest, body, sizeof item->digest);
	item->reply = calloc(1, sizeof *item->reply);
	ck_assert_ptr_nonnull(item->reply);
	item->reply->code = 1;
	item->reply->saga = saga;
	stage->asked[stage->asked_count++] = item;
	saga__items_push(&stage->items, item);
	return item->reply;
}

void answer_call(struct stage *stage)
{
	struct saga__item *item = item_new(SAGA__ITEM_ANSWER);

	ck_assert_uint_gt(stage->call_count, 0);
	item->call = stage->calls[0];
	memmove(stage->calls, stage->calls + 1, --stage->call_count * sizeof stage->calls[0]);
	saga__call_make(item->call);
	saga__items_push(&stage->items, item);
}

void command(struct stage *stage, enum saga__parked_kind kind, enum saga__command what,
	const char *outcome)
{
	struct kept_row *row = (struct kept_row *)only_row(stage, kind);

	row->command = what;
	row->outcome = outcome;
	row->due = 0;
	if (what == SAGA__COMMAND_ASSERT)
		(void)snprintf(row->why, sizeof row->why, "by hand");
}

/* ---- running ---- */

static void add_due(struct stage *stage, struct saga__item *items)
{
	const struct saga__parked *rows[ITEMS_MOST];
	size_t count =
		stage->no_due ? 0 : memory_due(&stage->memory, &stage->batch, rows, ITEMS_MOST);

	memset(items, 0, ITEMS_MOST * sizeof *items);
	for (size_t i = 0; i < count; i++) {
		items[i].kind = SAGA__ITEM_DUE;
		items[i].parked = rows[i];
		ck_assert_int_eq(saga__batch_add(&stage->batch, &items[i]), SAGA_OK);
	}
}

static void take_hand(struct stage *stage, struct saga__items *hand)
{
	struct saga__items rest;
	struct saga__item *item;

	saga__items_init(hand);
	saga__items_init(&rest);
	while ((item = saga__items_pop(&stage->items)))
		if ((stage->most && hand->count >= stage->most) || item->ready > stage->now)
			saga__items_push(&rest, item);
		else {
			item->next_ready = 0;
			saga__items_push(hand, item);
		}
	saga__items_move(&stage->items, &rest);
}

/* What is not answered comes again; but an answer whose batch was lost lives in memory alone. */
static void settle(struct stage *stage, struct saga__items *hand, bool again)
{
	struct saga__item *item;

	while ((item = saga__items_pop(hand))) {
		/* As a lane does: a retry of a request counts once its batch is committed. */
		if (!again && item->next_ready) {
			item->attempts = item->next_attempts;
			item->ready = item->next_ready;
		}
		if (again || (item->kind == SAGA__ITEM_REQUEST && item->next_ready))
			saga__items_push(&stage->items, item);
		else if (item->kind != SAGA__ITEM_REQUEST)
			saga__item_free(item);
	}
}

static void take_calls(struct stage *stage)
{
	struct saga__call *call;

	while ((call = stage->batch.calls)) {
		stage->batch.calls = call->next;
		ck_assert_uint_lt(stage->call_count, CALLS_MOST);
		stage->calls[stage->call_count++] = call;
	}
}

static void commit(struct stage *stage, size_t said_before)
{
	struct saga__batch *batch = &stage->batch;

	memory_apply(&stage->memory, batch);
	if (!stage->lose_answer)
		take_calls(stage);
	for (size_t i = said_before; i < stage->memory.event_count && !stage->no_loop; i++)
		if (stage->memory.events[i].ours)
			give_blob(stage, stage->memory.events[i].event);
}

int run_batch(struct stage *stage)
{
	struct saga__batch *batch = &stage->batch;
	size_t effects = stage->memory.effect_count, events = stage->memory.event_count;
	struct saga__item due[ITEMS_MOST];
	struct saga__items hand;
	int code;

	saga__batch_begin(batch);
	batch->now = stage->now;
	stage->shard.seq = events;
	stage->shard.last = events ? stage->memory.events[events - 1].id : (saga_id){ { 0 } };
	stage->memory.gone = false;
	take_hand(stage, &hand);
	if (!stage->due_last)
		add_due(stage, due);
	for (struct saga__item *item = hand.first; item; item = item->next)
		ck_assert_int_eq(saga__batch_add(batch, item), SAGA_OK);
	if (stage->due_last)
		add_due(stage, due);
	memory_load(&stage->memory, batch);
	saga__batch_run(batch);
	code = batch->lost.code;
	if (code != SAGA_OK || stage->abort)
		stage->memory.effect_count = effects;
	else
		commit(stage, events);
	settle(stage, &hand, code != SAGA_OK || stage->abort || stage->lose_answer);
	stage->abort = stage->lose_answer = false;
	return code;
}

static bool is_something_due(const struct stage *stage)
{
	for (size_t i = 0; i < stage->memory.row_count; i++)
		if (stage->memory.rows[i].due <= stage->now && !stage->no_due)
			return true;
	for (const struct saga__item *item = stage->items.first; item; item = item->next)
		if (item->ready <= stage->now)
			return true;
	return false;
}

void run_all(struct stage *stage)
{
	for (int i = 0; is_something_due(stage); i++) {
		ck_assert_msg(i < 200, "it goes on for ever");
		ck_assert_msg(run_batch(stage) == SAGA_OK, "%s", stage->batch.lost.text);
	}
}

void pass(struct stage *stage, int64_t ms)
{
	stage->now += ms;
	run_all(stage);
}

/* ---- looking ---- */

enum saga__state state_in(
	const struct stage *stage, saga_id saga, const char *row, const char *subject)
{
	const struct kept_slot *slot = memory_slot(&stage->memory, saga, row, subject);

	return slot ? slot->state : SAGA__ABSENT;
}

enum saga__state state_of(const struct stage *stage, saga_id saga, const char *row)
{
	return state_in(stage, saga, row, "");
}

size_t rows_of(const struct stage *stage, enum saga__parked_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < stage->memory.row_count; i++)
		count += stage->memory.rows[i].kind == kind;
	return count;
}

const struct kept_row *only_row(const struct stage *stage, enum saga__parked_kind kind)
{
	ck_assert_uint_eq(rows_of(stage, kind), 1);
	for (size_t i = 0; i < stage->memory.row_count; i++)
		if (stage->memory.rows[i].kind == kind)
			return &stage->memory.rows[i];
	return NULL;
}

int said(const struct stage *stage, saga_id saga, const saga_type *type)
{
	int count = 0;

	for (size_t i = 0; i < stage->memory.event_count; i++)
		count += saga__id_same(stage->memory.events[i].saga, saga) &&
			strcmp(stage->memory.events[i].type, type->name) == 0;
	return count;
}

const char *last_json(const struct stage *stage, const saga_type *type)
{
	char *text = calloc(1, 512);

	for (size_t i = stage->memory.event_count; text && i-- > 0;) {
		saga_event *event;

		if (strcmp(stage->memory.events[i].type, type->name) != 0)
			continue;
		ck_assert_int_eq(saga_event_read(saga__blob_bytes(stage->memory.events[i].event),
					 &event, NULL),
			SAGA_OK);
		(void)saga_event_json(event, text, 512);
		saga_event_free(event);
		return text;
	}
	ck_abort_msg("%s was never said", type->name);
	return text;
}

int64_t effect_in(const struct stage *stage, saga_id saga, const char *step, const char *subject)
{
	int64_t sum = 0;

	for (size_t i = 0; i < stage->memory.effect_count; i++)
		if (saga__id_same(stage->memory.effects[i].saga, saga) &&
			strcmp(stage->memory.effects[i].step, step) == 0 &&
			strcmp(stage->memory.effects[i].subject, subject) == 0)
			sum += stage->memory.effects[i].by;
	return sum;
}

int64_t effect_of(const struct stage *stage, saga_id saga, const char *step)
{
	return effect_in(stage, saga, step, "");
}

int counted(const char *text, const char *part)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		count++;
	return count;
}

int run_tests(const char *name, const struct test *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *cases = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(cases, 300);
	for (size_t i = 0; i < count; i++)
		tcase_add_loop_test(cases, tests[i].test, 0, tests[i].times ? tests[i].times : 1);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
