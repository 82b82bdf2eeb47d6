/* Streams that have stopped, and orders for them. */

#include "journal_halts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal_sql.h"

static const char halted[] = "stream ";
static const char ordered[] = "stream! ";
static const char resumed[] = "resumed ";

/* ---- texts ---- */

const char *saga__halt_name(
	const struct saga__stream *stream, bool order, char name[SAGA__HALT_NAME])
{
	char id[SAGA_ID_TEXT];

	(void)snprintf(name, SAGA__HALT_NAME, "%s%s/%" PRIu32, order ? ordered : halted,
		saga_id_text(stream->store, id), stream->shard);
	return name;
}

/* By saga__halt_why; without blanks. */
static const char *const why_words[] = { "", "gone", "forked", "lost", "remade", "set-back",
	"refused" };

const char *saga__halt_why_name(enum saga__halt_why why)
{
	return why_words[why];
}

const char *saga__halt_text(const struct saga__halt *halt, char text[SAGA__HALT_TEXT])
{
	(void)snprintf(text, SAGA__HALT_TEXT,
		"%s %s upto=%" PRIu64 " first=%" PRIu64 " at=%" PRId64, why_words[halt->why],
		halt->source.owner, halt->upto, halt->first, halt->at);
	return text;
}

const char *saga__order_text(const struct saga__halt *halt, char text[SAGA__HALT_TEXT])
{
	if (halt->order == SAGA__ORDER_SKIP)
		(void)snprintf(text, SAGA__HALT_TEXT, "skip to=%" PRIu64, halt->to);
	else
		(void)snprintf(text, SAGA__HALT_TEXT, "%s",
			halt->order == SAGA__ORDER_REPUBLISH ? "republish" : "accept");
	return text;
}

/* Takes `word` off the beginning. */
static bool take(const char **at, const char *word)
{
	size_t size = strlen(word);

	if (strncmp(*at, word, size) != 0)
		return false;
	*at += size;
	return true;
}

static bool take_number(const char **at, const char *word, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (!take(at, word) || **at < '0' || **at > '9')
		return false;
	number = strtoull(*at, &end, 10);
	if (number > SAGA__SEQ_MOST)
		return false;
	*ret_number = number;
	*at = end;
	return true;
}

static bool take_owner(const char **at, struct saga__source *source)
{
	size_t size = strcspn(*at, " ");

	if (!size || size >= sizeof source->owner)
		return false;
	memcpy(source->owner, *at, size);
	source->owner[size] = '\0';
	*at += size;
	return true;
}

static bool read_stream(const char *at, struct saga__stream *ret_stream)
{
	char id[SAGA_ID_TEXT] = "";
	uint64_t shard;

	if (strlen(at) < sizeof id)
		return false;
	memcpy(id, at, sizeof id - 1);
	at += sizeof id - 1;
	if (saga_id_parse(id, &ret_stream->store) != SAGA_OK || !take_number(&at, "/", &shard) ||
		*at || shard >= SAGA__SHARDS_MOST)
		return false;
	ret_stream->shard = (uint32_t)shard;
	return true;
}

static bool read_halt(const char *at, struct saga__halt *halt)
{
	uint64_t when;

	halt->why = SAGA__HALT_NONE;
	for (size_t i = 1; i < sizeof why_words / sizeof why_words[0]; i++)
		if (strncmp(at, why_words[i], strlen(why_words[i])) == 0 &&
			at[strlen(why_words[i])] == ' ')
			halt->why = (int)i;
	if (halt->why == SAGA__HALT_NONE)
		return false;
	at += strlen(why_words[halt->why]) + 1;
	if (!take_owner(&at, &halt->source) || !take_number(&at, " upto=", &halt->upto) ||
		!take_number(&at, " first=", &halt->first) || !take_number(&at, " at=", &when))
		return false;
	halt->at = (int64_t)when;
	return !*at;
}

static bool read_order(const char *at, struct saga__halt *halt)
{
	if (strcmp(at, "accept") == 0)
		halt->order = SAGA__ORDER_ACCEPT;
	else if (strcmp(at, "republish") == 0)
		halt->order = SAGA__ORDER_REPUBLISH;
	else if (take_number(&at, "skip to=", &halt->to) && halt->to && !*at)
		halt->order = SAGA__ORDER_SKIP;
	else
		return false;
	return true;
}

bool saga__halt_read(const char *name, const char *text, struct saga__halt *halt)
{
	struct saga__halt read = *halt;
	bool is_order = take(&name, ordered);

	if ((!is_order && !take(&name, halted)) || !read_stream(name, &read.source.stream))
		return false;
	if (!(is_order ? read_order : read_halt)(text, &read))
		return false;
	*halt = read;
	return true;
}

static bool take_column(const saga_value *column, char *text, size_t size)
{
	if (column->kind != SAGA_VALUE_TEXT)
		return false;
	(void)snprintf(
		text, size, "%.*s", (int)column->as.bytes.size, (const char *)column->as.bytes.at);
	return true;
}

/* ---- orders that were carried out ---- */

