#ifndef SAGA_STEP_PLAN_H
#define SAGA_STEP_PLAN_H

/*
 * A participant's declaration, checked and compiled: its steps, the types it names (each once), and
 * for each type what an event of it does here. Never changes after it is made; any thread.
 */

#include <saga/participant.h>

#include "../event/schema.h"

enum saga__role {
	SAGA__ROLE_RUN = 1,
	SAGA__ROLE_UNDO = 2,
	SAGA__ROLE_BAR = 3,
	SAGA__ROLE_UNLESS = 4, /* withdraws a schedule */
	SAGA__ROLE_REFUSE = 5, /* no event's: only a letter's, whose barred slot has yet to speak */
	SAGA__ROLE_PUBLISH = 6, /* only a letter's: an event of ours that the broker did not take */
};

enum {
	SAGA__STEP_NAME_MOST = 31,
	SAGA__ROW_NAME_MOST = 95
};

/* An event of a type does this to one row. */
struct saga__route {
	unsigned short step;
	unsigned short row; /* the step's, or its schedule's */
	enum saga__role role;
	unsigned char nth; /* in the step's list of that role */
};

struct saga__known {
	const saga_type *type;
	struct saga__route *routes; /* undos first, the last declared first; then bars, then runs */
	size_t route_count;
};

/* Each step has slots, and so has each schedule. Named "reserve", and "place>order.expired". */
struct saga__row {
	char name[SAGA__ROW_NAME_MOST + 1];
	unsigned short step;
	unsigned short later; /* of a schedule: which of the step's `after` */
	bool schedule;
};

struct saga__plan {
	const char *name;
	const char *const *schema;
	saga_step_def *steps;
	size_t step_count;
	struct saga__row *rows; /* rows[i] for i < step_count is step i's */
	size_t row_count;
	unsigned short *first_schedule; /* a step's first row among the schedules */
	struct saga__known *types;
	size_t type_count;
	unsigned short *buckets; /* of type indexes + 1, by name; a power of two */
	size_t bucket_count;
	saga_end ends[SAGA_ENDS];
	const saga_type *unheard[SAGA_ENDS];
};

/* Checks the declaration whole. MISUSE names the step and the rule that it breaks. */
int saga__plan_new(
	const saga_participant_def *def, struct saga__plan **ret_plan, saga_error *error);
void saga__plan_free(struct saga__plan *plan);

/* NULL: no step names that type. With version 0: of any version, the first declared. */
const struct saga__known *saga__plan_type(
	const struct saga__plan *plan, const char *name, int version);

/* For an event that came; *ret_known NULL: nobody here knows it. MALFORMED: in another version. */
int saga__plan_find(const struct saga__plan *plan, const char *name, int version,
	const struct saga__known **ret_known, saga_error *error);

/*
 * Whether a step here is on, undone or barred by that type; also by another version of it than is
 * known here.
 */
bool saga__plan_concerns(const struct saga__plan *plan, const char *type, int version);

/* The step's row of that name or schedule; SIZE_MAX: none. */
size_t saga__plan_row(const struct saga__plan *plan, const char *name);

size_t saga__types_count(const saga_type *const list[SAGA_EVENTS]);
bool saga__types_have(const saga_type *const list[SAGA_EVENTS], const saga_type *type);

/* The rules that saga__plan_new holds each step to, in check.c. */
int saga__step_check(const saga_step_def *step, saga_error *error);
int saga__steps_check_silence(const struct saga__plan *plan, saga_error *error);

/* Those for what a step says for its contract, in check_contract.c. */
int saga__steps_check_contract(const struct saga__plan *plan, saga_error *error);

/* How many conditions a step waits on: the list ends at the first empty entry. */
size_t saga__conditions_count(const saga_step_def *step);

#endif
