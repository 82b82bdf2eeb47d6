/*
 * A participant's rows as somebody else has left them: of each kind (slot, parked, outbox,
 * position, stream, meta), any value in any column. It opens, goes on or says why not, and ends
 * when it is asked to.
 */
#include "target.h"

#include <sqlite3.h>
#include <unistd.h>

#include "delivery/frame.h"
#include "event/envelope.h"

enum {
	CHANGES_MOST = 6,
	TURNS = 40,
	VALUE_MOST = 600,
	FILE_MOST = 4 << 20
};

static const saga_transport_ops ops = { .size = sizeof(saga_transport_ops),
	.schemes = "hand",
	.open = hand_open,
	.send = hand_send,
	.close = hand_close };

static char directory[] = "/tmp/saga-fuzz-XXXXXX", path[64], url[128];
static unsigned char *whole; /* the file, as it was before anybody else wrote */
static size_t whole_size;
static bool stopped;

static void on_stopped(void *user, saga_participant *p, const saga_error *why)
{
	(void)user;
	(void)p;
	HOLDS(why->code == SAGA_OK || *why->text);
	stopped = true;
}

static int open_target(saga_participant **ret_p, saga_error *error)
{
	stopped = false;
	return saga_open(&def,
		SAGA_OPTIONS(.store = url, .transport = "hand:", .transport_ops = &ops,
			.start = SAGA_FROM_OLDEST, .stopped = on_stopped,
			.log = getenv("FUZZ_LOG") ? saga_log_stderr : NULL),
		ret_p, error);
}

static void tell(const saga_type *type, unsigned saga, uint64_t seq, int64_t n)
{
	static unsigned char bytes[8192];
	struct saga__message message = { .kind = SAGA__EVENT, .from = "other", .last = seq };
	struct saga_event event = { .source = "other", .subject = "s", .time = wall_ms() };
	struct go body = { .n = n };
	saga_frame frame = { .topic = "events" };
	struct saga__buffer buffer;

	saga__buffer_init(&buffer, sizeof bytes / 2);
	message.stream.store.bytes[0] = 1;
	event.id.bytes[0] = (uint8_t)seq;
	event.saga.bytes[0] = (uint8_t)(1 + saga);
	HOLDS(saga__event_encode(&buffer, &event, type, &body, NULL, NULL) == SAGA_OK);
	message.event = (saga_bytes){ buffer.at, buffer.size };
	frame.bytes = (saga_bytes){ bytes, saga__frame_encode(&message, bytes, sizeof bytes) };
	if (port)
		(void)saga_port_receive(port, &frame, 1);
	saga__buffer_free(&buffer);
}

static bool is_open(saga_participant *p)
{
	saga_health health = { .size = sizeof health };

	saga_health_of(p, &health);
	return stopped || (port && health.shards >= 1);
}

static bool never(saga_participant *p)
{
	(void)p;
	return stopped;
}

static void finish(saga_participant *p)
{
	if (!stopped)
		saga_stop(p);
	for (int i = 0; i < 20000 && !stopped; i++) {
		saga_turn(p);
		if (i > 20)
			uv_sleep(1);
	}
	HOLDS(stopped);
	saga_close(p);
}

static sqlite3 *open_file(void)
{
	sqlite3 *db;

	HOLDS(sqlite3_open(path, &db) == SQLITE_OK);
	return db;
}

