/*
 * One publisher and three followers (1, 2, 8 shards) on a network that loses, doubles, delays and
 * reorders, with partitions, restarts of either side from what is committed alone, a store that
 * fails to read, a follower that joins late and one that is away for long. Virtual time, one seed.
 *
 * Held all the time: each incarnation delivers in order without a gap, from behind its least
 * position; nothing is trimmed that somebody has not committed; nobody cries fork or gone. In the
 * end: every event was applied exactly once by the shard that it concerns, everyone has seen all,
 * and then it is quiet.
 */

#include "simulation.h"
#include "../rounds.h"

/* ---- bad days ---- */

static void crash(struct sim *sim)
{
	int who = (int)sim_draw(sim, FOLLOWERS + 1) - 1;
	struct pending *back;

	if (!sim->faults)
		return;
	sim_later(sim, CRASH, -1, 50 + (int64_t)sim_draw(sim, 1500));
	if (who < 0 ? !sim->publish : !sim->followers[who].follow)
		return;
	if (who < 0) {
		saga__publish_free(sim->publish);
		sim->publish = NULL;
		sim->life++;
	} else {
		sim_stop_follower(&sim->followers[who]);
	}
	back = sim_later(
		sim, BACK, who, (int64_t)sim_draw(sim, sim_chance(sim, 10) ? 3 * ALIVE : 200));
	back->life = who < 0 ? sim->life : sim->followers[who].life;
}

static void come_back(struct sim *sim, const struct pending *pending)
{
	if (pending->who >= 0) {
		if (pending->life == sim->followers[pending->who].life)
			sim_start_follower(sim, pending->who);
	} else if (pending->life == sim->life) {
		sim_start_publisher(sim);
		sim_later(sim, COMMIT, -1, 1);
	}
}

static void cut(struct sim *sim)
{
	struct follower *follower = &sim->followers[sim_draw(sim, FOLLOWERS)];

	follower->deaf = sim->faults && sim_chance(sim, 25);
	follower->mute = sim->faults && sim_chance(sim, 25);
	if (sim->faults)
		sim_later(sim, CUT, -1, 20 + (int64_t)sim_draw(sim, 500));
}

static void receive(struct sim *sim, const struct pending *pending)
{
	struct saga__message message;
	saga_id id = { { 0 } };
	saga_error error;

	HOLDS(sim,
		!saga__frame_decode(
			(saga_bytes){ pending->frame, pending->size }, &message, &error),
		"%s", error.text);
	if (message.kind == SAGA__EVENT)
		memcpy(&id, (const unsigned char *)message.event.at + 8, 16);
	if (pending->who < 0 && sim->publish)
		saga__publish_message(sim->publish, &message, sim->now);
	else if (pending->who >= 0 && sim->followers[pending->who].follow)
		saga__follow_message(sim->followers[pending->who].follow, &message, id, sim->now);
}

static void happen(struct sim *sim, struct pending *pending)
{
	switch (pending->kind) {
	case NET:
		receive(sim, pending);
		break;
	case READ:
		sim_answer_read(sim, pending);
		break;
	case COMMIT:
		sim_commit(sim);
		break;
	case LANE:
		sim_run_lane(sim, pending->who, pending);
		break;
	case TRIM:
		sim_trim(sim);
		break;
	case CRASH:
		crash(sim);
		break;
	case BACK:
		come_back(sim, pending);
		break;
	case CUT:
		cut(sim);
		break;
	}
	pending->next = sim->spare;
	sim->spare = pending;
}

/* One instant at which something is due. */
static void step(struct sim *sim)
{
	int64_t at = sim->pending ? sim->heap[0]->at : INT64_MAX;

	if (sim->publish && saga__publish_due(sim->publish) < at)
		at = saga__publish_due(sim->publish);
	for (int i = 0; i < FOLLOWERS; i++)
		if (sim->followers[i].follow && saga__follow_due(sim->followers[i].follow) < at)
			at = saga__follow_due(sim->followers[i].follow);
	HOLDS(sim, at >= sim->now && at != INT64_MAX, "due in the past: %lld", (long long)at);
	sim->stuck = at == sim->now ? sim->stuck + 1 : 0;
	HOLDS(sim, sim->stuck < 1000, "time stands still");
	sim->now = at;
	while (sim->pending && sim->heap[0]->at <= at)
		happen(sim, sim_pop(sim));
	sim_drain_publisher(sim);
	for (int i = 0; i < FOLLOWERS; i++)
		sim_drain_follower(sim, i);
}

static void run_until(struct sim *sim, int64_t at)
{
	while (sim->now < at)
		step(sim);
}

/* ---- the whole ---- */

static bool all_seen(const struct sim *sim)
{
	return sim->publish && saga__publish_seen_by_all(sim->publish) == sim->last &&
		sim->last == sim->commit_upto;
}

/* Nothing is sent for a follower that is away, so long as the others get on. */
static void leave_one_out(struct sim *sim, int who)
{
	int64_t until;

	if (sim->followers[who].follow)
		sim_stop_follower(&sim->followers[who]);
	sim->commit_upto += SILENT_EVENTS;
	sim_later(sim, COMMIT, -1, 1);
	for (until = sim->now + 60 * MINUTE; sim->last < sim->commit_upto && sim->now < until;)
		step(sim);
	for (until = sim->now + 2 * ALIVE + 60 * SILENT_EVENTS; sim->broadcast < sim->last;) {
		if (sim->now > until)
			break;
		step(sim);
	}
	run_until(sim, sim->now + ALIVE);
	HOLDS(sim, sim->broadcast == sim->last, "%s is silent: %llu of %llu sent", sim_names[who],
		(unsigned long long)sim->broadcast, (unsigned long long)sim->last);
	for (int i = 0; i < FOLLOWERS; i++)
		HOLDS(sim, i == who || sim->followers[i].delivered == sim->last, "%s lacks some",
			sim_names[i]);
	sim_start_follower(sim, who);
}

