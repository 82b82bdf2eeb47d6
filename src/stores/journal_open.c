/* Opening a store: its tables, its identity, the user's schema. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect.h"
#include "journal_sql.h"

#define LAYOUT "3"

/* Layout 2 lacked this column. */
#define SUMS "ALTER TABLE saga_outbox ADD sum BIGINT;"

/* Layout 1 lacked these tables. */
#define LEASES \
	"CREATE TABLE saga_instance (id SAGA_ID NOT NULL PRIMARY KEY, until BIGINT NOT NULL);" \
	"CREATE TABLE saga_lease (shard BIGINT NOT NULL PRIMARY KEY, holder SAGA_ID NOT NULL);"

static const char layout[] =
	"CREATE TABLE saga_meta (name SAGA_TEXT(63) PRIMARY KEY, value SAGA_TEXT(255) NOT NULL);"
	"CREATE TABLE saga_stream (shard BIGINT PRIMARY KEY, seq BIGINT NOT NULL, last SAGA_ID NOT "
	"NULL,"
	" own BIGINT NOT NULL, unclean BIGINT NOT NULL, suspect SAGA_ID, suspicions BIGINT NOT "
	"NULL);"
	"CREATE TABLE saga_slot (saga SAGA_ID NOT NULL, step SAGA_TEXT(95) NOT NULL,"
	" subject SAGA_TEXT(255) NOT NULL, state SAGA_TEXT(8) NOT NULL, was SAGA_TEXT(8),"
	" attempts BIGINT NOT NULL, moved BIGINT NOT NULL, why SAGA_TEXT, ran_on SAGA_BYTES,"
	" answer SAGA_BYTES, digest SAGA_BYTES, note SAGA_BYTES, seen SAGA_BYTES,"
	" PRIMARY KEY (saga, step, subject));"
	"CREATE TABLE saga_parked (saga SAGA_ID NOT NULL, id SAGA_ID NOT NULL, shard BIGINT NOT "
	"NULL,"
	" step SAGA_TEXT(95) NOT NULL, subject SAGA_TEXT(255) NOT NULL, role BIGINT NOT NULL,"
	" kind SAGA_TEXT(8) NOT NULL, attempts BIGINT NOT NULL, due BIGINT NOT NULL,"
	" behind SAGA_TEXT(351) NOT NULL, why SAGA_TEXT, event SAGA_BYTES, question SAGA_BYTES,"
	" at BIGINT NOT NULL, command SAGA_TEXT(7), outcome SAGA_TEXT(63), body SAGA_TEXT,"
	" PRIMARY KEY (saga, id));"
	"CREATE INDEX saga_parked_due ON saga_parked (shard, due);"
	"CREATE TABLE saga_outbox (shard BIGINT NOT NULL, seq BIGINT NOT NULL, id SAGA_ID NOT NULL,"
	" saga SAGA_ID NOT NULL, event SAGA_BYTES NOT NULL, at BIGINT NOT NULL, sum BIGINT,"
	" PRIMARY KEY (shard, seq)) SAGA_KEYED;"
	"CREATE TABLE saga_position (stream SAGA_ID NOT NULL, stream_shard BIGINT NOT NULL,"
	" shard BIGINT NOT NULL, owner SAGA_TEXT(31) NOT NULL, seq BIGINT NOT NULL, id SAGA_ID NOT "
	"NULL,"
	" PRIMARY KEY (stream, stream_shard, shard)) SAGA_KEYED;" LEASES;

/* ---- the values of saga_meta ---- */

static int get_meta(
	struct saga__journal *j, const char *name, struct saga__one *one, saga_error *error)
{
	const saga_value values[] = { saga_text(name) };

	return saga__journal_one(
		j, "SELECT value FROM saga_meta WHERE name = ?", values, 1, one, error);
}

static int put_meta(struct saga__journal *j, const char *name, const char *value, saga_error *error)
{
	struct saga__one one;
	int code = get_meta(j, name, &one, error);

	if (code != SAGA_OK)
		return code;
	if (one.found)
		return SAGA__RUN(j, "UPDATE saga_meta SET value = ? WHERE name = ?", error,
			saga_text(value), saga_text(name));
	return SAGA__RUN(j, "INSERT INTO saga_meta (name, value) VALUES (?, ?)", error,
		saga_text(name), saga_text(value));
}

