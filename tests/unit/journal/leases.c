/* Leases: who lives, who holds what, and that nobody takes what another has just taken. */
#include "desk.h"

#include <stdio.h>

enum {
	LEASE_MS = 3000
};

static saga_id me, other;

static struct desk *desk_of_two(void)
{
	me = saga_no(1);
	other = saga_no(2);
	return desk_opened(true);
}

static struct saga__leases renew(struct desk *desk, saga_id id)
{
	struct saga__leases leases;
	saga_error error;

	OK(saga__journal_renew(&desk->journal, id, LEASE_MS, &leases, &error), error);
	return leases;
}

static uint64_t take(
	struct desk *desk, saga_id id, uint64_t shards, const struct saga__leases *leases)
{
	uint64_t taken = 0;
	saga_error error;

	OK(saga__journal_take(&desk->journal, id, shards, leases, &taken, &error), error);
	return taken;
}

START_TEST(who_renews_lives)
{
	struct desk *desk = desk_of_two();
	struct saga__leases leases = renew(desk, me);
	int64_t left = leases.instances[0].until - saga__journal_now(&desk->journal);

	ck_assert_uint_eq(leases.instance_count, 1);
	ck_assert(saga__id_same(leases.instances[0].id, me));
	ck_assert_int_gt(left, 0);
	ck_assert_int_le(left, LEASE_MS);
	for (unsigned shard = 0; shard < desk->journal.shards; shard++) {
		ck_assert(saga__id_is_zero(leases.at[shard].holder));
		ck_assert_uint_eq(leases.at[shard].seq, 0);
		ck_assert_int_eq(leases.at[shard].due, SAGA__NEVER);
	}
	ck_assert_uint_eq(renew(desk, other).instance_count, 2);
	ck_assert_uint_eq(renew(desk, me).instance_count, 2);
	desk_free(desk);
}
END_TEST

START_TEST(a_lease_is_taken_as_it_was_seen)
{
	struct desk *desk = desk_of_two();
	struct saga__leases mine = renew(desk, me), theirs = renew(desk, other);
	saga_error error;

	ck_assert_uint_eq(take(desk, me, 1, &mine), 1);
	ck_assert_uint_eq(take(desk, other, 1, &theirs), 0);
	theirs = renew(desk, other);
	ck_assert(saga__id_same(theirs.at[0].holder, me));
	/* What it has not, it can't give up. */
	OK(saga__journal_give(&desk->journal, other, 1, &error), error);
	ck_assert(saga__id_same(renew(desk, other).at[0].holder, me));
	OK(saga__journal_give(&desk->journal, me, 1, &error), error);
	theirs = renew(desk, other);
	ck_assert(saga__id_is_zero(theirs.at[0].holder));
	ck_assert_uint_eq(take(desk, other, 1, &theirs), 1);
	desk_free(desk);
}
END_TEST

START_TEST(who_is_gone_does_not_live)
{
	struct desk *desk = desk_of_two();
	struct saga__leases leases = renew(desk, other);
	saga_error error;

	ck_assert_uint_eq(take(desk, other, 1, &leases), 1);
	desk_sql(desk, "UPDATE saga_instance SET until = 1");
	leases = renew(desk, me);
	ck_assert_uint_eq(leases.instance_count, 1);
	ck_assert(saga__id_same(leases.at[0].holder, other));
	ck_assert_uint_eq(take(desk, me, 1, &leases), 1);
	ck_assert_int_eq(desk_number(desk, "SELECT COUNT(*) FROM saga_instance"), 1);
	/* It comes back, and finds that it has nothing. */
	leases = renew(desk, other);
	ck_assert_uint_eq(leases.instance_count, 2);
	ck_assert(saga__id_same(leases.at[0].holder, me));
	OK(saga__journal_leave(&desk->journal, me, &error), error);
	ck_assert_uint_eq(renew(desk, other).instance_count, 1);
	desk_free(desk);
}
END_TEST

START_TEST(a_renewal_sees_what_waits)
{
	struct desk *desk = desk_of_two();
	unsigned shard = saga__id_shard(saga_no(0), desk->journal.shards);

	desk_begin(desk);
	desk_publish(desk, 0);
	(void)desk_park(desk, 0, A, SAGA__PARKED_RETRY, 77, "");
	desk_commit(desk, NULL, 0);
	ck_assert_uint_eq(renew(desk, me).at[shard].seq, 1);
	ck_assert_int_eq(renew(desk, me).at[shard].due, 77);
	desk_free(desk);
}
END_TEST

START_TEST(the_layout_before_leases_is_brought_up_to_date)
{
	struct desk *desk = desk_opened(false);
	saga_error error;

	desk_sql(desk, "DROP TABLE saga_lease");
	desk_sql(desk, "DROP TABLE saga_instance");
	desk_sql(desk, "ALTER TABLE saga_outbox DROP COLUMN sum");
	desk_sql(desk, "UPDATE saga_meta SET value = '1' WHERE name = 'layout'");
	desk_close(desk);
	OK(desk_open(desk, &plain, &error), error);
	ck_assert_int_eq(
		desk_number(desk, "SELECT COUNT(*) FROM saga_lease"), (int)desk->journal.shards);
	ck_assert_uint_eq(renew(desk, saga_no(1)).instance_count, 1);
	desk_free(desk);
}
END_TEST

/* ---- the lock ---- */

enum lock_how {
	BY_LOCK,
	BY_EXPECTATION,
	LOCKS
};

