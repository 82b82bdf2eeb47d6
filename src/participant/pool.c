#include "pool.h"

#include <stdlib.h>

#include "../event/id.h"

int saga__pool_init(struct saga__pool *pool, int most,
	void (*made)(void *host, struct saga__call *call), void (*ended)(void *host), void *host)
{
	*pool = (struct saga__pool){ .made = made, .ended = ended, .host = host, .most = most };
	pool->end = &pool->first;
	pool->threads = calloc((size_t)most, sizeof *pool->threads);
	pool->making = calloc((size_t)most, sizeof *pool->making);
	if (!pool->threads || !pool->making) {
		free(pool->making);
		free(pool->threads);
		pool->threads = NULL;
		return SAGA_NOMEM;
	}
	uv_mutex_init(&pool->lock);
	uv_cond_init(&pool->filled);
	return SAGA_OK;
}

/*
 * Wakes one thread at most: who takes a call wakes the next one if more wait. So calls that end at
 * once don't wake a thread each.
 */
static void wake_one(struct saga__pool *pool)
{
	if (!pool->first || !pool->resting || pool->waking)
		return;
	pool->waking = true;
	uv_cond_signal(&pool->filled);
}

/* NULL: none waits. */
static struct saga__call *take_call(struct saga__pool *pool, size_t thread)
{
	struct saga__call *call = pool->first;

	if (!call)
		return NULL;
	pool->first = call->next;
	if (!pool->first)
		pool->end = &pool->first;
	call->next = NULL;
	pool->waiting--;
	pool->making[thread] = call->parked;
	wake_one(pool);
	return call;
}

/* NULL: the pool stops. */
static struct saga__call *next_call(struct saga__pool *pool, size_t thread)
{
	struct saga__call *call;

	uv_mutex_lock(&pool->lock);
	pool->resting++;
	while (!pool->first && !pool->stopping) {
		uv_cond_wait(&pool->filled, &pool->lock);
		pool->waking = false;
	}
	pool->resting--;
	call = take_call(pool, thread);
	uv_mutex_unlock(&pool->lock);
	return call;
}

/* Before its host has it: what that commits may ask for the same call again, at once. */
static void call_is_made(struct saga__pool *pool, size_t thread)
{
	uv_mutex_lock(&pool->lock);
	pool->making[thread] = (saga_id){ { 0 } };
	uv_mutex_unlock(&pool->lock);
}

/* This thread's call was handed over. The next one, if one waits. */
static struct saga__call *end_call(struct saga__pool *pool, size_t thread)
{
	struct saga__call *call;

	uv_mutex_lock(&pool->lock);
	pool->load--;
	call = take_call(pool, thread);
	uv_mutex_unlock(&pool->lock);
	pool->ended(pool->host);
	return call;
}

static size_t number_of_this_thread(struct saga__pool *pool)
{
	size_t number;

	uv_mutex_lock(&pool->lock);
	number = pool->begun++;
	uv_mutex_unlock(&pool->lock);
	return number;
}

static void work(void *context)
{
	struct saga__pool *pool = context;
	size_t thread = number_of_this_thread(pool);
	struct saga__call *call;

	while ((call = next_call(pool, thread)))
		do {
			saga__call_make(call);
			call_is_made(pool, thread);
			pool->made(pool->host, call);
		} while ((call = end_call(pool, thread)));
}

static bool has(const struct saga__pool *pool, saga_id parked)
{
	for (int i = 0; i < pool->count; i++)
		if (saga__id_same(pool->making[i], parked))
			return true;
	for (const struct saga__call *call = pool->first; call; call = call->next)
		if (saga__id_same(call->parked, parked))
			return true;
	return false;
}

static int push(struct saga__pool *pool, struct saga__call *call)
{
	if (pool->waiting >= (size_t)pool->resting && pool->count < pool->most &&
		uv_thread_create(&pool->threads[pool->count], work, pool) == 0)
		pool->count++;
	if (!pool->count)
		return SAGA_NOMEM;
	call->next = NULL;
	*pool->end = call;
	pool->end = &call->next;
	pool->waiting++;
	pool->load++;
	wake_one(pool);
	return SAGA_OK;
}

int saga__pool_push(struct saga__pool *pool, struct saga__call *call)
{
	int code = SAGA_OK;

	uv_mutex_lock(&pool->lock);
	if (call->again && has(pool, call->parked))
		saga__call_free(call);
	else
		code = push(pool, call);
	uv_mutex_unlock(&pool->lock);
	return code;
}

size_t saga__pool_load(struct saga__pool *pool)
{
	size_t load;

	uv_mutex_lock(&pool->lock);
	load = pool->load;
	uv_mutex_unlock(&pool->lock);
	return load;
}

void saga__pool_drop(struct saga__pool *pool)
{
	struct saga__call *call;

	uv_mutex_lock(&pool->lock);
	while ((call = pool->first)) {
		pool->first = call->next;
		pool->load--;
		pool->waiting--;
		saga__call_free(call);
	}
	pool->end = &pool->first;
	uv_mutex_unlock(&pool->lock);
}

void saga__pool_free(struct saga__pool *pool)
{
	if (!pool->threads)
		return;
	saga__pool_drop(pool);
	uv_mutex_lock(&pool->lock);
	pool->stopping = true;
	uv_cond_broadcast(&pool->filled);
	uv_mutex_unlock(&pool->lock);
	for (int i = 0; i < pool->count; i++)
		(void)uv_thread_join(&pool->threads[i]);
	uv_cond_destroy(&pool->filled);
	uv_mutex_destroy(&pool->lock);
	free(pool->making);
	free(pool->threads);
	pool->threads = NULL;
}