static int run_script(struct saga__journal *j, const char *schema, saga_error *error)
{
	char *text = saga__dialect_schema(j->dialect, schema);
	saga_statement statement = { text, NULL, 0 };
	int code;

	if (!text)
		return saga_error_set(error, SAGA_NOMEM, "out of memory");
	code = j->ops->run(j->store, &statement, 1, NULL, error);
	free(text);
	return code;
}

char *saga__journal_layout(const struct saga__dialect *dialect)
{
	return saga__dialect_schema(dialect, layout);
}

/* The name of the next table of the layout, from *at on; false: there is none. */
static bool next_table(const char **at, char *name, size_t size)
{
	static const char make[] = "CREATE TABLE ";
	const char *found = strstr(*at, make);

	if (!found)
		return false;
	*at = found + sizeof make - 1;
	(void)snprintf(name, size, "%.*s", (int)strcspn(*at, " "), *at);
	return true;
}

/* Whether the tables are there: all of them, or none. Somebody may have made them by hand. */
static int find_tables(struct saga__journal *j, bool *ret_found, saga_error *error)
{
	char name[32], missing[32] = "";
	size_t found = 0;

	for (const char *at = layout; next_table(&at, name, sizeof name);) {
		const saga_value values[] = { saga_text(name) };
		struct saga__one one;
		int code = saga__journal_one(j, j->dialect->has_table, values, 1, &one, error);

		if (code != SAGA_OK)
			return code;
		if (one.number)
			found++;
		else
			memcpy(missing, name, sizeof name);
	}
	if (found && *missing)
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"the store has some of the library's tables, but no %s", missing);
	*ret_found = found > 0;
	return SAGA_OK;
}

static int fill_leases(struct saga__journal *j, unsigned shards, saga_error *error)
{
	const saga_id nobody = { { 0 } };
	int code = SAGA_OK;

	for (unsigned shard = 0; code == SAGA_OK && shard < shards; shard++)
		code = SAGA__RUN(j, "INSERT INTO saga_lease (shard, holder) VALUES (?, ?)", error,
			saga_int64(shard), saga_uuid(nobody));
	return code;
}

/* From layout 1. */
static int add_leases(struct saga__journal *j, saga_error *error)
{
	struct saga__one one;
	unsigned shards;
	int code = get_meta(j, "shards", &one, error);

	if (code != SAGA_OK)
		return code;
	shards = (unsigned)strtoul(one.text, NULL, 10);
	if ((code = run_script(j, LEASES, error)) == SAGA_OK)
		code = fill_leases(j, shards, error);
	return code;
}

/* Brings tables of an older layout up to date. */
static int upgrade(struct saga__journal *j, saga_error *error)
{
	const saga_value meta[] = { saga_text("saga_meta") };
	struct saga__one one;
	int code = saga__journal_one(j, j->dialect->has_table, meta, 1, &one, error);
	bool is_first, is_second;

	if (code != SAGA_OK || !one.number ||
		(code = get_meta(j, "layout", &one, error)) != SAGA_OK)
		return code;
	is_first = strcmp(one.text, "1") == 0;
	is_second = strcmp(one.text, "2") == 0;
	if (is_first)
		code = add_leases(j, error);
	if (code == SAGA_OK && (is_first || is_second))
		code = run_script(j, SUMS, error);
	if (code == SAGA_OK && (is_first || is_second))
		code = put_meta(j, "layout", LAYOUT, error);
	return code;
}

/* Writes the rows that new tables begin with. */
static int fill_tables(
	struct saga__journal *j, const struct saga__journal_options *options, saga_error *error)
{
	char uuid[SAGA_ID_TEXT], number[32];
	struct saga__id_maker maker = { 0 };
	saga_id zero = { { 0 } };
	int code = SAGA_OK;

