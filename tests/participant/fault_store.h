#ifndef TESTS_FAULT_STORE_H
#define TESTS_FAULT_STORE_H

/*
 * A store that wraps another and fails by plan: the nth call from now of a slot, and some more
 * after it, answer what is wanted. Counts all calls, over all connections. Any thread.
 *
 *	struct faults faults;
 *	faults_init(&faults);
 *	SAGA_OPTIONS(.store = "fault:x.db", .store_ops = &fault_store, .store_context = &faults)
 *	faults_plan(&faults, FAULT_COMMIT, 1, 1, FAULT_UNKNOWN_DONE);
 */

#include <saga/plugin.h>

#include <pthread.h>

enum fault_slot {
	FAULT_OPEN,
	FAULT_RUN,
	FAULT_BEGIN,
	FAULT_COMMIT,
	FAULT_MARK,
	FAULT_BACK,
	FAULT_RELEASE,
	FAULT_SLOTS,
};

enum fault_kind {
	FAULT_NONE,
	FAULT_CONTENDED,    /* the transaction is lost */
	FAULT_UNKNOWN_DONE, /* committed, the answer lost */
	FAULT_UNKNOWN_LOST, /* not committed, the answer lost */
	FAULT_AWAY,         /* the connection is dead from here on */
	FAULT_FULL,
	FAULT_REFUSED,
	FAULT_NOMEM,
	FAULT_DAMAGED, /* as AWAY, and an alarm */
};

enum {
	FAULT_FOREVER = 1 << 30
};

struct faults {
	pthread_mutex_t lock;
	unsigned long calls[FAULT_SLOTS];
	unsigned long fired;
	enum fault_slot slot;
	enum fault_kind kind;
	unsigned long first; /* call number, 1 for the very first; 0: no plan */
	unsigned long times;
	unsigned long marks_most; /* in a transaction that a connection outlives; 0: any */
	/* Within each transaction, at its end; on the lane's thread. NULL: nothing. */
	void (*before_commit)(void *user, const saga_store_ops *ops, void *store);
	void *user;
};

void faults_init(struct faults *faults);
void faults_plan(struct faults *faults, enum fault_slot slot, unsigned long nth,
	unsigned long times, enum fault_kind kind);
/* No connection lives through a transaction of more handlers. */
void faults_limit(struct faults *faults, unsigned long marks_most);
void faults_clear(struct faults *faults);
unsigned long faults_fired(struct faults *faults);
unsigned long faults_calls(struct faults *faults, enum fault_slot slot);

extern const saga_store_ops fault_store; /* on SQLite */

/* The one that wraps the store of that URL. */
const saga_store_ops *fault_store_on(const char *url);

#endif
