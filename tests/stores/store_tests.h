#ifndef STORE_TESTS_H
#define STORE_TESTS_H

/*
 * The conformance suite for stores knows plugin.h alone, and the words of schemas (dialect.h). A
 * store to be tested is one row of the table in store_conformance.c.
 */

#include <saga/plugin.h>

#include <check.h>

struct store_under_test {
	const char *name;
	const char *scheme;
	/* Writes the URL of an empty database; the directory is there to be used. */
	void (*fresh_url)(char *url, size_t size, const char *directory);
	const char *server;       /* the variable that names one; NULL: it needs none */
	bool many;                /* connections to one URL share a database */
	bool lives_after_refusal; /* a transaction does, without `back` */
	bool nonsense_ends;       /* a text that is no SQL may end the transaction */
	int patience_ms;          /* of tests that wait for a time-out; 0: 300 */
	bool runs_ahead;          /* statements behind one whose rows the sink stops may have run */
	const char *column_types; /* of `id`, `label`, `body`, `flag`: a CREATE TABLE's inside */
	const char *endless;      /* a query that takes minutes */
	const char *floating;     /* a query of a floating point number; NULL: none */
	const char *malformed_url;
	const char *away_url; /* nothing is there */
};

extern const struct store_under_test stores_under_test[];

enum {
	TIMEOUT_MS = 5000,
	ROWS_KEPT = 64,
	COLUMNS_KEPT = 8
};

/* An open store, and what came of the last statements that ran. */
struct bench {
	const struct store_under_test *store;
	const saga_store_ops *ops;
	char url[512];
	void *handle;
	saga_error error;

	size_t row_count, column_count;
	saga_value values[ROWS_KEPT][COLUMNS_KEPT];
	size_t row_of[ROWS_KEPT]; /* the statement that a row is of */
	char names[COLUMNS_KEPT][32];
	size_t done_count;
	size_t done_of[ROWS_KEPT];
	int64_t changed[ROWS_KEPT];
	size_t stop_at_row; /* answer stop_code to it; 0: never */
	int stop_code;
};

/* Opens a store on a new database with an empty table `things`. */
void bench_open(struct bench *bench, int row);
/* Opens another connection to the same database. */
void bench_open_beside(struct bench *bench, const struct bench *other, int timeout_ms);
void bench_reopen(struct bench *bench);
void bench_close(struct bench *bench);

saga_value number(int64_t value);
saga_value truth(bool value);
saga_value text(const char *value);
saga_value bytes(const void *at, size_t size);
saga_value nothing(void);

#define VALUES(...) \
	(const saga_value[]){ __VA_ARGS__ }, \
		sizeof((const saga_value[]){ __VA_ARGS__ }) / sizeof(saga_value)
#define NO_VALUES NULL, 0

int run(struct bench *bench, const char *sql, const saga_value *values, size_t count);
int run_many(struct bench *bench, const saga_statement *statements, size_t count);
void must_run(struct bench *bench, const char *sql, const saga_value *values, size_t count);
int64_t count_things(struct bench *bench);
void add_thing(struct bench *bench, int64_t id);

void must_begin(struct bench *bench);
void must_commit(struct bench *bench);
bool is_open(const struct bench *bench);

void ck_assert_code(const struct bench *bench, int code, int wanted);
int64_t now_ms(void);

/* Each adds its tests for the store in that row to the suite. */
void add_opening_tests(Suite *suite, int row);
void add_value_tests(Suite *suite, int row);
void add_statement_tests(Suite *suite, int row);
void add_transaction_tests(Suite *suite, int row);
void add_require_tests(Suite *suite, int row);
void add_count_tests(Suite *suite, int row);

/* A test case of the suite with a directory of its own. */
TCase *new_case(Suite *suite, const char *name);
const char *test_directory(void);

#endif
