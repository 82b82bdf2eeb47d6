#include "provider.h"

#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct provider {
	sqlite3 *ledger;
	pthread_mutex_t lock;
	struct provider_faults faults;
};

/* One thing asked of the provider. */
struct wish {
	const char *key;
	const char *charge_key;
	const char *reference;
	const char *customer;
	int64_t cents;
	enum provider_code (*decide)(
		struct provider *provider, const struct wish *wish, struct provider_reply *reply);
	int timeout_ms;
};

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	"CREATE TABLE IF NOT EXISTS charge (charge_key TEXT PRIMARY KEY, reference TEXT NOT NULL,"
	"  customer TEXT NOT NULL, cents INTEGER NOT NULL, closed INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, code INTEGER NOT NULL,"
	"  text TEXT NOT NULL);";

static void say(struct provider_reply *reply, const char *text)
{
	snprintf(reply->text, sizeof reply->text, "%s", text);
}

/* ---- the faults ---- */

static uint64_t hash_of(uint64_t seed, const char *salt, const char *key)
{
	uint64_t hash = 14695981039346656037u ^ (seed * 0x9E3779B97F4A7C15u);

	for (; *salt; salt++)
		hash = (hash ^ (unsigned char)*salt) * 1099511628211u;
	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 1099511628211u;
	hash ^= hash >> 33;
	hash *= 0xFF51AFD7ED558CCDu;
	return hash ^ (hash >> 33);
}

static bool is_struck(
	const struct provider *provider, const char *fault, const char *key, int percent)
{
	return (int)(hash_of(provider->faults.seed, fault, key) % 100) < percent;
}

static void be_slow(const struct provider *provider, const char *key, int timeout_ms)
{
	int ms = provider->faults.slow_ms < timeout_ms ? provider->faults.slow_ms : timeout_ms;

	if (ms > 0 && provider->faults.be_slow &&
		is_struck(provider, "slow", key, provider->faults.slow_percent))
		provider->faults.be_slow(ms);
}

int provider_read_faults(const char *text, struct provider_faults *ret_faults)
{
	long long numbers[5];
	const char *at = text;
	char *end = NULL;

	for (size_t i = 0; i < 5; i++) {
		errno = 0;
		numbers[i] = strtoll(at, &end, 10);
		if (errno || end == at || *end != (i < 4 ? ',' : '\0') || numbers[i] < 0 ||
			numbers[i] > 1000000)
			return -1;
		at = end + 1;
	}
	*ret_faults = (struct provider_faults){ .seed = (uint64_t)numbers[0],
		.slow_percent = (int)numbers[1],
		.slow_ms = (int)numbers[2],
		.decline_percent = (int)numbers[3],
		.late_percent = (int)numbers[4] };
	return 0;
}

/* ---- the ledger ---- */

static sqlite3_stmt *prepare(struct provider *provider, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	sqlite3_prepare_v2(provider->ledger, sql, -1, &statement, NULL);
	return statement;
}