/* A saga for each way in which a run can end. */
static void make_whole(void)
{
	saga_participant *p;
	saga_error error;
	sqlite3 *db;
	FILE *file;

	HOLDS(mkdtemp(directory));
	(void)snprintf(path, sizeof path, "%s/db", directory);
	(void)snprintf(url, sizeof url, "sqlite:%s?synchronous=off", path);
	HOLDS(open_target(&p, &error) == SAGA_OK);
	HOLDS(turn_until(p, is_open, 3000) && !stopped);
	for (unsigned i = 0; i < 8; i++)
		tell(&go, i, i + 1, i);
	tell(&back, 1, 9, 1);
	tell(&stop, 8, 10, 1);
	(void)turn_until(p, never, 200);
	finish(p);
	db = open_file();
	HOLDS(sqlite3_exec(db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	HOLDS((file = fopen(path, "rb")) && (whole = malloc(FILE_MOST)));
	whole_size = fread(whole, 1, FILE_MOST, file);
	HOLDS(whole_size && whole_size < FILE_MOST);
	fclose(file);
}

static void remove_beside(const char *end)
{
	char beside[80];

	(void)snprintf(beside, sizeof beside, "%s%s", path, end);
	(void)remove(beside);
}

static void remove_all(void)
{
	remove_beside("-wal");
	remove_beside("-shm");
	remove_beside("");
	(void)rmdir(directory);
	free(whole);
}

static void write_whole(void)
{
	FILE *file = fopen(path, "wb");

	HOLDS(file && fwrite(whole, 1, whole_size, file) == whole_size);
	fclose(file);
	remove_beside("-wal");
	remove_beside("-shm");
}

/* ---- what somebody else writes ---- */

static const struct {
	const char *table, *columns[18];
} tables[] = {
	{ "saga_meta", { "name", "value" } },
	{ "saga_stream", { "shard", "seq", "last", "own", "unclean", "suspect", "suspicions" } },
	{ "saga_slot",
		{ "saga", "step", "subject", "state", "was", "attempts", "moved", "why", "ran_on",
			"answer", "digest", "note", "seen" } },
	{ "saga_parked",
		{ "saga", "id", "shard", "step", "subject", "role", "kind", "attempts", "due",
			"behind", "why", "event", "question", "at", "command", "outcome",
			"body" } },
	{ "saga_outbox", { "shard", "seq", "id", "saga", "event", "at" } },
	{ "saga_position", { "stream", "stream_shard", "shard", "owner", "seq", "id" } },
};

static void bind_value(sqlite3_stmt *statement, struct fuzz_bytes *bytes)
{
	static const char *const words[] = { "dead", "waiting", "trying", "stuck", "done", "held",
		"retry", "letter", "call", "behind", "schedule", "requeue", "assert", "a", "out",
		"subject" };
	static const int64_t numbers[] = { 0, 1, -1, INT32_MAX, INT64_MAX, INT64_MIN,
		INT64_C(1) << 31, 4096 };
	static char any[VALUE_MOST * 16];
	unsigned kind = fuzz_byte(bytes), size = fuzz_byte(bytes) % 64;

	for (unsigned i = 0; i < size; i++)
		any[i] = (char)fuzz_byte(bytes);
	if (kind & 128) {
		memset(any, 'x', sizeof any);
		size *= 100;
	}
	if (size > sizeof any)
		size = sizeof any;
	switch (kind % 6) {
	case 0:
		sqlite3_bind_null(statement, 1);
		break;
	case 1:
		sqlite3_bind_int64(statement, 1, numbers[size % 8]);
		break;
	case 2:
		sqlite3_bind_text(statement, 1, words[size % 16], -1, SQLITE_STATIC);
		break;
	case 3:
		sqlite3_bind_text(statement, 1, any, (int)size, SQLITE_STATIC);
		break;
	case 4:
		sqlite3_bind_zeroblob(statement, 1, 16);
		break;
	default:
		sqlite3_bind_blob(statement, 1, any, (int)size, SQLITE_STATIC);
		break;
	}
}

/* One column of one row. What breaks a rule of the table stays as it was. */
static void change_one(sqlite3 *db, struct fuzz_bytes *bytes)
{
	size_t table = fuzz_byte(bytes) % (sizeof tables / sizeof tables[0]), columns = 0;
	const char *name, *row;
	sqlite3_stmt *statement;
	char sql[400];

	while (columns < 18 && tables[table].columns[columns])
		columns++;
	name = tables[table].columns[fuzz_byte(bytes) % columns];
	row = tables[table].columns[fuzz_byte(bytes) % columns];
	(void)snprintf(sql, sizeof sql,
		"UPDATE OR IGNORE %s SET %s = ? WHERE %s IS"
		" (SELECT %s FROM %s LIMIT 1 OFFSET %u)",
		tables[table].table, name, row, row, tables[table].table, fuzz_byte(bytes) % 16);
	HOLDS(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
	bind_value(statement, bytes);
	(void)sqlite3_step(statement);
	sqlite3_finalize(statement);
	/* What was parked falls due. */
	if (fuzz_byte(bytes) & 1)
		(void)sqlite3_exec(db, "UPDATE saga_parked SET due = 0", NULL, NULL, NULL);
	if (fuzz_byte(bytes) & 1)
		(void)sqlite3_exec(db, "UPDATE saga_parked SET command = 'requeue', due = 0", NULL,
			NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = { data, size };
	saga_participant *p;
	saga_error error = { .code = SAGA_OK };
	sqlite3 *db;

	if (!whole) {
		make_whole();
		(void)atexit(remove_all);
	}
	write_whole();
	db = open_file();
	for (int i = 0; i < CHANGES_MOST && bytes.left; i++)
		change_one(db, &bytes);
	sqlite3_close(db);
	if (open_target(&p, &error) != SAGA_OK) {
		HOLDS(error.code != SAGA_OK && *error.text);
		return 0;
	}
	(void)turn_until(p, is_open, 20);
	for (unsigned i = 0; i < 8 && !stopped; i++)
		tell(i & 1 ? &back : &go, i, 11 + i, i);
	(void)turn_until(p, never, TURNS);
	finish(p);
	return 0;
}
