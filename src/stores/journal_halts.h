#ifndef SAGA_STORES_JOURNAL_HALTS_H
#define SAGA_STORES_JOURNAL_HALTS_H

/*
 * Streams of others that have stopped here, and what an operator wants done: rows of saga_meta.
 *
 *	stream UUID/SHARD     what happened; written by the participant
 *	stream! UUID/SHARD    the order; written by an operator's tool, carried out by the
 *	                      participant, and then both rows go
 *	resumed UUID/SHARD    the number of the last order that was carried out for it; it stays
 *
 * Of several instances each may find the same, and carry out the same order; and any of them may
 * be late. So who reads positions, or an order, reads with them the highest number of an order that
 * was carried out. What comes of them is void once the stream has a higher one: nothing is written.
 * Nor is a position of a stream for which there is an order: it may be reset already.
 */

#include "journal.h"

enum saga__halt_why {
	SAGA__HALT_NONE = 0, /* it goes on: there is only an order */
	SAGA__HALT_GONE,     /* its owner has no more what comes next */
	SAGA__HALT_FORKED,   /* it has another history than what was committed here */

	/* The next ones concern a broker's stream: mended already, and told to operators. */
	SAGA__HALT_LOST,     /* it has lost what it had confirmed */
	SAGA__HALT_REMADE,   /* it is another one */
	SAGA__HALT_SET_BACK, /* our store is older than what it was told */

	/* The store refuses even the dead letter of its next event; the lane tries it again. */
	SAGA__HALT_REFUSED
};

enum saga__halt_order {
	SAGA__ORDER_NONE = 0,
	SAGA__ORDER_SKIP,     /* go on behind `to` */
	SAGA__ORDER_ACCEPT,   /* read it again, from the oldest that its owner has; a broker's: what
	                       happened is known */
	SAGA__ORDER_REPUBLISH /* our own: publish again all that the outbox holds */
};

struct saga__halt {
	struct saga__source source;
	int why;
	uint64_t upto;  /* what was delivered */
	uint64_t first; /* GONE: the first that its owner still has */
	int64_t at;     /* ms since 1970 */
	int order;
	uint64_t to;    /* SKIP */
	uint64_t known; /* orders that were carried out when that was read of which it comes */
};

enum {
	SAGA__HALT_NAME = 64,
	SAGA__HALT_TEXT = 160
};

/* ---- the rows' texts ---- */

const char *saga__halt_name(
	const struct saga__stream *stream, bool order, char name[SAGA__HALT_NAME]);
const char *saga__halt_why_name(enum saga__halt_why why);
const char *saga__halt_text(const struct saga__halt *halt, char text[SAGA__HALT_TEXT]);
const char *saga__order_text(const struct saga__halt *halt, char text[SAGA__HALT_TEXT]);

/* Fills in what a row says. False: it is no such row. */
bool saga__halt_read(const char *name, const char *text, struct saga__halt *halt);

/* ---- in a store ---- */

/* The highest number of an order that was carried out, of any stream; 0: there was none. */
int saga__journal_orders(struct saga__journal *journal, uint64_t *ret_orders, saga_error *error);

/* Writes down what happened, instead of what was written before. *ret_void: it is not so now. */
int saga__journal_halt(struct saga__journal *journal, const struct saga__halt *halt, bool *ret_void,
	saga_error *error);

/* Deletes the stream's row that says REFUSED; those of all streams, if none is given. */
int saga__journal_unhalt(
	struct saga__journal *journal, const struct saga__stream *stream, saga_error *error);

/* It goes on: both rows go, and the order has its number; unless it had been carried out. */
int saga__journal_resume(
	struct saga__journal *journal, const struct saga__halt *halt, saga_error *error);

/* One a stream, at most `most`, in no order; with what orders are known. */
int saga__journal_halts(struct saga__journal *journal, struct saga__halt *halts, size_t most,
	size_t *ret_count, saga_error *error);

/*
 * In a batch's transaction, whose shards are locked: *ret_void: an order stands for one of the
 * streams that it moves, or was carried out since.
 */
int saga__journal_moves(struct saga__journal *journal, const struct saga__move *moves, size_t count,
	bool *ret_void, saga_error *error);

/*
 * In a batch's transaction: where a stream stands for a shard, back too; seq 0: it is forgotten.
 * Nothing, if the order had been carried out: who did goes on from there.
 */
int saga__journal_reset(
	struct saga__journal *journal, const struct saga__move *move, saga_error *error);

#endif