	for (unsigned shard = 0; code == SAGA_OK && shard < j->shards; shard++)
		code = SAGA__RUN(j,
			"INSERT INTO saga_stream (shard, seq, last, own, unclean, suspicions)"
			" VALUES (?, 0, ?, 0, 0, 0)",
			error, saga_int64(shard), saga_uuid(zero));
	if (code == SAGA_OK)
		code = fill_leases(j, j->shards, error);
	if (code == SAGA_OK)
		code = put_meta(j, "layout", LAYOUT, error);
	if (code == SAGA_OK)
		code = put_meta(j, "participant", options->plan->name, error);
	saga_id_text(saga__id_new(&maker, options->env), uuid);
	if (code == SAGA_OK)
		code = put_meta(j, "uuid", uuid, error);
	(void)snprintf(number, sizeof number, "%u", j->shards);
	if (code == SAGA_OK)
		code = put_meta(j, "shards", number, error);
	(void)snprintf(number, sizeof number, "%lld", (long long)saga__wall(options->env));
	if (code == SAGA_OK)
		code = put_meta(j, "birth", number, error);
	return code;
}

static int check_meta(
	struct saga__journal *j, const struct saga__journal_options *options, saga_error *error)
{
	struct saga__one one;
	int code;

	if ((code = get_meta(j, "layout", &one, error)) != SAGA_OK)
		return code;
	if (strcmp(one.text, LAYOUT) != 0)
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"the store's tables have layout %s, this library knows " LAYOUT, one.text);
	if ((code = get_meta(j, "participant", &one, error)) != SAGA_OK)
		return code;
	if (strcmp(one.text, options->plan->name) != 0)
		return saga_error_set(error, SAGA_TWINS, "the store is %s's, not %s's", one.text,
			options->plan->name);
	if ((code = get_meta(j, "shards", &one, error)) != SAGA_OK)
		return code;
	j->shards = (unsigned)strtoul(one.text, NULL, 10);
	if (!j->shards || j->shards > SAGA__STORE_SHARDS || (j->shards & (j->shards - 1)))
		return saga_error_set(
			error, SAGA_UNSUPPORTED, "the store says it has %s shards", one.text);
	if ((code = get_meta(j, "birth", &one, error)) != SAGA_OK)
		return code;
	j->birth = strtoll(one.text, NULL, 10);
	if ((code = get_meta(j, "uuid", &one, error)) != SAGA_OK)
		return code;
	if (saga_id_parse(one.text, &j->uuid) != SAGA_OK)
		return saga_error_set(error, SAGA_UNSUPPORTED, "the store's uuid can't be read");
	return SAGA_OK;
}

static int run_schema(struct saga__journal *j, const struct saga__plan *plan, saga_error *error)
{
	struct saga__one one;
	char number[32];
	size_t done, i;
	int code = get_meta(j, "schema", &one, error);

	if (code != SAGA_OK || !plan->schema)
		return code;
	done = one.found ? strtoul(one.text, NULL, 10) : 0;
	for (i = 0; plan->schema[i]; i++)
		if (i >= done && (code = run_script(j, plan->schema[i], error)) != SAGA_OK)
			return code;
	if (i < done)
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"%zu scripts of the schema ran in this store, and the program has %zu",
			done, i);
	if (i == done)
		return SAGA_OK;
	(void)snprintf(number, sizeof number, "%zu", i);
	return put_meta(j, "schema", number, error);
}

/* Rows that waited behind the old name are due; they park themselves behind the new one. */
static int rename_row(struct saga__journal *j, const char *from, const char *to, saga_error *error)
{
	int code = SAGA__RUN(j, "UPDATE saga_slot SET step = ? WHERE step = ?", error,
		saga_text(to), saga_text(from));

	if (code == SAGA_OK)
		code = SAGA__RUN(j, "UPDATE saga_parked SET step = ? WHERE step = ?", error,
			saga_text(to), saga_text(from));
	if (code == SAGA_OK)
		code = SAGA__RUN(j,
			"UPDATE saga_parked SET due = ?, kind = 'retry', behind = ''"
			" WHERE kind = 'behind'",
			error, saga_int64(0));
	return code;
}

