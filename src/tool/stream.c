/*
 * saga stream list, skip, accept: streams of others that have stopped. An order is only written
 * down, in one transaction; the participant carries it out.
 */

#include "look.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../stores/journal_halts.h"

#define WHEN \
	"its participant finds it within a third of its lease (5 s) if it runs, else when it " \
	"starts"

enum {
	NAME_LEAST = 8 /* characters of a stream's name */
};

struct known {
	struct saga__halt halt;
	char name[SAGA__HALT_NAME]; /* UUID/SHARD */
	bool chosen;
};

struct streams {
	struct store *store;
	const struct arguments *arguments;
	int order; /* what is ordered; NONE: they are only listed */
	struct known *at;
	size_t count, room, chosen;
};

/* ---- what the store has ---- */

static struct known *known_of(struct streams *streams, const struct saga__stream *stream)
{
	struct known *known;
	char id[SAGA_ID_TEXT];

	for (size_t i = 0; i < streams->count; i++)
		if (saga__stream_same(&streams->at[i].halt.source.stream, stream))
			return &streams->at[i];
	if (streams->count == streams->room) {
		size_t room = streams->room ? 2 * streams->room : 16;
		struct known *more = realloc(streams->at, room * sizeof *more);

		if (!more)
			return NULL;
		streams->at = more;
		streams->room = room;
	}
	known = &streams->at[streams->count++];
	*known = (struct known){ .halt = { .source = { .stream = *stream } } };
	(void)snprintf(known->name, sizeof known->name, "%s/%" PRIu32,
		saga_id_text(stream->store, id), stream->shard);
	return known;
}

static void copy_text(char *to, size_t size, const saga_value *column)
{
	bool is_text = column->kind == SAGA_VALUE_TEXT;

	(void)snprintf(to, size, "%.*s", is_text ? (int)column->as.bytes.size : 0,
		is_text ? (const char *)column->as.bytes.at : "");
}

static int take_halt(void *context, const saga_value *columns)
{
	struct saga__halt read = { .why = SAGA__HALT_NONE };
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];
	struct known *known;

	copy_text(name, sizeof name, &columns[0]);
	copy_text(text, sizeof text, &columns[1]);
	if (!saga__halt_read(name, text, &read))
		return SAGA_OK;
	if (!(known = known_of(context, &read.source.stream)))
		return SAGA_NOMEM;
	(void)saga__halt_read(name, text, &known->halt);
	return SAGA_OK;
}

static int take_position(void *context, const saga_value *columns)
{
	const struct saga__stream stream = { column_id(&columns[0]),
		(uint32_t)column_number(&columns[1]) };
	struct known *known = known_of(context, &stream);

	if (!known)
		return SAGA_NOMEM;
	copy_text(known->halt.source.owner, sizeof known->halt.source.owner, &columns[2]);
	return SAGA_OK;
}

static int read_streams(struct streams *streams, saga_error *error)
{
	int code;

	streams->count = streams->chosen = 0;
	code = store_run(streams->store,
		"SELECT stream, stream_shard, owner FROM saga_position"
		" GROUP BY stream, stream_shard, owner ORDER BY owner, stream_shard",
		NULL, 0, take_position, streams, NULL, error);
	if (code == SAGA_OK)
		code = store_run(streams->store,
			"SELECT name, value FROM saga_meta WHERE name LIKE 'stream%'", NULL, 0,
			take_halt, streams, NULL, error);
	return code;
}

/* ---- list ---- */

static const char *state_of(const struct saga__halt *halt)
{
	return halt->why ? saga__halt_why_name((enum saga__halt_why)halt->why) : "followed";
}

static const char *order_of(const struct saga__halt *halt, char text[SAGA__HALT_TEXT])
{
	if (halt->order == SAGA__ORDER_NONE)
		return "";
	if (halt->order == SAGA__ORDER_ACCEPT)
		return "to be accepted";
	if (halt->order == SAGA__ORDER_REPUBLISH)
		return "to be published again";
	(void)snprintf(text, SAGA__HALT_TEXT, "to be skipped to %" PRIu64, halt->to);
	return text;
}

static void put_json(const struct known *known)
{
	const struct saga__halt *halt = &known->halt;
	struct saga__json json;

	json = json_begin(stdout);
	json_text(&json, "stream", known->name);
	json_text(&json, "owner", halt->source.owner);
	json_text(&json, "state", state_of(halt));
	json_number(&json, "delivered", (int64_t)halt->upto);
	json_number(&json, "first", (int64_t)halt->first);
	json_time(&json, "since", halt->why ? halt->at : SAGA__NEVER);
	json_text(&json, "order",
		halt->order == SAGA__ORDER_SKIP                ? "skip"
			: halt->order == SAGA__ORDER_ACCEPT    ? "accept"
			: halt->order == SAGA__ORDER_REPUBLISH ? "republish"
							       : "");
	json_end(&json);
}

