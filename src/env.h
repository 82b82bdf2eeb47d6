#ifndef SAGA_ENV_H
#define SAGA_ENV_H

/*
 * The core's door to time, randomness and threads. Production fills it with libuv, the simulator
 * with one seeded queue. Nothing in the library reaches past it.
 */

#include <stddef.h>
#include <stdint.h>

struct saga_env {
	void *context;

	/* Milliseconds that only go forward. Any thread. */
	int64_t (*monotonic)(void *context);

	/* Milliseconds since 1970, UTC. Any thread. */
	int64_t (*wall)(void *context);

	/* Fills the buffer with unpredictable bytes. Any thread. */
	void (*random)(void *context, void *buffer, size_t size);

	/* As monotonic, in microseconds; NULL: by that. Any thread. */
	int64_t (*micros)(void *context);
};

static inline int64_t saga__monotonic(const struct saga_env *env)
{
	return env->monotonic(env->context);
}

static inline int64_t saga__wall(const struct saga_env *env)
{
	return env->wall(env->context);
}

static inline int64_t saga__micros(const struct saga_env *env)
{
	return env->micros ? env->micros(env->context) : 1000 * env->monotonic(env->context);
}

static inline void saga__random(const struct saga_env *env, void *buffer, size_t size)
{
	env->random(env->context, buffer, size);
}

#endif
