#ifndef SHOP_H
#define SHOP_H

/* The services, to be run alone or together. Each takes its config as the options' `user`. */

#include <saga/saga.h>

struct provider;

extern const saga_participant_def order;
extern const saga_participant_def payment;
extern const saga_participant_def stock;

struct order_config {
	int64_t pay_within_ms; /* then an order that is not charged expires */

	/* Told how long an order took to its end; by a replay again. A lane's thread. Optional. */
	void (*ended)(void *user, bool is_fulfilled, int64_t ms);
	void *user;
};

struct payment_config {
	struct provider *provider;
};

struct stock_config {
	int64_t dispatch_delay_ms; /* from paid to shipped: the time to cancel or amend in */
};

#endif
