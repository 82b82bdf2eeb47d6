/*
 * The pair in the simulator, with a bank in memory: every fault, 200 seeds, a few seconds.
 *
 *	pair-sim               all seeds
 *	pair-sim SEED          one of them, as it happens
 *	pair-sim FIRST LAST    these, in silence
 */
#include "bank.h"
#include "pair.h"

#include <saga/sim.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEATS = 3, /* as in the schema of seats.c */
	GUESTS = 6,
	SEEDS = 200
};

/* ---- the bank: outside, so no crash of a service touches it ---- */

struct charge {
	char key[40];
	bool paid;
};

struct world {
	saga_sim *sim;
	struct charge charges[GUESTS];
	int64_t charged, paid; /* charges in use; those of them that were paid */
	int64_t hold_ms, held, refused;
	int64_t sold, free_seats;
};

enum bank_answer bank_charge(
	void *bank, const char *key, const char *json, int timeout_ms, char ret_text[64])
{
	struct world *world = bank;
	int64_t i = 0;

	(void)json, (void)timeout_ms;
	while (i < world->charged && strcmp(world->charges[i].key, key) != 0)
		i++;
	if (i == GUESTS || saga_sim_random(world->sim, 8) == 0)
		return BANK_SILENT; /* the request was lost */
	if (i == world->charged) {
		world->charged++;
		snprintf(world->charges[i].key, sizeof world->charges[i].key, "%s", key);
		world->charges[i].paid = saga_sim_random(world->sim, 4) > 0;
		world->paid += world->charges[i].paid;
	}
	if (saga_sim_random(world->sim, 8) == 0)
		return BANK_SILENT; /* its answer was lost */
	snprintf(ret_text, 64, "%s", world->charges[i].paid ? key : "no money");
	return world->charges[i].paid ? BANK_PAID : BANK_DECLINED;
}

/* ---- a world ---- */

static void trace(void *user, int64_t ms, const char *participant, const char *text)
{
	(void)user;
	printf("%8" PRId64 " ms  %-7s %s\n", ms, participant, text);
}

static void count_answer(void *user, const saga_answer *answer)
{
	struct world *world = user;

	world->held += answer->code == SAGA_OK;
	world->refused += answer->code == SAGA_REJECTED || answer->code == SAGA_FAILED;
}

static int take_number(
	void *user, const char *const *names, const saga_value *columns, size_t column_count)
{
	(void)names, (void)column_count;
	*(int64_t *)user = columns[0].as.int64;
	return SAGA_OK;
}

static int number(struct world *world, const char *participant, const char *sql, int64_t *ret,
	saga_error *error)
{
	return saga_sim_query(world->sim, participant, sql, NULL, 0, take_number, ret, error);
}

/* Every guest was answered, each seat is free or sold once, and no other was charged for. */
static int audit(struct world *world, saga_error *error)
{
	int64_t open = -1, recorded = -1;
	int code = number(world, "seats", "SELECT free FROM hall", &world->free_seats, error);

	if (code == SAGA_OK)
		code = number(world, "seats",
			"SELECT COUNT(*) FROM booking WHERE receipt IS NOT NULL", &world->sold,
			error);
	if (code == SAGA_OK)
		code = number(world, "seats", "SELECT COUNT(*) FROM booking WHERE receipt IS NULL",
			&open, error);
	if (code == SAGA_OK)
		code = number(world, "till", "SELECT COUNT(*) FROM charge", &recorded, error);
	if (code == SAGA_OK &&
		(world->held + world->refused != GUESTS || open != 0 || world->free_seats < 0 ||
			world->free_seats + world->sold != SEATS || world->paid != world->sold ||
			recorded != world->sold))
		code = saga_error_set(error, SAGA_FAILED,
			"%" PRId64 " free, %" PRId64 " sold, %" PRId64 " held for ever, %" PRId64
			" paid, %" PRId64 " charges recorded, %" PRId64 " answers",
			world->free_seats, world->sold, open, world->paid, recorded,
			world->held + world->refused);
	return code;
}

static int live(uint64_t seed, bool is_loud, struct world *world, saga_error *error)
{
	static const char *const to_till[] = { "till", NULL },
				 *const to_seats[] = { "seats", NULL };
	int code = saga_sim_new(SAGA_SIM_OPTIONS(.seed = seed, .faults = SAGA_SIM_ALL,
					.trace = is_loud ? trace : NULL),
		&world->sim, error);

	if (code != SAGA_OK)
		return code;
	world->hold_ms = 1 + (int64_t)saga_sim_random(world->sim, 20000);
	code = saga_sim_add(world->sim, &seats,
		SAGA_OPTIONS(.followers = to_till, .user = &world->hold_ms), error);
	if (code == SAGA_OK)
		code = saga_sim_add(world->sim, &till,
			SAGA_OPTIONS(.followers = to_seats, .user = world), error);
	for (int i = 0; code == SAGA_OK && i < GUESTS; i++) {
		const char guest[] = { (char)('a' + i), 0 };

		code = saga_sim_submit(world->sim, "seats",
			(int64_t)saga_sim_random(world->sim, 40000),
			&(saga_submission){ SAGA_SUBMISSION(book_seat, .guest = guest),
				.key = guest, .answered = count_answer, .user = world },
			error);
	}
	if (code == SAGA_OK)
		code = saga_sim_run(world->sim, error);
	if (code == SAGA_OK)
		code = audit(world, error);
	saga_sim_close(world->sim);
	return code;
}

int main(int count, char **words)
{
	bool is_one = count == 2;
	uint64_t seed = count > 1 ? strtoull(words[1], NULL, 10) : 1;
	uint64_t last = count > 2 ? strtoull(words[2], NULL, 10) : is_one ? seed : SEEDS;
	int64_t sold = 0, declined = 0, expired = 0, refused = 0;

	for (; seed <= last; seed++) {
		struct world world = { 0 };
		saga_error error;

		if (live(seed, is_one, &world, &error) != SAGA_OK) {
			printf("seed %" PRIu64 ": %s\nas it happens: pair-sim %" PRIu64 "\n", seed,
				error.text, seed);
			return 1;
		}
		sold += world.sold;
		declined += world.charged - world.paid;
		expired += world.held - world.charged;
		refused += world.refused;
	}
	printf("%" PRId64 " seats sold, %" PRId64 " charges declined, %" PRId64
	       " holds expired, %" PRId64 " guests refused\n",
		sold, declined, expired, refused);
	if (count == 1 && (!sold || !declined || !expired || !refused)) {
		printf("the seeds missed one of these ends\n");
		return 1;
	}
	return 0;
}