static void add_stream(struct table *table, const struct known *known, int64_t now)
{
	const struct saga__halt *halt = &known->halt;
	char text[SAGA__HALT_TEXT], age[TIME_TEXT] = "";

	if (halt->why)
		(void)time_relative(halt->at, now, age);
	table_add(table, "%s", known->name);
	table_add(table, "%s", halt->source.owner);
	table_add(table, "%s", state_of(halt));
	table_add(table, "%" PRIu64, halt->upto);
	if (halt->why == SAGA__HALT_GONE)
		table_add(table, "%" PRIu64 " to %" PRIu64, halt->upto + 1, halt->first - 1);
	else
		table_add(table, "%s", "");
	table_add(table, "%s", age);
	table_add(table, "%s", order_of(halt, text));
}

static bool is_shown(const struct known *known)
{
	return known->halt.why != SAGA__HALT_NONE || known->halt.order != SAGA__ORDER_NONE;
}

static int show_streams(const struct streams *streams, int64_t now)
{
	static const char *const columns[] = { "STREAM", "OWNER", "STATE", "DELIVERED", "GONE",
		"AGE", "ORDER", NULL };
	struct table table;
	size_t shown = 0;
	bool printed;

	table_init(&table, columns);
	for (size_t i = 0; i < streams->count; i++) {
		if (!is_shown(&streams->at[i]))
			continue;
		shown++;
		if (streams->arguments->json)
			put_json(&streams->at[i]);
		else
			add_stream(&table, &streams->at[i], now);
	}
	if (!shown && !streams->arguments->json)
		printf("`%s`: no stream has stopped; %zu are followed\n",
			streams->store->participant, streams->count);
	printed = streams->arguments->json || !shown || table_print(&table, stdout);
	table_free(&table);
	return printed ? EXIT_DONE : fail("out of memory");
}

/* ---- orders ---- */

static int is_no(const struct known *known, const char *what, saga_error *error)
{
	return saga_error_set(error, SAGA_MISUSE, "stream %s of %s: %s", known->name,
		known->halt.source.owner, what);
}

static int choose_one(struct streams *streams, const char *text, saga_error *error)
{
	struct known *found = NULL;

	for (size_t i = 0; i < streams->count; i++) {
		struct known *known = &streams->at[i];

		if (strncmp(known->name, text, strlen(text)) != 0)
			continue;
		if (found)
			return saga_error_set(error, SAGA_MISUSE,
				"`%s` is the beginning of several streams, write more of it: %s, "
				"%s",
				text, found->name, known->name);
		found = known;
	}
	if (!found)
		return saga_error_set(
			error, SAGA_MISUSE, "`%s`: no such stream is followed here", text);
	if (found->halt.why == SAGA__HALT_REFUSED)
		return is_no(found,
			"the store refuses even its next event's dead letter: mend the store, the "
			"stream goes on by itself",
			error);
	if (streams->order == SAGA__ORDER_SKIP && found->halt.why == SAGA__HALT_FORKED)
		return is_no(found, "nothing is gone, it has forked: accept that", error);
	if (streams->order == SAGA__ORDER_SKIP && found->halt.why != SAGA__HALT_GONE)
		return is_no(found, "it has not stopped, there is nothing to skip", error);
	if (streams->order == SAGA__ORDER_ACCEPT && found->halt.why == SAGA__HALT_GONE)
		return is_no(found, "it has not forked, events are gone: skip them", error);
	found->chosen = true;
	return SAGA_OK;
}

/* The store's own streams, one a shard. */
static int choose_own(struct streams *streams, saga_error *error)
{
	struct saga__stream stream;

	if (saga_id_parse(streams->store->uuid, &stream.store) != SAGA_OK)
		return saga_error_set(error, SAGA_REFUSED, "the store's uuid can't be read");
	for (stream.shard = 0; stream.shard < streams->store->shards; stream.shard++) {
		struct known *known = known_of(streams, &stream);

		if (!known)
			return saga_error_set(error, SAGA_NOMEM, "out of memory");
		(void)snprintf(known->halt.source.owner, sizeof known->halt.source.owner, "%.*s",
			SAGA__PARTICIPANT_MOST, streams->store->participant);
		known->chosen = true;
	}
	return SAGA_OK;
}