/* Another connection's transaction for the same shard; SAGA_OK: nothing held it up. */
static int transact_beside(struct desk *desk, enum lock_how how)
{
	const saga_store_options options = { .url = desk->url, .timeout_ms = 800 };
	struct saga__journal beside = desk->journal;
	struct saga__shard shard = { .shard = 0 };
	saga_error error;
	int code;

	OK(beside.ops->open(&options, &beside.store, &error), error);
	code = beside.ops->begin(beside.store, &error);
	if (code == SAGA_OK)
		code = how == BY_LOCK ? saga__journal_lock(&beside, &shard, 1, NULL, &error)
				      : saga__journal_expect(&beside, &shard, &error);
	if (code == SAGA_OK)
		code = beside.ops->commit(beside.store, &error);
	else
		beside.ops->rollback(beside.store);
	beside.ops->close(beside.store);
	return code;
}

/* The stream row's lock is the shard's mutex: whoever comes meanwhile waits, and in vain here. */
START_TEST(a_batch_locks_its_stream)
{
	struct desk *desk = desk_new(false);
	saga_error error;

	OK(desk_open(desk, &plain, &error), error);
	if (_i == BY_EXPECTATION && !saga__journal_expects(&desk->journal)) {
		desk_free(desk);
		return;
	}
	ck_assert_int_eq(transact_beside(desk, (enum lock_how)_i), SAGA_OK);
	desk_begin(desk);
	ck_assert_int_ne(transact_beside(desk, (enum lock_how)_i), SAGA_OK);
	desk_commit(desk, NULL, 0);
	ck_assert_int_eq(transact_beside(desk, (enum lock_how)_i), SAGA_OK);
	desk_free(desk);
}
END_TEST

/* ---- store time ---- */

static void keep_time(struct desk *desk, int64_t now)
{
	char sql[128];

	(void)snprintf(sql, sizeof sql,
		"UPDATE saga_meta SET value = '%019lld %019lld' WHERE name = 'clock'",
		(long long)now, (long long)now);
	desk_sql(desk, sql);
}

static void reopen(struct desk *desk)
{
	saga_error error;

	desk_close(desk);
	desk->journal.clock.known = false; /* as in another process */
	OK(desk_open(desk, &plain, &error), error);
}

/* A server's clock goes on meanwhile. */
#define NEAR(time, to) ck_assert_int_le(llabs((long long)((time) - (to))), 20000)

START_TEST(store_time_never_goes_back)
{
	struct desk *desk = desk_new(false);
	int64_t now;
	saga_error error;

	OK(desk_open(desk, &plain, &error), error);
	now = saga__journal_now(&desk->journal);
	(void)renew(desk, me);
	/* Another instance came further, or the clock was set back. */
	keep_time(desk, now + 20 * 60000);
	(void)renew(desk, me);
	NEAR(saga__journal_now(&desk->journal), now + 20 * 60000);
	NEAR(saga__journal_ageing(&desk->journal), now + 20 * 60000);
	reopen(desk);
	NEAR(saga__journal_now(&desk->journal), now + 20 * 60000);
	desk_free(desk);
}
END_TEST

START_TEST(a_store_that_was_not_used_for_long_waits)
{
	struct desk *desk = desk_new(false);
	int64_t now;
	saga_error error;

	OK(desk_open(desk, &plain, &error), error);
	now = saga__journal_now(&desk->journal);
	keep_time(desk, now - 5 * 3600000);
	reopen(desk);
	ck_assert_int_eq(desk->journal.clock_news, SAGA__CLOCK_LEAPT);
	NEAR(saga__journal_now(&desk->journal), now - 5 * 3600000);
	(void)renew(desk, me);
	NEAR(desk_number(desk, "SELECT MAX(until) FROM saga_instance"), now - 5 * 3600000);
	if (is_on("sqlite")) { /* a server's clock does not go faster for a test */
		desk->now += SAGA__CLOCK_SETTLE_MS;
		(void)renew(desk, me);
		ck_assert_int_eq(desk->journal.clock_news, SAGA__CLOCK_FOLLOWED);
		NEAR(saga__journal_now(&desk->journal), desk->now);
		ck_assert_int_lt(saga__journal_ageing(&desk->journal), desk->now);
	}
	desk_free(desk);
}
END_TEST

START_TEST(a_time_that_nobody_can_read_is_written_anew)
{
	static const char *const texts[] = { "", "soon", "-5 -9", "5", "1 2" };
	struct desk *desk = desk_new(false);
	int64_t now;
	saga_error error;

	OK(desk_open(desk, &plain, &error), error);
	now = saga__journal_now(&desk->journal);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char sql[128];

		(void)snprintf(sql, sizeof sql,
			"UPDATE saga_meta SET value = '%s' WHERE name = 'clock'", texts[i]);
		desk_sql(desk, sql);
		reopen(desk);
		NEAR(saga__journal_now(&desk->journal), now);
		ck_assert_int_eq(desk_number(desk,
					 "SELECT COUNT(*) FROM saga_meta WHERE name = 'clock'"
					 " AND value > '0000000000001'"),
			1);
	}
	desk_free(desk);
}
END_TEST

int main(void)
{
	const struct test tests[] = {
		{ who_renews_lives, 0 },
		{ a_lease_is_taken_as_it_was_seen, 0 },
		{ who_is_gone_does_not_live, 0 },
		{ a_renewal_sees_what_waits, 0 },
		{ the_layout_before_leases_is_brought_up_to_date, 0 },
		{ a_batch_locks_its_stream, LOCKS },
		{ store_time_never_goes_back, 0 },
		{ a_store_that_was_not_used_for_long_waits, 0 },
		{ a_time_that_nobody_can_read_is_written_anew, 0 },
	};

	return RUN_TESTS("leases", tests);
}
