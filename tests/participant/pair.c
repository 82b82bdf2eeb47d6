#include "pair_services.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const saga_id no_saga = { { 0 } };

void pair_init(struct pair *pair)
{
	memset(pair, 0, sizeof *pair);
	pair->label = "";
}

/* ---- the provider ---- */

void pair_provide(struct pair *pair, const char *what, const char *key)
{
	char text[SAGA_ID_TEXT + 8];
	int i = 0;

	snprintf(text, sizeof text, "%s %s", what, key);
	pthread_mutex_lock(&pair->lock);
	while (i < pair->done_count && strcmp(pair->done[i], text) != 0)
		i++;
	if (i == pair->done_count && i < PAIR_CALLS)
		memcpy(pair->done[pair->done_count++], text, sizeof text);
	pthread_mutex_unlock(&pair->lock);
}

/* ---- calling the library ---- */

static void enter(struct pair *pair)
{
	if (pair->enter)
		pair->enter();
}

static void leave(struct pair *pair)
{
	if (pair->leave)
		pair->leave();
}

static bool is_excused(const struct pair *pair, int code)
{
	for (const int *excused = pair->excused; excused && *excused; excused++)
		if (*excused == code)
			return true;
	return false;
}

static void excuse(struct pair *pair, int code, const char *what, const char *text)
{
	ck_assert_msg(is_excused(pair, code), "%s: %s: %s: %s", pair->label, what,
		saga_code_name(code), text);
	pair->excuses++;
	ck_assert_msg(pair->excuses < PAIR_ASKED / 2, "%s: %s again and again", pair->label, what);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static int64_t now_ms(void)
{
	return (int64_t)(uv_hrtime() / 1000000);
}

/* ---- their lives ---- */

static void has_stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct pair *pair = user;
	struct pair_service *service =
		participant == pair->order.participant ? &pair->order : &pair->payment;

	ck_assert_msg(service->participant == participant && !service->stopped,
		"%s: `stopped` comes twice, or of a stranger", pair->label);
	service->stopped = true;
	service->why = why->code;
}

static void open_service(struct pair *pair, struct pair_service *service)
{
	const char *const followers[] = { service->follower, NULL };
	char url[160];
	saga_error error = { .code = SAGA_OK };
	int code;

	snprintf(url, sizeof url, "%s:%s/%s.db?synchronous=off",
		pair->store_ops ? "fault" : "sqlite", pair->dir, service->def->name);
	service->stopped = false;
	enter(pair);
	code = saga_open(service->def,
		SAGA_OPTIONS(.store = url,
			.transport = pair->transport_ops ? "odd://pair" : "inproc://pair",
			.followers = followers, .lanes = pair->lanes, .loop = &pair->loop,
			.user = pair, .log = getenv("SAGA_TEST_LOG") ? saga_log_stderr : NULL,
			.stopped = has_stopped, .transport_ops = pair->transport_ops,
			.transport_context =
				pair->transport_ops ? pair->transport_context : (void *)pair->hub,
			.store_ops = pair->store_ops, .store_context = pair->store_context),
		&service->participant, &error);
	leave(pair);
	if (code != SAGA_OK) {
		ck_assert_msg(
			error.code == code && *error.text, "%s: open says nothing", pair->label);
		service->participant = NULL;
		excuse(pair, code, "open", error.text);
	}
}

static void close_service(struct pair *pair, struct pair_service *service)
{
	enter(pair);
	saga_close(service->participant);
	leave(pair);
	service->participant = NULL;
}

/* What has stopped by itself is opened anew. */
static void look_after(struct pair *pair, struct pair_service *service)
{
	if (service->participant && service->stopped) {
		excuse(pair, service->why, "stopped", service->def->name);
		close_service(pair, service);
		pair->reopened++;
	}
	if (!service->participant)
		open_service(pair, service);
}

static void turn(struct pair *pair)
{
	enter(pair);
	uv_run(&pair->loop, UV_RUN_ONCE);
	leave(pair);
}

