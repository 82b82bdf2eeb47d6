/* The code that the library gives to an SQLSTATE of the server. */

#include "postgres_link.h"

#include <string.h>

int saga__pg_code_of(const char *state)
{
	static const struct {
		const char *state;
		int code;
	} codes[] = {
		{ "40001", SAGA_CONTENDED }, /* serialization_failure */
		{ "40P01", SAGA_CONTENDED }, /* deadlock_detected */
		{ "55P03", SAGA_CONTENDED }, /* lock_not_available */
		{ "53300", SAGA_AWAY },      /* too_many_connections */
		{ "53", SAGA_FULL },         /* disk_full, out_of_memory, ... */
		{ "08", SAGA_AWAY },         /* connection exceptions */
		{ "57", SAGA_AWAY },         /* cancelled, shut down, starting up */
		{ "25P03", SAGA_AWAY },      /* idle_in_transaction_session_timeout */
		{ "25006", SAGA_AWAY },      /* a standby, or read-only for a while */
		{ "26000", SAGA_AWAY },      /* somebody dropped this session's statements */
		{ "42P05", SAGA_AWAY },      /* or it is not this session alone's */
		{ "58", SAGA_AWAY },         /* system errors */
		{ "XX001", SAGA_DAMAGED },   /* data_corrupted */
		{ "XX002", SAGA_DAMAGED },   /* index_corrupted */
	};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0)
			return codes[i].code;
	return SAGA_REFUSED;
}

int saga__pg_refuses_settings(const char *said, saga_error *error)
{
	saga_error why;

	(void)saga_error_set(&why, SAGA_REFUSED, "%.*s", (int)strcspn(said, "\n"), said);
	return saga_error_set(error, SAGA_REFUSED,
		"store: the server refuses the session's settings: %s", why.text);
}

/* libpq tells the state of a refused connection in its words alone: "FATAL:  42704: ...". */
bool saga__pg_says_setting_is_wrong(const char *said)
{
	static const char *const states[] = {
		":  22023: ", /* invalid_parameter_value */
		":  42704: ", /* undefined_object: no such parameter */
	};

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strstr(said, states[i]))
			return true;
	return false;
}
