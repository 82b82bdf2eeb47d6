#ifndef SAGA_CHOREOGRAPHY_MODEL_H
#define SAGA_CHOREOGRAPHY_MODEL_H

/*
 * Contracts, read and composed: the part of a choreography that does not move. Types and steps are
 * numbers here. All of it lives in one arena.
 */

#include <saga/choreography.h>

#include "../event/arena.h"

enum {
	SAGA__NO_STEP = -1,
	SAGA__MODEL_STEPS = 400,
	SAGA__MODEL_TYPES = 2000,
};

/* A list of types, in their order of declaration. */
struct saga__names {
	unsigned count;
	unsigned at[SAGA_EVENTS];
};

struct saga__model_after {
	unsigned event;
	struct saga__names unless;
	bool maybe;
	bool again;
};

struct saga__model_wait {
	const char *why;
	struct saga__names until;
	const char *held_name;
	const char *freed_name;
	int held; /* a step; SAGA__NO_STEP: none */
	int freed;
	bool maybe;
};

struct saga__model_step {
	unsigned contract;
	unsigned at;      /* its place in the contract */
	const char *name; /* "order.place" */
	const char *own;  /* "place" */
	struct saga__names on, emits, rejects, undo_on, undone, bar_on;
	unsigned after_count;
	struct saga__model_after after[SAGA_EVENTS];
	unsigned wait_count;
	struct saga__model_wait waits[SAGA_CONDITIONS];
	unsigned while_count;
	const char *while_names[SAGA_CONDITIONS];
	int only_while[SAGA_CONDITIONS];
	const char *covered_name;
	int covered_by;
	bool joins;
	bool pivot;
	bool per_subject;
	bool outside;
	bool undo_outside;
	bool reads_only;
	bool neutral;
	bool owed;
	bool undo_early;
	bool request;  /* it is on a request, or a stranger's word: nothing of the saga itself */
	bool stranger; /* one that is no participant says its event, some time after `on` */
	unsigned part; /* per_subject steps that hear each other; 0: the saga itself */
	bool scoped;   /* its part has an end of its own */
};

struct saga__model_field {
	const char *name;
	const char *kind; /* "text", "list"; without `?` */
	bool optional;
	struct saga__model_field *fields; /* of a part or a list */
	unsigned field_count;
};

/* A type as one contract declares it. */
struct saga__model_form {
	unsigned type;
	int version;
	unsigned field_count;
	struct saga__model_field *fields;
};

struct saga__model_type {
	const char *name;
	bool request;
	bool unheard;
	bool heard_outside; /* by one that is no participant */
	int end;            /* a saga_end_kind; 0: none */
	unsigned end_of;    /* the contract that says so */
};

struct saga__model_contract {
	const char *file;
	const char *participant;
	unsigned form_count;
	struct saga__model_form *forms;
	unsigned heard_count;
	unsigned *heard; /* types that one hears who is no participant */
};

struct saga__choreography {
	struct saga__arena arena;
	struct saga__model_contract *contracts;
	unsigned contract_count;
	struct saga__model_step *steps; /* without those that only read */
	unsigned step_count;
	struct saga__model_type *types;
	unsigned type_count;
	unsigned part_count; /* parts are 1 to part_count */
	unsigned words;      /* of 64 bits, in a set of steps */
	uint64_t *rests_on;  /* of each step such a set: those without which it can't take effect */
};

/* Reads contracts, and finds each step that another one names. MALFORMED names file and member. */
int saga__choreography_read(const saga_contract *contracts, size_t count,
	struct saga__choreography **ret_choreography, saga_error *error);
void saga__choreography_free(struct saga__choreography *choreography);

/* Finds parts, scopes, and what rests on what. NOMEM. */
int saga__choreography_compose(struct saga__choreography *choreography, saga_error *error);

/*
 * The breaches and the warnings that show in the declarations alone, each as a text to `found`. A
 * text is that function's for the call only.
 */
void saga__choreography_static(const struct saga__choreography *choreography,
	void (*found)(void *context, saga_finding_kind kind, const char *text), void *context);

/* Whether a list has that type. */
bool saga__names_have(const struct saga__names *names, unsigned type);

/* Calls visit for each type that a step may say; of one that it says twice, twice. */
void saga__step_says(const struct saga__model_step *step,
	void (*visit)(void *context, unsigned type), void *context);
bool saga__step_may_say(const struct saga__model_step *step, unsigned type);

/* Whether a step hears that type in any role. */
bool saga__step_hears(const struct saga__model_step *step, unsigned type);

static inline bool saga__rests_on(
	const struct saga__choreography *choreography, unsigned step, unsigned on)
{
	return choreography->rests_on[step * choreography->words + on / 64] >> (on % 64) & 1;
}

/* Whether the undo of `cover` takes back the effect of `step`, too. */
bool saga__step_is_covered(
	const struct saga__choreography *choreography, unsigned step, unsigned cover);

#endif