static void heal(struct sim *sim)
{
	sim->faults = false;
	for (int i = 0; i < FOLLOWERS; i++) {
		sim->followers[i].deaf = sim->followers[i].mute = false;
		if (!sim->followers[i].follow)
			sim_start_follower(sim, i);
	}
	if (!sim->publish) {
		sim_start_publisher(sim);
		sim_later(sim, COMMIT, -1, 1);
	}
}

static void settle(struct sim *sim)
{
	int64_t until = sim->now + 10 * MINUTE;

	while (!all_seen(sim) && sim->now < until)
		step(sim);
	HOLDS(sim, all_seen(sim), "%llu of %llu seen by all, %llu committed by all",
		(unsigned long long)saga__publish_seen_by_all(sim->publish),
		(unsigned long long)sim->last, (unsigned long long)sim_least_committed(sim));
}

static void audit(struct sim *sim)
{
	for (int i = 0; i < FOLLOWERS; i++)
		for (uint64_t seq = 1; seq <= sim->last; seq++) {
			int wanted = sim_concerned(sim, i, seq) != SHARDS;

			HOLDS(sim, sim->followers[i].applied[seq] == wanted,
				"%s applied %llu %d times", sim_names[i], (unsigned long long)seq,
				sim->followers[i].applied[seq]);
		}
	HOLDS(sim, sim_least_committed(sim) == sim->last, "positions");
}

/* Signs of life alone: ten times beat_max apart, each answered once a shard. */
static void stay_quiet(struct sim *sim)
{
	uint64_t frames;

	run_until(sim, sim->now + 2 * BEAT_MAX);
	frames = sim->frames;
	HOLDS(sim, saga__publish_due(sim->publish) > sim->now + BEAT_MAX, "%lld",
		(long long)saga__publish_due(sim->publish));
	for (int i = 0; i < FOLLOWERS; i++)
		HOLDS(sim, saga__follow_due(sim->followers[i].follow) == INT64_MAX, "%s wakes",
			sim_names[i]);
	run_until(sim, sim->now + 40 * BEAT_MAX);
	HOLDS(sim, sim->frames - frames <= 5 * (FOLLOWERS + 1 + 2 + 8), "%llu frames",
		(unsigned long long)(sim->frames - frames));
}

static void init(struct sim *sim, uint64_t seed)
{
	static const uint32_t shards[] = { 1, 2, 8 };

	memset(sim, 0, sizeof *sim);
	sim->seed = seed;
	sim->random = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		sim_draw(sim, 2);
	sim->env = (struct saga_env){ .context = sim, .random = sim_fill_random };
	sim->first = 1;
	sim->commit_upto = EVENTS;
	sim->faults = sim->lossy = true;
	sim->window = 2 + sim_draw(sim, 100);
	sim->ring = sim->window + sim_draw(sim, 100);
	for (int i = 0; i < FOLLOWERS; i++) {
		sim->followers[i].name = sim_names[i];
		sim->followers[i].shards = shards[i];
		sim->followers[i].window = 1 + sim_draw(sim, 150);
	}
}

static uint64_t simulate(uint64_t seed)
{
	struct sim *sim = malloc(sizeof *sim);
	uint64_t frames;

	ck_assert_ptr_nonnull(sim);
	init(sim, seed);
	sim_start_publisher(sim);
	for (int i = 0; i < FOLLOWERS; i++)
		sim_later(sim, BACK, i, i == FOLLOWERS - 1 ? 1500 : (int64_t)sim_draw(sim, 20));
	sim_later(sim, COMMIT, -1, 1);
	sim_later(sim, TRIM, -1, 100);
	sim_later(sim, CRASH, -1, 300);
	sim_later(sim, CUT, -1, 100);
	while (sim->last < EVENTS && sim->now < 60 * MINUTE)
		step(sim);
	heal(sim);
	sim->lossy = sim_chance(sim, 50);
	settle(sim);
	sim->lossy = false;
	leave_one_out(sim, (int)sim_draw(sim, FOLLOWERS));
	settle(sim);
	audit(sim);
	stay_quiet(sim);
	audit(sim);
	frames = sim->frames;
	while (sim->pending)
		free(sim_pop(sim));
	for (struct pending *pending = sim->spare; pending; pending = sim->spare) {
		sim->spare = pending->next;
		free(pending);
	}
	free(sim->heap);
	saga__publish_free(sim->publish);
	for (int i = 0; i < FOLLOWERS; i++)
		saga__follow_free(sim->followers[i].follow);
	free(sim);
	return frames;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(everything_arrives_everywhere)
{
	uint64_t seed = setting("SAGA_TEST_SEED", 1),
		 count = setting("SAGA_TEST_SEEDS", (uint64_t)rounds_of(200));
	uint64_t frames = 0;

	printf("seeds %llu to %llu (SAGA_TEST_SEED, SAGA_TEST_SEEDS)\n", (unsigned long long)seed,
		(unsigned long long)(seed + count - 1));
	fflush(stdout);
	for (uint64_t i = 0; i < count; i++)
		frames += simulate(seed + i);
	printf("%llu frames\n", (unsigned long long)frames);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("delivery simulation");
	TCase *tests = tcase_create("everything");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 600);
	tcase_add_test(tests, everything_arrives_everywhere);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