/* The name that keys at the other side are made of, whatever it is called now. */
static const char *first_name(const saga_step_def *step)
{
	return step->was ? step->was : step->name;
}

/*
 * Refuses a name that the store knows as a later one of another step: keys of calls in flight, and
 * ids of requests, would not be what they were.
 */
static int check_later_name(
	struct saga__journal *j, const saga_step_def *step, const char *name, saga_error *error)
{
	char meta[SAGA__ROW_NAME_MOST];
	struct saga__one one;
	int code;

	(void)snprintf(meta, sizeof meta, "step %s", first_name(step));
	code = saga__journal_one(j,
		"SELECT name FROM saga_meta WHERE value = ? AND name LIKE 'step %' AND name <> ?",
		(const saga_value[]){ saga_text(name), saga_text(meta) }, 2, &one, error);
	if (code != SAGA_OK || !one.found)
		return code;
	return saga_error_set(error, SAGA_UNSUPPORTED,
		"step %s: in this store %s is what was first named %s, which its keys are made "
		"of: "
		"it must say .was = \"%s\" for good",
		step->name, name, one.text + 5, one.text + 5);
}

static int rename_rows(struct saga__journal *j, const struct saga__plan *plan, size_t step,
	const char *from, saga_error *error)
{
	int code = SAGA_OK;

	for (size_t row = 0; code == SAGA_OK && row < plan->row_count; row++) {
		const char *name = plan->rows[row].name;
		char old[SAGA__ROW_NAME_MOST + 1];

		if (plan->rows[row].step != step)
			continue;
		(void)snprintf(
			old, sizeof old, "%.31s%s", from, name + strlen(plan->steps[step].name));
		code = rename_row(j, old, name, error);
	}
	return code;
}

/* The store knows each step's first name and the name of its rows: "step a" is b. */
static int name_step(
	struct saga__journal *j, const struct saga__plan *plan, size_t at, saga_error *error)
{
	const saga_step_def *step = &plan->steps[at];
	char meta[SAGA__ROW_NAME_MOST];
	struct saga__one one;
	int code;

	(void)snprintf(meta, sizeof meta, "step %s", first_name(step));
	if ((code = check_later_name(j, step, step->name, error)) != SAGA_OK ||
		(step->was && (code = check_later_name(j, step, step->was, error)) != SAGA_OK) ||
		(code = get_meta(j, meta, &one, error)) != SAGA_OK)
		return code;
	if (!one.found)
		(void)snprintf(one.text, sizeof one.text, "%s", first_name(step));
	if (strcmp(one.text, step->name) != 0)
		code = rename_rows(j, plan, at, one.text, error);
	else if (one.found)
		return SAGA_OK;
	return code == SAGA_OK ? put_meta(j, meta, step->name, error) : code;
}

static int name_steps(struct saga__journal *j, const struct saga__plan *plan, saga_error *error)
{
	int code = SAGA_OK;

	for (size_t i = 0; code == SAGA_OK && i < plan->step_count; i++)
		code = name_step(j, plan, i, error);
	return code;
}

/* Lets no other transaction make tables until this one ends. */
static int be_alone(struct saga__journal *j, saga_error *error)
{
	struct saga__one one = { .number = 0 };
	int code = j->dialect->alone ? saga__journal_one(j, j->dialect->alone, NULL, 0, &one, error)
				     : SAGA_OK;

	if (code == SAGA_OK && one.number < 0)
		code = saga_error_set(error, SAGA_CONTENDED,
			"another instance makes the store's tables, and takes long");
	return code;
}

static int prepare(
	struct saga__journal *j, const struct saga__journal_options *options, saga_error *error)
{
	struct saga__one one;
	bool found = true;
	int code = be_alone(j, error);