#define UNTIL(pair_, condition_) \
	do { \
		int64_t until_ = now_ms() + PAIR_DEADLINE_MS; \
		while (!(condition_)) { \
			look_after(pair_, &(pair_)->order); \
			look_after(pair_, &(pair_)->payment); \
			turn(pair_); \
			ck_assert_msg(now_ms() < until_, "%s: waited in vain for %s", \
				(pair_)->label, #condition_); \
		} \
	} while (0)

#define UNTIL_DONE(pair_, condition_) UNTIL(pair_, (condition_) || ended_otherwise(pair_))

/* ---- looking ---- */

static int64_t look(struct pair *pair, struct pair_service *service, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = service->db;
	int64_t number = 0;
	char path[96];

	if (!db) {
		snprintf(path, sizeof path, "%s/%s.db", pair->dir, service->def->name);
		if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
			sqlite3_close(db);
			return -1;
		}
		sqlite3_busy_timeout(db, PAIR_DEADLINE_MS);
		service->db = db;
	}
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static bool slot_is(
	struct pair *pair, struct pair_service *service, const char *step, const char *state)
{
	char sql[160];

	snprintf(sql, sizeof sql,
		"SELECT COUNT(*) FROM saga_slot WHERE step = '%s' AND state = '%s'", step, state);
	return look(pair, service, sql) == 1;
}

static bool nothing_is_parked(struct pair *pair, struct pair_service *service)
{
	return look(pair, service, "SELECT COUNT(*) FROM saga_parked") == 0;
}

static void check_effect(
	struct pair *pair, struct pair_service *service, const char *what, int64_t wanted)
{
	char sql[160];
	int64_t count;

	snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM effect WHERE what = '%s'", what);
	count = look(pair, service, sql);
	ck_assert_msg(count == wanted, "%s: `%s` was done %d times, not %d", pair->label, what,
		(int)count, (int)wanted);
}

static void check_events(struct pair *pair, struct pair_service *service, int64_t wanted)
{
	int64_t count = look(pair, service, "SELECT COUNT(*) FROM saga_outbox");

	ck_assert_msg(count == wanted, "%s: %s said %d things, not %d", pair->label,
		service->def->name, (int)count, (int)wanted);
}

/* ---- asking ---- */

static void take_answer(void *user, const saga_answer *answer)
{
	struct pair_asked *asked = user;

	ck_assert_msg(asked->accepted, "%s: an answer to what was refused", asked->pair->label);
	asked->times++;
	asked->code = answer->code;
	asked->saga = answer->saga;
	asked->told = answer->outcome != NULL;
	ck_assert_ptr_nonnull(answer->text);
}

static struct pair_asked *submit(struct pair *pair, saga_id saga)
{
	struct pair_asked *asked = &pair->asked[pair->asked_count];
	saga_error error = { .code = SAGA_OK };
	int code;

	ck_assert_msg(pair->asked_count < PAIR_ASKED, "%s: asked too often", pair->label);
	*asked = (struct pair_asked){ .pair = pair, .accepted = true };
	enter(pair);
	code = pair_submit(pair->order.participant, saga, take_answer, asked, &error);
	leave(pair);
	pair->asked_count++;
	if (code == SAGA_OK)
		return asked;
	asked->accepted = false;
	ck_assert_msg(asked->times == 0, "%s: refused, and answered", pair->label);
	ck_assert_msg(error.code == code && *error.text, "%s: submit says nothing", pair->label);
	excuse(pair, code, "submit", error.text);
	return NULL;
}

/* Asks again, with the same key, until it is done. */
static saga_id ask(struct pair *pair, saga_id saga)
{
	for (;;) {
		struct pair_asked *asked;

		UNTIL(pair, pair->order.participant && !pair->order.stopped);
		if (!(asked = submit(pair, saga))) {
			turn(pair);
			continue;
		}
		UNTIL(pair, asked->times > 0);
		if (asked->code == SAGA_OK) {
			ck_assert_msg(asked->told, "%s: done, and no event told", pair->label);
			return asked->saga;
		}
		excuse(pair, asked->code, "answered", "");
	}
}

/* ---- all of it ---- */

static void begin(struct pair *pair)
{
	strcpy(pair->dir, "/tmp/saga-pair-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(pair->dir));
	ck_assert_int_eq(pthread_mutex_init(&pair->lock, NULL), 0);
	ck_assert_int_eq(uv_loop_init(&pair->loop), 0);
	ck_assert_int_eq(uv_timer_init(&pair->loop, &pair->tick), 0);
	ck_assert_int_eq(uv_timer_start(&pair->tick, on_tick, 1, 1), 0);
	pair->order =
		(struct pair_service){ .pair = pair, .def = &pair_order, .follower = "payment" };
	pair->payment =
		(struct pair_service){ .pair = pair, .def = &pair_payment, .follower = "order" };
	while (!pair->hub) {
		int code;

		enter(pair);
		code = saga_hub_new(&pair->hub);
		leave(pair);
		if (code != SAGA_OK)
			excuse(pair, code, "hub", "");
	}
}

static void stop_service(struct pair *pair, struct pair_service *service)
{
	int64_t until = now_ms() + PAIR_DEADLINE_MS;

	sqlite3_close(service->db);
	service->db = NULL;
	if (!service->participant)
		return;
	enter(pair);
	saga_stop(service->participant);
	leave(pair);
	while (!service->stopped) {
		turn(pair);
		ck_assert_msg(
			now_ms() < until, "%s: %s does not stop", pair->label, service->def->name);
	}
	close_service(pair, service);
}

static void end(struct pair *pair)
{
	stop_service(pair, &pair->order);
	stop_service(pair, &pair->payment);
	uv_close((uv_handle_t *)&pair->tick, NULL);
	enter(pair);
	uv_run(&pair->loop, UV_RUN_DEFAULT);
	leave(pair);
	ck_assert_msg(uv_loop_close(&pair->loop) == 0, "%s: something is still open", pair->label);
	saga_hub_free(pair->hub);
	pthread_mutex_destroy(&pair->lock);
	for (int i = 0; i < pair->asked_count; i++)
		ck_assert_msg(pair->asked[i].times == pair->asked[i].accepted,
			"%s: answered %d times", pair->label, pair->asked[i].times);
}

static void check_all(struct pair *pair)
{
	check_effect(pair, &pair->order, "placed", 1);
	check_effect(pair, &pair->order, "settled", 1);
	check_effect(pair, &pair->order, "due", 1);
	check_effect(pair, &pair->order, "cancelled", 1);
	check_effect(pair, &pair->payment, "charged", 1);
	check_effect(pair, &pair->payment, "refunded", 1);
	check_effect(pair, &pair->payment, "booked", 1);
	check_effect(pair, &pair->payment, "objected", 0);
	check_events(pair, &pair->order, 5);
	check_events(pair, &pair->payment, 3);
	ck_assert_msg(pair->done_count == 2, "%s: the provider did %d things", pair->label,
		pair->done_count);
}

/* Nothing is under way any more: all is done, or an operator's. */
static bool is_still(struct pair *pair, struct pair_service *service)
{
	return look(pair, service,
		       "SELECT COUNT(*) FROM saga_slot WHERE state IN ('dead', 'stuck')") > 0;
}

static bool ended_otherwise(struct pair *pair)
{
	return pair->may_end_otherwise &&
		(is_still(pair, &pair->order) || is_still(pair, &pair->payment));
}

void pair_run(struct pair *pair)
{
	begin(pair);
	pair->saga = ask(pair, no_saga);
	UNTIL_DONE(pair, slot_is(pair, &pair->order, "due", "done"));
	UNTIL_DONE(pair, slot_is(pair, &pair->payment, "charge", "done"));
	UNTIL_DONE(pair, slot_is(pair, &pair->payment, "book", "done"));
	UNTIL_DONE(pair, slot_is(pair, &pair->payment, "object", "rejected"));
	(void)ask(pair, pair->saga);
	UNTIL_DONE(pair, slot_is(pair, &pair->payment, "charge", "undone"));
	UNTIL_DONE(pair, slot_is(pair, &pair->order, "place", "undone"));
	UNTIL_DONE(pair, nothing_is_parked(pair, &pair->order));
	UNTIL_DONE(pair, nothing_is_parked(pair, &pair->payment));
	if (!ended_otherwise(pair))
		check_all(pair);
	end(pair);
}

const char *pair_path(const struct pair *pair, char path[96])
{
	snprintf(path, 96, "%s/order.db", pair->dir);
	return path;
}

void pair_remove(struct pair *pair)
{
	static const char *const files[] = { "order.db", "payment.db" };
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[128];

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 3; k++) {
			snprintf(path, sizeof path, "%s/%s%s", pair->dir, files[i], ends[k]);
			(void)unlink(path);
		}
	ck_assert_int_eq(rmdir(pair->dir), 0);
}
