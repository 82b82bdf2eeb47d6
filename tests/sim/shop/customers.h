#ifndef SIM_CUSTOMERS_H
#define SIM_CUSTOMERS_H

/*
 * Who uses the shop in the simulator: they open stock and accounts, then place orders, some of
 * which no one can fulfil; amend, cancel and receive them, at random times; and ask twice with one
 * key, now and then with another body. What they are answered must fit together.
 */

#include <saga/sim.h>

#include <stdio.h>

struct customers;

/* Puts all that will be asked into the world. steps_fail: it makes handlers fail. */
int customers_new(saga_sim *sim, uint64_t seed, size_t orders, bool steps_fail,
	struct customers **ret_customers, saga_error *error);
void customers_free(struct customers *customers);

/*
 * After the run. Names on `out` each answer that is missing or does not fit the others; returns how
 * many. *ret_placed: how many orders they were told to have placed.
 */
size_t customers_check(const struct customers *customers, FILE *out, size_t *ret_placed);

#endif
