#ifndef SHOP_INPUT_H
#define SHOP_INPUT_H

/* The orders file: what is asked for each ref, in the file's order. */

#include "data.h"
#include "events.h"

enum op_kind {
	OP_PLACE,
	OP_AMEND,
	OP_CANCEL,
	OP_DELIVER
};

struct op {
	enum op_kind kind;
	size_t line;          /* of the file, from 1 */
	const char *customer; /* place */
	const char *country;
	struct order_line *lines; /* place, amend */
	size_t lines_count;
};

enum job_phase {
	JOB_NEXT,
	JOB_SETTLE,
	JOB_ENDED
};

/* All that the file asks for one ref; the second half is the runner's. */
struct job {
	const char *ref;
	struct op *ops;
	size_t op_count;
	bool is_placed; /* by this file */

	struct run *run;
	saga_id saga;
	bool is_known;  /* its saga */
	bool is_asking; /* an answer is to come */
	bool is_ready;  /* the next op has waited for what it needs */
	enum job_phase phase;
	size_t at;       /* the op */
	int64_t look_at; /* ms, not before */
};

struct orders {
	const char *path;
	const json_t *products;
	struct job *jobs;
	size_t job_count;
	size_t placed_count; /* jobs that this file places: the others may be of no order */
	size_t refused;      /* lines, each said on stderr */
	json_t *by_ref;      /* ref -> its job's place in `jobs` */
	json_t *kept;        /* what the texts above are borrowed from */
};

/* "place", "amend", "cancel", "deliver": static text. */
const char *op_name(enum op_kind kind);

/*
 * -1 with the reason on stderr; orders_free is needed either way. products: sku -> price; NULL: any
 * product may be ordered.
 */
int orders_read(const char *path, const json_t *products, struct orders *ret_orders);
void orders_free(struct orders *orders);

#endif