/* A statement that could not be prepared is NULL, and every call on NULL fails as misuse. */
static int finish(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

static bool has_answer(struct provider *provider, const char *key, enum provider_code *ret_code,
	struct provider_reply *reply)
{
	sqlite3_stmt *get = prepare(provider, "SELECT code, text FROM answer WHERE key = ?");
	bool found;

	sqlite3_bind_text(get, 1, key, -1, SQLITE_STATIC);
	found = sqlite3_step(get) == SQLITE_ROW;
	if (found) {
		*ret_code = (enum provider_code)sqlite3_column_int(get, 0);
		say(reply, (const char *)sqlite3_column_text(get, 1));
	}
	sqlite3_finalize(get);
	return found;
}

static int keep_answer(struct provider *provider, const char *key, enum provider_code code,
	const struct provider_reply *reply)
{
	sqlite3_stmt *put =
		prepare(provider, "INSERT INTO answer (key, code, text) VALUES (?, ?, ?)");

	sqlite3_bind_text(put, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int(put, 2, (int)code);
	sqlite3_bind_text(put, 3, reply->text, -1, SQLITE_STATIC);
	return finish(put);
}

static int put_charge(struct provider *provider, const struct wish *wish, bool closed)
{
	sqlite3_stmt *put = prepare(provider,
		"INSERT INTO charge (charge_key, reference, customer,"
		" cents, closed) VALUES (?, ?, ?, ?, ?)");

	sqlite3_bind_text(put, 1, wish->charge_key, -1, SQLITE_STATIC);
	sqlite3_bind_text(put, 2, wish->reference, -1, SQLITE_STATIC);
	sqlite3_bind_text(put, 3, wish->customer, -1, SQLITE_STATIC);
	sqlite3_bind_int64(put, 4, wish->cents);
	sqlite3_bind_int(put, 5, closed);
	return finish(put);
}

static int set_charge(struct provider *provider, const struct wish *wish, bool closed)
{
	sqlite3_stmt *set =
		prepare(provider, "UPDATE charge SET cents = ?, closed = ? WHERE charge_key = ?");

	sqlite3_bind_int64(set, 1, wish->cents);
	sqlite3_bind_int(set, 2, closed);
	sqlite3_bind_text(set, 3, wish->charge_key, -1, SQLITE_STATIC);
	return finish(set);
}

enum charge_state {
	CHARGE_ABSENT,
	CHARGE_OPEN,
	CHARGE_CLOSED
};

static enum charge_state state_of(struct provider *provider, const char *charge_key)
{
	sqlite3_stmt *get = prepare(provider, "SELECT closed FROM charge WHERE charge_key = ?");
	enum charge_state state = CHARGE_ABSENT;

	sqlite3_bind_text(get, 1, charge_key, -1, SQLITE_STATIC);
	if (sqlite3_step(get) == SQLITE_ROW)
		state = sqlite3_column_int(get, 0) ? CHARGE_CLOSED : CHARGE_OPEN;
	sqlite3_finalize(get);
	return state;
}

/* ---- deciding: in the ledger's transaction ---- */

static enum provider_code decline(struct provider_reply *reply, const char *why)
{
	say(reply, why);
	return PROVIDER_DECLINED;
}

static enum provider_code done_if(
	struct provider *provider, int code, const char *key, struct provider_reply *reply)
{
	if (code != 0) {
		say(reply, sqlite3_errmsg(provider->ledger));
		return PROVIDER_SILENT;
	}
	snprintf(reply->text, sizeof reply->text, "R-%016llx",
		(unsigned long long)hash_of(0, "receipt", key));
	return PROVIDER_DONE;
}

static enum provider_code decide_charge(
	struct provider *provider, const struct wish *wish, struct provider_reply *reply)
{
	if (state_of(provider, wish->charge_key) != CHARGE_ABSENT)
		return decline(reply, "this charge is closed");
	if (is_struck(provider, "decline", wish->key, provider->faults.decline_percent))
		return decline(reply, WHY_DECLINED);
	return done_if(provider, put_charge(provider, wish, false), wish->key, reply);
}

static enum provider_code decide_adjust(
	struct provider *provider, const struct wish *wish, struct provider_reply *reply)
{
	if (state_of(provider, wish->charge_key) != CHARGE_OPEN)
		return decline(reply, "this charge is not open");
	if (is_struck(provider, "decline", wish->key, provider->faults.decline_percent))
		return decline(reply, WHY_DECLINED);
	return done_if(provider, set_charge(provider, wish, false), wish->key, reply);
}

static enum provider_code decide_refund(
	struct provider *provider, const struct wish *wish, struct provider_reply *reply)
{
	int code = state_of(provider, wish->charge_key) == CHARGE_ABSENT
		? put_charge(provider, wish, true)
		: set_charge(provider, wish, true);

	return done_if(provider, code, wish->key, reply);
}

/* ---- being asked ---- */

static bool run(struct provider *provider, const char *sql)
{
	return sqlite3_exec(provider->ledger, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Decides once for a key and writes that down. What can't be written was not done: silence. */
static enum provider_code decide_once(struct provider *provider, const struct wish *wish,
	bool *ret_is_new, struct provider_reply *reply)
{
	enum provider_code code = PROVIDER_SILENT;

	if (!run(provider, "BEGIN IMMEDIATE")) {
		say(reply, sqlite3_errmsg(provider->ledger));
		return PROVIDER_SILENT;
	}
	*ret_is_new = !has_answer(provider, wish->key, &code, reply);
	if (*ret_is_new)
		code = wish->decide(provider, wish, reply);
	if (*ret_is_new && code != PROVIDER_SILENT &&
		keep_answer(provider, wish->key, code, reply) != 0)
		code = PROVIDER_SILENT;
	if (code == PROVIDER_SILENT || !run(provider, "COMMIT")) {
		run(provider, "ROLLBACK");
		return PROVIDER_SILENT;
	}
	return code;
}

static enum provider_code ask(
	struct provider *provider, const struct wish *wish, struct provider_reply *reply)
{
	enum provider_code code;
	bool is_new = false;

	say(reply, "it took too long");
	be_slow(provider, wish->key, wish->timeout_ms);
	pthread_mutex_lock(&provider->lock);
	code = decide_once(provider, wish, &is_new, reply);
	pthread_mutex_unlock(&provider->lock);
	if (is_new && is_struck(provider, "late", wish->key, provider->faults.late_percent))
		return PROVIDER_SILENT;
	return code;
}

enum provider_code provider_charge(struct provider *provider, const char *key,
	const char *reference, const char *customer, int64_t cents, int timeout_ms,
	struct provider_reply *reply)
{
	return ask(provider,
		&(struct wish){ .key = key,
			.charge_key = key,
			.reference = reference,
			.customer = customer,
			.cents = cents,
			.timeout_ms = timeout_ms,
			.decide = decide_charge },
		reply);
}

enum provider_code provider_adjust(struct provider *provider, const char *charge_key,
	const char *key, int64_t cents, int timeout_ms, struct provider_reply *reply)
{
	return ask(provider,
		&(struct wish){ .key = key,
			.charge_key = charge_key,
			.cents = cents,
			.timeout_ms = timeout_ms,
			.decide = decide_adjust },
		reply);
}

enum provider_code provider_refund(struct provider *provider, const char *charge_key,
	const char *key, int timeout_ms, struct provider_reply *reply)
{
	return ask(provider,
		&(struct wish){ .key = key,
			.charge_key = charge_key,
			.reference = "",
			.customer = "",
			.timeout_ms = timeout_ms,
			.decide = decide_refund },
		reply);
}

/* ---- being audited ---- */

int provider_kept(struct provider *provider,
	int (*charge)(void *context, const char *reference, int64_t cents), void *context)
{
	sqlite3_stmt *row;
	int code = 0, step = SQLITE_DONE;

	pthread_mutex_lock(&provider->lock);
	row = prepare(provider, "SELECT reference, cents FROM charge WHERE cents > 0");
	while (code == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		code = charge(context, (const char *)sqlite3_column_text(row, 0),
			sqlite3_column_int64(row, 1));
	sqlite3_finalize(row);
	pthread_mutex_unlock(&provider->lock);
	return step == SQLITE_ROW || step == SQLITE_DONE ? code : -1;
}

/* ---- its life ---- */

int provider_open(const char *path, const struct provider_faults *faults,
	struct provider **ret_provider, struct provider_reply *reply)
{
	struct provider *provider = calloc(1, sizeof *provider);
	int file;

	if (!provider) {
		say(reply, "out of memory");
		return -1;
	}
	provider->faults = *faults;
	/* Only its owner's, if it is new; SQLite would go by umask. */
	file = *path == ':' ? -1 : open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (file >= 0)
		close(file);
	if (sqlite3_open(path, &provider->ledger) != SQLITE_OK ||
		sqlite3_busy_timeout(provider->ledger, 5000) != SQLITE_OK ||
		!run(provider, schema)) {
		say(reply, sqlite3_errmsg(provider->ledger));
		goto close_ledger;
	}
	if (pthread_mutex_init(&provider->lock, NULL) != 0) {
		say(reply, "no mutex");
		goto close_ledger;
	}
	*ret_provider = provider;
	return 0;
close_ledger:
	sqlite3_close(provider->ledger);
	free(provider);
	return -1;
}

void provider_close(struct provider *provider)
{
	if (!provider)
		return;
	pthread_mutex_destroy(&provider->lock);
	sqlite3_close(provider->ledger);
	free(provider);
}
