/* The pool of threads for outside calls, by itself. */

#include <check.h>
#include <stdlib.h>

#include "../../src/participant/pool.h"

struct host {
	struct saga__pool pool;
	uv_mutex_t lock;
	uv_cond_t changed;
	int made, ended;
	int again;  /* so often a call is asked for anew while it is handed over */
	bool holds; /* calls end only when it does not any more; both under the lock */
	int under_way, most_under_way;
};

static const saga_id row = { { 1, 2, 3 } };

/* Its trigger can't be read: so it ends without an answer, at once. */
static struct saga__call *new_call(bool again)
{
	struct saga__call *call = calloc(1, sizeof *call);

	ck_assert_ptr_nonnull(call);
	call->parked = row;
	call->again = again;
	call->event = saga__blob_new("?", 1);
	ck_assert_ptr_nonnull(call->event);
	return call;
}

static void made(void *context, struct saga__call *call)
{
	struct host *host = context;

	saga__call_free(call);
	/* As a lane that commits "try again, now" before this returns. */
	if (host->again) {
		host->again--;
		ck_assert_int_eq(saga__pool_push(&host->pool, new_call(true)), SAGA_OK);
	}
	uv_mutex_lock(&host->lock);
	if (++host->under_way > host->most_under_way)
		host->most_under_way = host->under_way;
	uv_cond_broadcast(&host->changed);
	while (host->holds)
		uv_cond_wait(&host->changed, &host->lock);
	host->under_way--;
	host->made++;
	uv_mutex_unlock(&host->lock);
}

static void ended(void *context)
{
	struct host *host = context;

	uv_mutex_lock(&host->lock);
	host->ended++;
	uv_cond_broadcast(&host->changed);
	uv_mutex_unlock(&host->lock);
}

static void open_host(struct host *host)
{
	*host = (struct host){ .made = 0 };
	uv_mutex_init(&host->lock);
	uv_cond_init(&host->changed);
	ck_assert_int_eq(saga__pool_init(&host->pool, 2, made, ended, host), SAGA_OK);
}

static void await_ended(struct host *host, int wanted)
{
	uint64_t patience = UINT64_C(20000000000);

	uv_mutex_lock(&host->lock);
	while (host->ended < wanted &&
		uv_cond_timedwait(&host->changed, &host->lock, patience) == 0)
		;
	ck_assert_int_ge(host->ended, wanted);
	uv_mutex_unlock(&host->lock);
}

static void close_host(struct host *host)
{
	saga__pool_free(&host->pool);
	uv_cond_destroy(&host->changed);
	uv_mutex_destroy(&host->lock);
}

START_TEST(a_call_asked_for_again_as_it_is_handed_over_is_made)
{
	struct host host;

	open_host(&host);
	host.again = 3;
	ck_assert_int_eq(saga__pool_push(&host.pool, new_call(false)), SAGA_OK);
	await_ended(&host, 4);
	ck_assert_int_eq(host.made, 4);
	ck_assert_uint_eq(saga__pool_load(&host.pool), 0);
	close_host(&host);
}
END_TEST

START_TEST(a_call_under_way_is_not_made_twice)
{
	struct host host;

	open_host(&host);
	uv_mutex_lock(&host.pool.lock);
	host.pool.making[1] = row;
	uv_mutex_unlock(&host.pool.lock);
	host.pool.count = 2;
	ck_assert_int_eq(saga__pool_push(&host.pool, new_call(true)), SAGA_OK);
	ck_assert_uint_eq(saga__pool_load(&host.pool), 0);
	host.pool.count = 0;
	close_host(&host);
}
END_TEST

enum {
	CALLS = 12
};

/* It has room for two threads, and no memory for the names of more. */
START_TEST(it_makes_no_more_calls_at_once_than_it_may)
{
	struct host host;

	open_host(&host);
	host.holds = true;
	for (int i = 0; i < CALLS; i++) {
		struct saga__call *call = new_call(false);

		call->parked.bytes[0] = (unsigned char)(i + 1);
		ck_assert_int_eq(saga__pool_push(&host.pool, call), SAGA_OK);
		uv_mutex_lock(&host.pool.lock);
		ck_assert_int_le(host.pool.count, 2);
		uv_mutex_unlock(&host.pool.lock);
	}
	uv_mutex_lock(&host.lock);
	while (host.under_way < 2)
		uv_cond_wait(&host.changed, &host.lock);
	host.holds = false;
	uv_cond_broadcast(&host.changed);
	uv_mutex_unlock(&host.lock);
	await_ended(&host, CALLS);
	ck_assert_int_eq(host.most_under_way, 2);
	close_host(&host);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *of_calls = tcase_create("calls");
	SRunner *runner;
	int failures;

	tcase_set_timeout(of_calls, 60);
	tcase_add_test(of_calls, a_call_asked_for_again_as_it_is_handed_over_is_made);
	tcase_add_test(of_calls, a_call_under_way_is_not_made_twice);
	tcase_add_test(of_calls, it_makes_no_more_calls_at_once_than_it_may);
	suite_add_tcase(suite, of_calls);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
