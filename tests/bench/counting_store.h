#ifndef COUNTING_STORE_H
#define COUNTING_STORE_H

/* A store, and how often it was asked for what. One counter a participant. */

#include <saga/plugin.h>

#include <stdatomic.h>

struct counting {
	atomic_uint_fast64_t commits;
	atomic_uint_fast64_t statements;
	atomic_uint_fast64_t round_trips;
	atomic_uint_fast64_t waits; /* for a server that need not be waited for */
	atomic_uint_fast64_t marks;

	/* NULL: nobody asks. On the lane's thread, after a transaction was committed or not. */
	void (*ended)(void *user, bool committed);
	void *user;
};

/* For a store's URL; its store_context is a struct counting. */
const saga_store_ops *counting_ops(const char *url);

#endif
