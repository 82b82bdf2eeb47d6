#include "pool.h"

#include <stdlib.h>

int saga__pool_init(struct saga__pool *pool, int most,
	void (*made)(void *host, struct saga__call *call), void *host)
{
	*pool = (struct saga__pool){ .made = made, .host = host, .most = most };
	pool->end = &pool->first;
	if (!(pool->threads = calloc((size_t)most, sizeof *pool->threads)))
		return SAGA_NOMEM;
	uv_mutex_init(&pool->lock);
	uv_cond_init(&pool->filled);
	return SAGA_OK;
}

static struct saga__call *next_call(struct saga__pool *pool)
{
	struct saga__call *call;

	uv_mutex_lock(&pool->lock);
	pool->resting++;
	while (!pool->first && !pool->stopping)
		uv_cond_wait(&pool->filled, &pool->lock);
	pool->resting--;
	if ((call = pool->first)) {
		pool->first = call->next;
		if (!pool->first)
			pool->end = &pool->first;
		call->next = NULL;
	}
	uv_mutex_unlock(&pool->lock);
	return call;
}

static void work(void *context)
{
	struct saga__pool *pool = context;
	struct saga__call *call;

	while ((call = next_call(pool))) {
		saga__call_make(call);
		pool->made(pool->host, call);
		uv_mutex_lock(&pool->lock);
		pool->load--;
		uv_mutex_unlock(&pool->lock);
	}
}

int saga__pool_push(struct saga__pool *pool, struct saga__call *call)
{
	int code = SAGA_OK;

	uv_mutex_lock(&pool->lock);
	if (!pool->resting && pool->count < pool->most &&
		uv_thread_create(&pool->threads[pool->count], work, pool) == 0)
		pool->count++;
	if (pool->count) {
		call->next = NULL;
		*pool->end = call;
		pool->end = &call->next;
		pool->load++;
		uv_cond_signal(&pool->filled);
	} else {
		code = SAGA_NOMEM;
	}
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
	free(pool->threads);
	pool->threads = NULL;
}
