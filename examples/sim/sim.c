/*
 * Two services of your own on their worst days: a bakery takes orders, an oven bakes what it has
 * room for. `sim` lives through 1000 seeds; `sim SEED` through one of them again, and shows it.
 */

#include <saga/saga.h>
#include <saga/sim.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

SAGA_REQUEST(order_bread, "bread.order", 1, int64(loaves));
SAGA_EVENT(bread_ordered, "bread.ordered", 1, int64(loaves));
SAGA_EVENT(bread_baked, "bread.baked", 1, int64(loaves));
SAGA_EVENT(bread_refused, "bread.refused", 1, reason(why));
SAGA_BARE_EVENT(bread_cancelled, "bread.cancelled", 1);

static saga_verdict take_order(saga_step *s)
{
	const struct order_bread *order = saga_on(s, order_bread);

	saga_exec(
		s, "INSERT INTO orders (saga, loaves) VALUES (?, ?)", saga_this(s), order->loaves);
	return saga_emit(s, bread_ordered, .loaves = order->loaves);
}

static saga_verdict cancel_order(saga_step *s)
{
	saga_exec(s, "DELETE FROM orders WHERE saga = ?", saga_this(s));
	return saga_emit(s, bread_cancelled);
}

static const saga_step_def bakery_steps[] = {
	{ .name = "order",
		.on = { &order_bread },
		.run = take_order,
		.emits = { &bread_ordered },
		.undo = cancel_order,
		.undo_on = { &bread_refused },
		.undone = { &bread_cancelled } },
};
static const char *const bakery_schema[] = {
	"CREATE TABLE orders (saga SAGA_ID PRIMARY KEY, loaves BIGINT NOT NULL);", NULL
};
static const saga_participant_def bakery = SAGA_PARTICIPANT("bakery", bakery_steps,
	.schema = bakery_schema, .ends = { { &bread_cancelled, SAGA_END_UNDONE } });

static saga_verdict bake(saga_step *s)
{
	const struct bread_ordered *order = saga_on(s, bread_ordered);

	if (!saga_exec(s, "UPDATE oven SET room = room - ? WHERE room >= ?", order->loaves,
		    order->loaves))
		return saga_reject(s, bread_refused, .why = "the oven is full");
	return saga_emit(s, bread_baked, .loaves = order->loaves);
}

static const saga_step_def oven_steps[] = {
	{ .name = "bake",
		.on = { &bread_ordered },
		.run = bake,
		.emits = { &bread_baked },
		.rejects = { &bread_refused } },
};
static const char *const oven_schema[] = {
	"CREATE TABLE oven (room BIGINT NOT NULL); INSERT INTO oven (room) VALUES (60);", NULL
};
static const saga_participant_def oven = SAGA_PARTICIPANT(
	"oven", oven_steps, .schema = oven_schema, .ends = { { &bread_baked, SAGA_END_DONE } });

/* ---- a world of both ---- */

static void show(void *user, int64_t ms, const char *participant, const char *text)
{
	(void)user;
	printf("%8" PRId64 " ms  %-7s %s\n", ms, participant, text);
}

static int take_number(
	void *user, const char *const *names, const saga_value *columns, size_t column_count)
{
	(void)names, (void)column_count;
	*(int64_t *)user = columns[0].as.int64;
	return SAGA_OK;
}

/* Each baked bread was ordered, and no refused one was baked. */
static int audit(saga_sim *sim, saga_error *error)
{
	int64_t ordered = -1, room = -1;
	int code = saga_sim_query(sim, "bakery", "SELECT COALESCE(SUM(loaves), 0) FROM orders",
		NULL, 0, take_number, &ordered, error);

	if (code == SAGA_OK)
		code = saga_sim_query(
			sim, "oven", "SELECT room FROM oven", NULL, 0, take_number, &room, error);
	if (code == SAGA_OK && ordered + room != 60)
		code = saga_error_set(error, SAGA_FAILED, "%" PRId64 " ordered, %" PRId64 " baked",
			ordered, 60 - room);
	return code;
}

static int live(uint64_t seed, uint64_t fault_limit, bool loud, saga_error *error)
{
	static const char *const to_oven[] = { "oven", NULL },
				 *const to_bakery[] = { "bakery", NULL };
	saga_sim *sim = NULL;
	int code = saga_sim_new(SAGA_SIM_OPTIONS(.seed = seed, .faults = SAGA_SIM_ALL,
					.fault_limit = fault_limit, .trace = loud ? show : NULL),
		&sim, error);

	if (code == SAGA_OK)
		code = saga_sim_add(sim, &bakery, SAGA_OPTIONS(.followers = to_oven), error);
	if (code == SAGA_OK)
		code = saga_sim_add(sim, &oven, SAGA_OPTIONS(.followers = to_bakery), error);
	for (int i = 0; code == SAGA_OK && i < 10; i++) {
		const char key[] = { (char)('0' + i), 0 };
		int64_t at = (int64_t)saga_sim_random(sim, 30000);
		int64_t loaves = 1 + (int64_t)saga_sim_random(sim, 12);
		const saga_submission order = { SAGA_SUBMISSION(order_bread, .loaves = loaves),
			.key = key };

		code = saga_sim_submit(sim, "bakery", at, &order, error);
	}
	if (code == SAGA_OK)
		code = saga_sim_run(sim, error);
	if (code == SAGA_OK)
		code = audit(sim, error);
	saga_sim_close(sim);
	return code;
}

/* So few of the first faults are enough: the fewer strike, the sooner it is understood. */
static void shrink(uint64_t seed, saga_error *breach)
{
	uint64_t good = 0, bad = 1;
	saga_error error;

	while (bad < 1 << 20 && live(seed, bad, false, &error) == SAGA_OK)
		bad *= 2;
	if (bad == 1 << 20)
		return; /* it takes them all */
	for (*breach = error; bad - good > 1;) {
		uint64_t middle = good + (bad - good) / 2;
		bool is_well = live(seed, middle, false, &error) == SAGA_OK;

		good = is_well ? middle : good;
		bad = is_well ? bad : middle;
		*breach = is_well ? *breach : error;
	}
	printf("the first %" PRIu64 " faults are enough: sim %" PRIu64 " %" PRIu64 "\n", bad, seed,
		bad);
}

/* sim [SEED [FAULTS]]: all seeds, or one of them, as it happens, and only so many of its faults. */
int main(int count, char **words)
{
	bool one = count > 1;
	uint64_t seed = one ? strtoull(words[1], NULL, 10) : 1, last = one ? seed : 1000;
	uint64_t limit = count > 2 ? strtoull(words[2], NULL, 10) : 0;
	saga_error error;

	while (seed <= last && live(seed, limit, one, &error) == SAGA_OK)
		seed++;
	if (seed > last) {
		printf("all is well\n");
		return 0;
	}
	if (!one)
		shrink(seed, &error);
	printf("%s\nas it happens: sim %" PRIu64 "\n", error.text, seed);
	return 1;
}
