#ifndef SHOP_BOOKS_H
#define SHOP_BOOKS_H

/* The databases' facts by order and by product, as the audit compares them. */

#include "reads.h"

struct book {
	saga_id saga;
	char ref[41];
	char state[11];
	char why[256];
	char amending[256];
	char parcel[10]; /* its state; "" for none */
	char locked_by[256];
	char ship[10];    /* the state of stock's ship slot; "" for none */
	int64_t total;    /* cents, as the order says */
	int64_t priced;   /* cents, as its lines come to */
	uint64_t ordered; /* a sum over lines of product and quantity, in any order */
	uint64_t held_sum;
	int64_t held;    /* units */
	int64_t charged; /* cents, as payment has it */
	int64_t kept;    /* cents, as the provider has it */
	size_t charges;  /* with cents kept */
	bool cancel_asked;
	bool is_remembered; /* stock still has its slots: they go 90 days after its last move */
};

struct goods {
	char sku[41];
	int64_t opened;
	int64_t free;
	int64_t reserved;
	int64_t shipped;
};

/* A slot that is not settled, or what is parked: its state is then what kind that is. */
struct left_slot {
	const char *participant;
	saga_id saga;
	char step[64];
	char subject[256];
	char state[10];
};

struct books {
	struct book *orders; /* sorted by saga */
	size_t order_count;
	struct goods *goods; /* sorted by sku */
	size_t goods_count;
	struct left_slot *slots;
	size_t slot_count;
	size_t strangers; /* rows of a saga that is no order */
};

/* Reads all. books_free is needed either way. */
int books_read(const struct reader *reader, struct books *ret_books, saga_error *error);
void books_free(struct books *books);

struct book *books_order(const struct books *books, saga_id saga); /* NULL: none */

#endif
