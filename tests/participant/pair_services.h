#ifndef TESTS_PAIR_SERVICES_H
#define TESTS_PAIR_SERVICES_H

#include "pair.h"

enum {
	PAIR_TIMEOUT_MS = 40 /* of a call; when nobody made it, it is made then */
};

extern const saga_participant_def pair_order, pair_payment;

/* Places the order; with a saga: recalls it. */
int pair_submit(saga_participant *order, saga_id saga, saga_answer_fn *answered, void *user,
	saga_error *error);

/* The provider does it once for each key. Any thread. */
void pair_provide(struct pair *pair, const char *what, const char *key);

#endif