static int choose(struct streams *streams, saga_error *error)
{
	bool skips = streams->order == SAGA__ORDER_SKIP;
	int code = SAGA_OK;

	if (streams->order == SAGA__ORDER_REPUBLISH)
		return choose_own(streams, error);
	for (size_t i = 0; streams->arguments->all && i < streams->count; i++)
		streams->at[i].chosen = streams->at[i].halt.why &&
			streams->at[i].halt.why != SAGA__HALT_REFUSED &&
			(streams->at[i].halt.why == SAGA__HALT_GONE) == skips;
	for (int i = 0; code == SAGA_OK && i < streams->arguments->word_count; i++)
		code = choose_one(streams, streams->arguments->words[i], error);
	return code;
}

static int write_order(struct streams *streams, struct known *known, saga_error *error)
{
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];
	int code;

	known->halt.order = streams->order;
	known->halt.to = streams->order == SAGA__ORDER_SKIP ? known->halt.first - 1 : 0;
	(void)saga__halt_name(&known->halt.source.stream, true, name);
	(void)saga__order_text(&known->halt, text);
	code = store_run(streams->store, "DELETE FROM saga_meta WHERE name = ?",
		STORE_VALUES(saga_text(name)), NULL, NULL, NULL, error);
	if (code != SAGA_OK)
		return code;
	return store_run(streams->store, "INSERT INTO saga_meta (name, value) VALUES (?, ?)",
		STORE_VALUES(saga_text(name), saga_text(text)), NULL, NULL, NULL, error);
}

static int do_order(void *context, saga_error *error)
{
	struct streams *streams = context;
	int code = read_streams(streams, error);

	if (code == SAGA_OK)
		code = choose(streams, error);
	for (size_t i = 0; code == SAGA_OK && i < streams->count; i++)
		if (streams->at[i].chosen) {
			streams->chosen++;
			code = write_order(streams, &streams->at[i], error);
		}
	return code;
}

static void tell_order(const struct streams *streams)
{
	for (size_t i = 0; i < streams->count; i++) {
		const struct known *known = &streams->at[i];
		const struct saga__halt *halt = &known->halt;

		if (!known->chosen)
			continue;
		if (halt->order == SAGA__ORDER_REPUBLISH)
			printf("%s: all that the outbox holds is to be published again\n",
				known->name);
		else if (saga__source_is_broker(&halt->source))
			printf("%s of the broker: that it is %s is known\n", known->name,
				state_of(halt));
		else if (halt->order == SAGA__ORDER_SKIP)
			printf("%s of %s is to be skipped to %" PRIu64 ": events %" PRIu64
			       " to %" PRIu64 " are lost here\n",
				known->name, halt->source.owner, halt->to, halt->upto + 1,
				halt->to);
		else
			printf("%s of %s is to be read again from its oldest event\n", known->name,
				halt->source.owner);
	}
	puts(streams->chosen ? WHEN : "no stream has stopped so");
}

/* ---- the commands ---- */

static int with_streams(const struct arguments *arguments, int order)
{
	struct streams streams = { .arguments = arguments, .order = order };
	saga_error error = { .code = SAGA_OK };
	struct store store;
	int64_t now;
	int code = look_open(arguments, &store, &now), failed;

	if (code != EXIT_DONE)
		return code;
	streams.store = &store;
	failed = order ? store_change(&store, do_order, &streams, &error)
		       : read_streams(&streams, &error);
	if (failed)
		code = store_failed(&error);
	else if (order)
		tell_order(&streams);
	else
		code = show_streams(&streams, now);
	free(streams.at);
	store_close(&store);
	return look_end(code);
}

int stream_list(const struct arguments *arguments)
{
	return with_streams(arguments, SAGA__ORDER_NONE);
}

static bool are_names(const struct arguments *arguments)
{
	for (int i = 0; i < arguments->word_count; i++)
		if (strlen(arguments->words[i]) < NAME_LEAST) {
			(void)fail("STREAM `%s`: not UUID/SHARD, nor its first %d characters "
				   "or more",
				arguments->words[i], NAME_LEAST);
			return false;
		}
	return true;
}

int stream_skip(const struct arguments *arguments)
{
	return are_names(arguments) ? with_streams(arguments, SAGA__ORDER_SKIP) : EXIT_WRONG_USE;
}

int stream_accept(const struct arguments *arguments)
{
	return are_names(arguments) ? with_streams(arguments, SAGA__ORDER_ACCEPT) : EXIT_WRONG_USE;
}

int stream_republish(const struct arguments *arguments)
{
	return with_streams(arguments, SAGA__ORDER_REPUBLISH);
}
