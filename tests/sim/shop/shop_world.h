#ifndef SIM_SHOP_WORLD_H
#define SIM_SHOP_WORLD_H

/* The shop in a world: its three services, the payment provider, customers; and what came of it. */

#include "audit.h"

#include <saga/sim.h>

struct shop_world_options {
	uint64_t seed;
	unsigned faults;      /* of enum saga_sim_fault */
	uint64_t fault_limit; /* 0: none */
	size_t orders;
	unsigned instances; /* of each service; 0: 1 */
	bool durable;       /* over a broker that keeps events */
	void *user;
	void (*trace)(void *user, int64_t ms, const char *participant, const char *text);
};

enum {
	SHOP_BREACH_BYTES = 4096
};

struct shop_world_result {
	bool is_broken;
	size_t violations; /* of the audit, and answers that don't fit */
	char checker[32];  /* the first that found something: "audit", "answers", or a law */
	char breach[SHOP_BREACH_BYTES];
	size_t placed; /* orders that their customers were told are placed */
	struct audit audit;
	saga_sim_report report;
};

/* Runs a seed to its end. SAGA_OK also when it is broken; else why it could not be run. */
int shop_world_run(const struct shop_world_options *options, struct shop_world_result *ret_result,
	saga_error *error);

#endif
