#ifndef SHOP_AUDIT_H
#define SHOP_AUDIT_H

/*
 * The proof that the shop kept its word, from the three databases and the provider's ledger alone:
 *
 *	every order ended;
 *	fulfilled: one charge kept, of exactly its total, and one shipment of exactly its lines;
 *	cancelled: nothing kept, nothing reserved, nothing shipped;
 *	what was asked to be cancelled before it was shipped is cancelled;
 *	of each product, units at the start = free + reserved + shipped;
 *	no waiting, trying, undoing, dead or stuck slot, and nothing parked, is left over.
 */

#include "reads.h"

#include <stdio.h>

enum {
	AUDIT_REASONS = 16
};

struct audit_reason {
	char why[256];
	size_t orders;
};

struct audit {
	size_t orders;
	size_t fulfilled; /* the completed ones too */
	size_t completed;
	size_t cancelled;
	size_t dead; /* slots that are dead or stuck, and dead letters */
	size_t violations;
	struct audit_reason reasons[AUDIT_REASONS]; /* why they were cancelled */
	size_t reason_count;
};

/* Names each breach on `out`. SAGA_OK also with breaches; else what could not be read, in error. */
int audit_shop(const struct reader *reader, FILE *out, struct audit *ret_audit, saga_error *error);

/* In words. */
void audit_print(const struct audit *audit, FILE *out);

#endif