	if (code == SAGA_OK)
		code = upgrade(j, error);
	if (code == SAGA_OK)
		code = find_tables(j, &found, error);
	if (code == SAGA_OK && !found && *j->encoding)
		code = saga_error_set(error, SAGA_UNSUPPORTED,
			"the store's database has the encoding %s, which can't hold all of "
			"Unicode: make it anew, with ENCODING 'UTF8'",
			j->encoding);
	if (code == SAGA_OK && !found)
		code = run_script(j, layout, error);
	if (code == SAGA_OK)
		code = get_meta(j, "layout", &one, error);
	if (code == SAGA_OK && !one.found)
		code = fill_tables(j, options, error);
	if (code == SAGA_OK)
		code = check_meta(j, options, error);
	if (code == SAGA_OK)
		code = saga__journal_look_at_clock(j, error);
	if (code == SAGA_OK)
		code = saga__journal_declare(j, options->plan, error);
	if (code == SAGA_OK)
		code = run_schema(j, options->plan, error);
	if (code == SAGA_OK)
		code = name_steps(j, options->plan, error);
	return code;
}

/* Whether the answer is 0; there may be no question. */
static int is_denied(
	struct saga__journal *j, const char *question, bool *ret_denied, saga_error *error)
{
	struct saga__one one;
	int code = question ? saga__journal_one(j, question, NULL, 0, &one, error) : SAGA_OK;

	if (code == SAGA_OK)
		*ret_denied = question && one.found && !one.is_null && !one.number;
	return code;
}

static int read_encoding(struct saga__journal *j, saga_error *error)
{
	struct saga__one one = { .found = false };
	int code = j->dialect->encoding
		? saga__journal_one(j, j->dialect->encoding, NULL, 0, &one, error)
		: SAGA_OK;

	if (code == SAGA_OK)
		(void)snprintf(j->encoding, sizeof j->encoding, "%.31s", one.text);
	return code;
}

static int try_tables(
	struct saga__journal *j, const struct saga__journal_options *options, saga_error *error)
{
	int code = j->ops->begin(j->store, error);

	if (code != SAGA_OK)
		return code;
	if ((code = prepare(j, options, error)) == SAGA_OK)
		code = j->ops->commit(j->store, error);
	if (code != SAGA_OK && j->ops->in_transaction(j->store))
		j->ops->rollback(j->store);
	return code;
}

/*
 * An instance that waited while another made the tables may see them only in its next transaction,
 * if the URL asks for more than READ COMMITTED.
 */
static int open_tables(
	struct saga__journal *j, const struct saga__journal_options *options, saga_error *error)
{
	int code = try_tables(j, options, error);

	return code == SAGA_REFUSED ? try_tables(j, options, error) : code;
}

void saga__journal_close(struct saga__journal *j)
{
	if (j->store)
		j->ops->close(j->store);
	j->store = NULL;
}

int saga__journal_open(struct saga__journal *j, const saga_store_ops *ops,
	const struct saga__journal_options *options, saga_error *error)
{
	const saga_store_options store = { options->url, options->timeout_ms, options->context };
	/* On a new connection store time goes on as it was. */
	const struct saga__clock clock = j->clock;
	int code;

	memset(j, 0, sizeof *j);
	j->clock = clock;
	j->ops = ops;
	j->env = options->env;
	j->name = options->plan->name;
	j->set_aside = options->set_aside;
	j->user = options->user;
	j->dialect = saga__dialect_of(ops->dialect);
	j->shards = ops->writers == 1 ? 1 : 8;
	if (!j->dialect)
		return saga_error_set(error, SAGA_UNSUPPORTED,
			"this build does not know dialect %d", (int)ops->dialect);
	j->sets = ops->traits & SAGA_STORE_SETS ? j->dialect->sets : NULL;
	if ((code = ops->open(&store, &j->store, error)) != SAGA_OK) {
		j->store = NULL;
		if (error)
			saga_redact(options->url, error->text, sizeof error->text);
		return code;
	}
	code = is_denied(j, j->dialect->durable, &j->lowered, error);
	if (code == SAGA_OK)
		code = is_denied(j, j->dialect->waiting, &j->reads_wait, error);
	if (code == SAGA_OK)
		code = is_denied(j, j->dialect->sound, &j->unsound, error);
	if (code == SAGA_OK)
		code = read_encoding(j, error);
	if (code == SAGA_OK)
		code = open_tables(j, options, error);
	if (code != SAGA_OK)
		saga__journal_close(j);
	return code;
}
