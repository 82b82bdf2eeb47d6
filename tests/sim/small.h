#ifndef TESTS_SIM_SMALL_H
#define TESTS_SIM_SMALL_H

/*
 * A small choreography for worlds: a till takes orders, a depot reserves units, a bank charges by
 * an outside call. What the depot has not is refused, what the bank declines is released, and the
 * till cancels.
 */

#include <saga/saga.h>
#include <saga/sim.h>

enum {
	SMALL_UNITS = 100,
	SMALL_ACCOUNTS = 256
};

/* The bank's other side: outlives its crashes, and knows its keys. */
struct small_provider {
	struct {
		char key[SAGA_ID_TEXT];
		bool taken;
	} charges[SMALL_ACCOUNTS];
	size_t count;
	uint64_t asked;
};

struct small {
	saga_sim *sim;
	struct small_provider provider;
	uint64_t answers, ok;
	char trace[200]; /* what a trace is to hold, and how often it did */
	uint64_t traced;
	bool loud;
	saga_error error;
};

/* What a test makes of it. */
struct small_plan {
	saga_sim_options sim;
	int orders;
	int64_t over_ms;                   /* the orders come within this time */
	const saga_participant_def *depot; /* another one; NULL: the usual */
};

extern const saga_participant_def small_till, small_depot, small_bank;

/* Makes the world and its orders, runs it, and audits the domain. The caller ends it. */
int small_run(struct small *small, const struct small_plan *plan);
void small_end(struct small *small);

/* NULL: the domain is in order; else what is wrong. */
const char *small_audit(struct small *small, int orders, char *text, size_t size);
int64_t small_number(struct small *small, const char *participant, const char *sql);

/* The depot's schema, and its steps' events, for depots of a test's own. */
extern const char *const small_depot_schema[];

SAGA_REQUEST(place_order, "order.place", 1, int64(units), int64(total));
SAGA_EVENT(order_placed, "order.placed", 1, int64(units), int64(total));
SAGA_BARE_EVENT(order_cancelled, "order.cancelled", 1);
SAGA_BARE_EVENT(order_finished, "order.finished", 1);
SAGA_EVENT(units_reserved, "units.reserved", 1, int64(total));
SAGA_EVENT(units_refused, "units.refused", 1, reason(why));
SAGA_BARE_EVENT(units_released, "units.released", 1);
SAGA_EVENT(money_charged, "money.charged", 1, int64(total));
SAGA_EVENT(money_declined, "money.declined", 1, reason(why));

#endif