static const char *resumed_name(const struct saga__stream *stream, char name[SAGA__HALT_NAME])
{
	char id[SAGA_ID_TEXT];

	(void)snprintf(name, SAGA__HALT_NAME, "%s%s/%" PRIu32, resumed,
		saga_id_text(stream->store, id), stream->shard);
	return name;
}

/* 0: it is none of ours. */
static uint64_t read_order_number(const char *at)
{
	uint64_t number;

	return take_number(&at, "", &number) && !*at ? number : 0;
}

static int take_highest(void *context, size_t i, const char *const *names,
	const saga_value *columns, size_t column_count)
{
	char text[SAGA__HALT_TEXT];
	uint64_t *highest = context, number;

	(void)i, (void)names, (void)column_count;
	if (take_column(&columns[0], text, sizeof text) &&
		(number = read_order_number(text)) > *highest)
		*highest = number;
	return SAGA_OK;
}

int saga__journal_orders(struct saga__journal *j, uint64_t *ret_orders, saga_error *error)
{
	const saga_statement statement = {
		"SELECT value FROM saga_meta WHERE name LIKE 'resumed %'", NULL, 0
	};
	uint64_t highest = 0;
	saga_sink sink = { take_highest, NULL, &highest };
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	if (code == SAGA_OK)
		*ret_orders = highest;
	return code;
}

/* Whether an order was carried out for that stream which is not among those that were known. */
static int has_gone_on(struct saga__journal *j, const struct saga__stream *stream, uint64_t known,
	bool *ret_gone_on, saga_error *error)
{
	char name[SAGA__HALT_NAME];
	const saga_value values[] = { saga_text(resumed_name(stream, name)) };
	struct saga__one one = { .found = false };
	int code = saga__journal_one(
		j, "SELECT value FROM saga_meta WHERE name = ?", values, 1, &one, error);

	if (code == SAGA_OK)
		*ret_gone_on = one.found && read_order_number(one.text) > known;
	return code;
}

/* ---- the store ---- */

/* One at a time, of all instances: what one of them reads then is so until it commits. */
static int begin_alone(struct saga__journal *j, saga_error *error)
{
	int code = j->ops->begin(j->store, error);

	return code != SAGA_OK ? code
			       : SAGA__RUN(j, "UPDATE saga_meta SET value = value WHERE name = ?",
					 error, saga_text("uuid"));
}

static int end_alone(struct saga__journal *j, int code, saga_error *error)
{
	if (code == SAGA_OK)
		code = j->ops->commit(j->store, error);
	if (code != SAGA_OK && code != SAGA_UNKNOWN && j->ops->in_transaction(j->store))
		j->ops->rollback(j->store);
	return code;
}

static int put(struct saga__journal *j, const char *name, const char *text, saga_error *error)
{
	int64_t changed = 0;
	int code = saga__journal_change(j, "UPDATE saga_meta SET value = ? WHERE name = ?",
		(const saga_value[]){ saga_text(text), saga_text(name) }, 2, &changed, error);

	if (code != SAGA_OK || changed)
		return code;
	return SAGA__RUN(j, "INSERT INTO saga_meta (name, value) VALUES (?, ?)", error,
		saga_text(name), saga_text(text));
}

int saga__journal_halt(
	struct saga__journal *j, const struct saga__halt *halt, bool *ret_void, saga_error *error)
{
	const struct saga__stream *stream = &halt->source.stream;
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];
	bool is_void = false;
	int code = begin_alone(j, error);

	if (code == SAGA_OK)
		code = has_gone_on(j, stream, halt->known, &is_void, error);
	if (code == SAGA_OK && !is_void)
		code = put(j, saga__halt_name(stream, false, name), saga__halt_text(halt, text),
			error);
	code = end_alone(j, code, error);
	if (code == SAGA_OK)
		*ret_void = is_void;
	return code;
}

int saga__journal_unhalt(
	struct saga__journal *j, const struct saga__stream *stream, saga_error *error)
{
	char name[SAGA__HALT_NAME] = "stream %";

	if (stream)
		(void)saga__halt_name(stream, false, name);
	return SAGA__RUN(j, "DELETE FROM saga_meta WHERE name LIKE ? AND value LIKE 'refused %'",
		error, saga_text(name));
}

static int resume(struct saga__journal *j, const struct saga__stream *stream, saga_error *error)
{
	char name[SAGA__HALT_NAME], order[SAGA__HALT_NAME], number[24];
	uint64_t orders = 0;
	int code = saga__journal_orders(j, &orders, error);

	if (code != SAGA_OK)
		return code;
	(void)snprintf(number, sizeof number, "%" PRIu64, orders + 1);
	if ((code = put(j, resumed_name(stream, name), number, error)) != SAGA_OK)
		return code;
	return SAGA__RUN(j, "DELETE FROM saga_meta WHERE name = ? OR name = ?", error,
		saga_text(saga__halt_name(stream, false, name)),
		saga_text(saga__halt_name(stream, true, order)));
}

