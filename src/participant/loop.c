/* The participant on libuv: its loop, its clock, its two handles, its pool for calls. */

#define _DEFAULT_SOURCE /* getentropy */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

/* ---- the doors ---- */

static int64_t monotonic(void *context)
{
	(void)context;
	return (int64_t)(uv_hrtime() / 1000000);
}

static int64_t micros(void *context)
{
	(void)context;
	return (int64_t)(uv_hrtime() / 1000);
}

static int64_t wall(void *context)
{
	uv_timeval64_t now;

	(void)context;
	(void)uv_gettimeofday(&now);
	return now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void random_bytes(void *context, void *buffer, size_t size)
{
	unsigned char *at = buffer;

	(void)context;
	while (size) {
		size_t part = size < 256 ? size : 256;

		/* It can't fail but where the kernel has none, and then no id may be made. */
		if (getentropy(at, part) != 0)
			continue;
		at += part;
		size -= part;
	}
}

/* ---- the loop ---- */

static void on_wake(uv_async_t *handle)
{
	saga__tick(handle->data);
}

static void on_alarm(uv_timer_t *handle)
{
	saga__tick(handle->data);
}

static int open_own(struct saga_participant *p, saga_error *error)
{
	if (p->options.loop) {
		p->loop = p->options.loop;
		return SAGA_OK;
	}
	if (uv_loop_init(&p->own_loop) != 0)
		return saga_error_set(error, SAGA_NOMEM, "no loop");
	p->loop = &p->own_loop;
	p->owns_loop = true;
	return SAGA_OK;
}

static int open_handles(struct saga_participant *p, saga_error *error)
{
	int code = open_own(p, error);

	if (code != SAGA_OK)
		return code;
	p->wake = calloc(1, sizeof *p->wake);
	p->alarm = calloc(1, sizeof *p->alarm);
	if (!p->wake || !p->alarm || uv_async_init(p->loop, p->wake, on_wake) != 0) {
		free(p->wake);
		free(p->alarm);
		p->wake = NULL;
		p->alarm = NULL;
		return saga_error_set(error, SAGA_NOMEM, "no handles");
	}
	(void)uv_timer_init(p->loop, p->alarm);
	p->wake->data = p->alarm->data = p;
	p->handles = 2;
	return SAGA_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct saga_participant *p = handle->data;

	if (!--p->handles)
		saga__stopped(p);
}

static void go_deaf(struct saga_participant *p)
{
	__atomic_store_n(&p->deaf, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&p->wakers, __ATOMIC_SEQ_CST))
		uv_sleep(0);
}

static void stop(struct saga_participant *p)
{
	go_deaf(p);
	uv_close((uv_handle_t *)p->alarm, on_closed);
	uv_close((uv_handle_t *)p->wake, on_closed);
}

/* A loop that never ran, or will not run again: the handle frees itself, if it ever does. */
static void on_orphan_closed(uv_handle_t *handle)
{
	free(handle);
}

static void close_loop(struct saga_participant *p)
{
	if (p->handles) {
		go_deaf(p);
		uv_close((uv_handle_t *)p->alarm, on_orphan_closed);
		uv_close((uv_handle_t *)p->wake, on_orphan_closed);
	} else {
		free(p->alarm);
		free(p->wake);
	}
	if (p->owns_loop) {
		while (uv_loop_close(&p->own_loop) == UV_EBUSY)
			(void)uv_run(&p->own_loop, UV_RUN_ONCE);
	}
}

static void alarm_in(struct saga_participant *p, int64_t ms)
{
	if (ms < 0)
		(void)uv_timer_stop(p->alarm);
	else
		(void)uv_timer_start(p->alarm, on_alarm, (uint64_t)ms, 0);
}

/* Also from a signal handler, and after the end: so by counting, not by a lock. */
static void wake(struct saga_participant *p)
{
	(void)__atomic_add_fetch(&p->wakers, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&p->deaf, __ATOMIC_SEQ_CST))
		(void)uv_async_send(p->wake);
	(void)__atomic_sub_fetch(&p->wakers, 1, __ATOMIC_SEQ_CST);
}

/* ---- outside calls ---- */

static void call_made(void *host, struct saga__call *call)
{
	saga__call_made(host, call);
}

static void call_ended(void *host)
{
	wake(host);
}

static int push_call(struct saga_participant *p, struct saga__call *call)
{
	return saga__pool_push(&p->pool, call);
}

static size_t calls(struct saga_participant *p)
{
	return saga__pool_load(&p->pool);
}

static void drop_calls(struct saga_participant *p)
{
	saga__pool_drop(&p->pool);
}

/* ---- the driver ---- */

static int open_driver(struct saga_participant *p, saga_error *error)
{
	int code;

	p->env = (struct saga_env){ p, monotonic, wall, random_bytes, micros };
	if ((code = open_handles(p, error)) != SAGA_OK)
		return code;
	code = saga__pool_init(&p->pool, p->limits.outside_calls, call_made, call_ended, p);
	return code == SAGA_OK ? code : saga_error_set(error, code, "out of memory");
}

static void close_driver(struct saga_participant *p)
{
	saga__pool_free(&p->pool);
	close_loop(p);
}

const struct saga__driver saga__loop_driver = {
	.open = open_driver,
	.wake = wake,
	.alarm = alarm_in,
	.call = push_call,
	.calls = calls,
	.drop_calls = drop_calls,
	.stop = stop,
	.close = close_driver,
};

/* ---- who runs it ---- */

int saga_run(saga_participant *p)
{
	while (p->life != SAGA__STOPPED)
		(void)uv_run(p->loop, UV_RUN_ONCE);
	return p->why.code;
}

struct uv_loop_s *saga_loop(saga_participant *p)
{
	return p->loop;
}

int saga_fd(saga_participant *p)
{
	return uv_backend_fd(p->loop);
}

int saga_timeout(saga_participant *p)
{
	uv_update_time(p->loop);
	return uv_backend_timeout(p->loop);
}

void saga_turn(saga_participant *p)
{
	(void)uv_run(p->loop, UV_RUN_NOWAIT);
}
