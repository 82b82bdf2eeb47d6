#ifndef TESTS_CHOREOGRAPHY_LOAD_H
#define TESTS_CHOREOGRAPHY_LOAD_H

/* Contracts from the files of this directory, changed as a test wants them. */

#include <saga/choreography.h>

#include <jansson.h>

enum {
	CONTRACTS_MOST = 8
};

/* A choreography of right.json, or a part of faults.json; the caller frees it by json_decref. */
json_t *load(const char *file);

/* The contracts of a choreography as texts. */
struct contracts {
	saga_contract at[CONTRACTS_MOST];
	size_t count;
};
struct contracts contracts_of(const json_t *list);
void contracts_free(struct contracts *contracts);

/* Changes the contracts by a fault's `steps`, `add`, `members` and `types`. */
void plant(json_t *list, const json_t *fault);

/* Checks them, and fails if that can't be done. */
saga_check *check_of(const json_t *list, const saga_check_options *options);

/* A finding of that kind whose text holds `part`; NULL: none. */
const saga_finding *finding_of(const saga_check *check, saga_finding_kind kind, const char *part);

/* The number of findings of that kind. */
size_t findings_of(const saga_check *check, saga_finding_kind kind);

#endif
