#ifndef TESTS_GROUND_H
#define TESTS_GROUND_H

/*
 * The stores that the target of a stage may stand on, a line each. SAGA_TEST_STORE names one:
 * sqlite (if it says nothing), postgres, mssql.
 */

#include <stdbool.h>
#include <stddef.h>

struct ground {
	const char *name;      /* and the scheme of its URLs */
	const char *variable;  /* that names its server; NULL: it needs none */
	void (*reserve)(void); /* before the first test; NULL: they don't disturb each other */
	/* Tables of a stage's own: the URL to them. */
	void (*fresh)(char *url, size_t size, const char *directory);
	void (*drop)(const char *url); /* NULL: they go with the directory */
	int first_mode, modes;         /* how many lanes a test runs with: from, and below */
};

/* The one that the environment names. */
const struct ground *ground(void);

/* Whether its server is there; where not, says so as a skip. */
bool ground_is_there(void);

bool is_on(const char *name);

/* Says that the test is left out here, and why. */
void say_left_out(const char *test, const char *why);

/* At the beginning of a test. */
#define LEAVE_OUT_IF(condition_, why_) \
	do { \
		if (condition_) { \
			say_left_out(__func__, why_); \
			return; \
		} \
	} while (0)
#define ONLY_ON(name_, why_) LEAVE_OUT_IF(!is_on(name_), why_)

#endif
