#include "health.h"

#include <assert.h>
#include <string.h>

void saga__course_init(struct saga__course *course, const struct saga_env *env)
{
	*course = (struct saga__course){ .env = env, .rests = true }; /* until its first tick */
	uv_mutex_init(&course->lock);
}

void saga__course_free(struct saga__course *course)
{
	uv_mutex_destroy(&course->lock);
}

void saga__course_moved(struct saga__course *course)
{
	int64_t now = saga__monotonic(course->env);

	assert(now >= course->moved_at);
	uv_mutex_lock(&course->lock);
	course->moved_at = course->committed_at = now;
	course->failing = false;
	uv_mutex_unlock(&course->lock);
}

bool saga__course_failed(struct saga__course *course, const saga_error *error)
{
	bool is_news = error->code == SAGA_DAMAGED && !course->damaged;

	assert(error->code != SAGA_OK);
	uv_mutex_lock(&course->lock);
	course->failed_at = saga__monotonic(course->env);
	if (!course->failing)
		course->failing_since = course->failed_at;
	course->failing = true;
	course->damaged = course->damaged || is_news;
	memcpy(course->error, error->text, sizeof course->error);
	uv_mutex_unlock(&course->lock);
	return is_news;
}

int64_t saga__course_failing_for(const struct saga__course *course)
{
	return course->failing ? saga__monotonic(course->env) - course->failing_since : -1;
}

static int64_t ago(int64_t at, int64_t now, int64_t otherwise)
{
	return at ? now - at : otherwise;
}

void saga__course_health(struct saga__course *course, struct saga__lane_health *ret_health)
{
	int64_t now = saga__monotonic(course->env);

	uv_mutex_lock(&course->lock);
	*ret_health = (struct saga__lane_health){
		.committed = ago(course->committed_at, now, -1),
		.stalled = course->rests ? 0 : ago(course->moved_at, now, 0),
		.stopped = (int64_t)course->stopped,
		.failed = ago(course->failed_at, now, -1),
		.failing = course->failing,
		.damaged = course->damaged,
		.set_aside = course->set_aside,
	};
	if (course->stopped && now - course->stopped_since > ret_health->stalled)
		ret_health->stalled = now - course->stopped_since;
	memcpy(ret_health->error, course->error, sizeof ret_health->error);
	uv_mutex_unlock(&course->lock);
}

void saga__course_set_aside(struct saga__course *course)
{
	uv_mutex_lock(&course->lock);
	course->set_aside++;
	uv_mutex_unlock(&course->lock);
}

void saga__course_rests(struct saga__course *course, bool rests)
{
	if (rests == course->rests)
		return;
	uv_mutex_lock(&course->lock);
	course->rests = rests;
	course->moved_at = saga__monotonic(course->env);
	course->failing = course->failing && !rests;
	uv_mutex_unlock(&course->lock);
}

void saga__course_stopped(struct saga__course *course, size_t streams)
{
	uv_mutex_lock(&course->lock);
	if (!course->stopped)
		course->stopped_since = saga__monotonic(course->env);
	course->stopped = streams;
	uv_mutex_unlock(&course->lock);
}