int saga__journal_resume(struct saga__journal *j, const struct saga__halt *halt, saga_error *error)
{
	const struct saga__stream *stream = &halt->source.stream;
	bool is_done = false;
	int code = begin_alone(j, error);

	if (code == SAGA_OK)
		code = has_gone_on(j, stream, halt->known, &is_done, error);
	if (code == SAGA_OK && !is_done)
		code = resume(j, stream, error);
	return end_alone(j, code, error);
}

struct taking {
	struct saga__halt *halts;
	size_t count, most;
};

static struct saga__halt *halt_of(struct taking *taking, const struct saga__stream *stream)
{
	size_t i = 0;

	while (i < taking->count && !saga__stream_same(&taking->halts[i].source.stream, stream))
		i++;
	if (i == taking->most)
		return NULL;
	if (i == taking->count)
		taking->halts[taking->count++] = (struct saga__halt){ .why = SAGA__HALT_NONE };
	return &taking->halts[i];
}

static int take_row(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];
	struct taking *taking = context;
	struct saga__halt read = { .why = SAGA__HALT_NONE }, *halt;

	(void)i, (void)names, (void)column_count;
	if (!take_column(&columns[0], name, sizeof name) ||
		!take_column(&columns[1], text, sizeof text))
		return SAGA_OK;
	/* An unreadable row is not ours; one without room is found when others have gone. */
	if (saga__halt_read(name, text, &read) && (halt = halt_of(taking, &read.source.stream)))
		(void)saga__halt_read(name, text, halt);
	return SAGA_OK;
}

int saga__journal_halts(struct saga__journal *j, struct saga__halt *halts, size_t most,
	size_t *ret_count, saga_error *error)
{
	const saga_statement statement = {
		"SELECT name, value FROM saga_meta WHERE name LIKE 'stream%'", NULL, 0
	};
	struct taking taking = { halts, 0, most };
	saga_sink sink = { take_row, NULL, &taking };
	uint64_t orders = 0;
	int code = saga__journal_orders(j, &orders, error); /* first: who knows less only waits */

	if (code == SAGA_OK)
		code = j->ops->run(j->store, &statement, 1, &sink, error);
	if (code != SAGA_OK)
		return code;
	for (size_t i = 0; i < taking.count; i++)
		halts[i].known = orders;
	*ret_count = taking.count;
	return SAGA_OK;
}

struct moving {
	const struct saga__move *moves;
	size_t count;
	bool is_void;
};

static int take_order(void *context, size_t i, const char *const *names, const saga_value *columns,
	size_t column_count)
{
	char name[SAGA__HALT_NAME], text[SAGA__HALT_TEXT];
	struct saga__halt order = { .why = SAGA__HALT_NONE };
	struct saga__stream *stream = &order.source.stream;
	struct moving *moving = context;
	uint64_t number = UINT64_MAX;
	const char *at = name;

	(void)i, (void)names, (void)column_count;
	if (!take_column(&columns[0], name, sizeof name) ||
		!take_column(&columns[1], text, sizeof text))
		return SAGA_OK;
	if (take(&at, resumed) && read_stream(at, stream))
		number = read_order_number(text);
	else if (!saga__halt_read(name, text, &order))
		return SAGA_OK;
	for (size_t k = 0; k < moving->count; k++)
		if (saga__stream_same(&moving->moves[k].source.stream, stream) &&
			number > moving->moves[k].known)
			moving->is_void = true;
	return SAGA_OK;
}

int saga__journal_moves(struct saga__journal *j, const struct saga__move *moves, size_t count,
	bool *ret_void, saga_error *error)
{
	const saga_statement statement = { "SELECT name, value FROM saga_meta"
					   " WHERE name LIKE 'stream! %' OR name LIKE 'resumed %'",
		NULL, 0 };
	struct moving moving = { moves, count, false };
	saga_sink sink = { take_order, NULL, &moving };
	int code = j->ops->run(j->store, &statement, 1, &sink, error);

	if (code == SAGA_OK)
		*ret_void = moving.is_void;
	return code;
}

int saga__journal_reset(struct saga__journal *j, const struct saga__move *move, saga_error *error)
{
	const struct saga__source *source = &move->source;
	const saga_value key[] = { saga_uuid(source->stream.store),
		saga_int64(source->stream.shard), saga_int64(move->shard) };
	bool is_done = false;
	int code = has_gone_on(j, &source->stream, move->known, &is_done, error);

	if (code != SAGA_OK || is_done)
		return code;
	code = SAGA__RUN(j,
		"DELETE FROM saga_position WHERE stream = ? AND stream_shard = ? AND shard = ?",
		error, key[0], key[1], key[2]);
	if (code != SAGA_OK || !move->seq)
		return code;
	return SAGA__RUN(j,
		"INSERT INTO saga_position (stream, stream_shard, shard, seq, id, owner)"
		" VALUES (?, ?, ?, ?, ?, ?)",
		error, key[0], key[1], key[2], saga_int64((int64_t)move->seq), saga_uuid(move->id),
		saga_text(source->owner));
}
