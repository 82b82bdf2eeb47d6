/* A tick of the loop, after something happened: notifications, frames, lanes, the end. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../mutation.h"
#include "inside.h"

enum {
	TRIM_MS = 30000,
	TRIM_MOST = 4096,
	INTERRUPT_MS = 100 /* from one to the next: what ran may have just ended */
};

struct saga__lane *saga__lane_of(struct saga_participant *p, unsigned shard)
{
	return &p->lanes[shard & (p->lane_count - 1)];
}

/* ---- notifications ---- */

void saga__notify(void *host, struct saga__notification *notification)
{
	struct saga_participant *p = host;

	notification->next = NULL;
	uv_mutex_lock(&p->lock);
	*p->notifications_end = notification;
	p->notifications_end = &notification->next;
	uv_mutex_unlock(&p->lock);
	saga__wake(p);
}

static struct saga__notification *next_notification(struct saga_participant *p)
{
	struct saga__notification *notification;

	uv_mutex_lock(&p->lock);
	if ((notification = p->notifications)) {
		p->notifications = notification->next;
		if (!p->notifications)
			p->notifications_end = &p->notifications;
	}
	uv_mutex_unlock(&p->lock);
	return notification;
}

static bool all_up(const struct saga_participant *p)
{
	for (size_t i = 0; i < p->lane_count; i++)
		if (!p->lane_up[i])
			return false;
	return true;
}

/* A lane's own: no other lane counts what it changes meanwhile. */
static void count_lane(
	struct saga_participant *p, size_t at, const struct saga__counts *counts, bool anew)
{
	struct saga__counts *own = &p->lane_counts[at], all = { 0 };

	if (anew)
		*own = (struct saga__counts){ 0 };
	own->waiting += counts->waiting;
	own->dead += counts->dead;
	own->stuck += counts->stuck;
	own->parked += counts->parked;
	for (size_t i = 0; i < p->lane_count; i++) {
		all.waiting += p->lane_counts[i].waiting;
		all.dead += p->lane_counts[i].dead;
		all.stuck += p->lane_counts[i].stuck;
		all.parked += p->lane_counts[i].parked;
	}
	p->counts = all;
}

static void was_assigned(
	struct saga_participant *p, size_t at, const struct saga__assigned *assigned)
{
	saga_error error;

	count_lane(p, at, &assigned->counts, true);
	p->dues[at] = assigned->due;
	if (saga__shards_assigned(p, at, assigned) == SAGA_OK)
		return;
	(void)saga_error_set(&error, SAGA_NOMEM, "out of memory");
	saga__fatal(p, &error);
}

static void warn_of_store(struct saga_participant *p, const struct saga__connected *store)
{
	if (store->lowered)
		saga__log(p, SAGA_WARNING, "store.not_durable",
			"the store's URL lowers its durability: what is promised holds only until "
			"the power goes");
	if (*store->encoding)
		saga__log(p, SAGA_WARNING, "store.encoding",
			"the store's database has the encoding %s: a text that it can't hold is "
			"refused, and an event that has one becomes a dead letter; move it to a "
			"database with ENCODING 'UTF8'",
			store->encoding);
	if (store->reads_wait)
		saga__log(p, SAGA_WARNING, "store.reads_wait",
			"READ_COMMITTED_SNAPSHOT is off in the store's database: what is promised "
			"holds, but reads wait for batches that write, and deadlock with them");
	if (store->unsound)
		saga__log(p, SAGA_INFO, "store.old_sqlite",
			"SQLite before 3.51.3 can lose commits when a second connection to the "
			"file "
			"makes a checkpoint: open it beside this process by `saga` and `shop "
			"audit` "
			"only, which make none, and run no second instance on it");
}

static void lane_has_connected(
	struct saga_participant *p, size_t at, const struct saga__connected *connected)
{
	saga_error error;

	if (!p->known && at == 0)
		warn_of_store(p, connected);
	p->lane_up[at] = true;
	was_assigned(p, at, &connected->assigned);
	if (!all_up(p) || p->known)
		return;
	p->known = true;
	if (p->transport_ops && saga__transport_open(p, &error) != SAGA_OK)
		saga__fatal(p, &error);
}

static void make_calls(struct saga_participant *p, struct saga__committed *committed)
{
	struct saga__call *call;

	while ((call = committed->calls)) {
		committed->calls = call->next;
		/* A call that can't begin is made when its row falls due, or after the restart. */
		if (p->life != SAGA__RUNS || p->driver->call(p, call) != SAGA_OK)
			saga__call_free(call);
	}
}

static void answer_all(struct saga_participant *p, struct saga__items *answers)
{
	struct saga__item *item;

	while ((item = saga__items_pop(answers)))
		saga__answer(p, item);
}

static void batch_was_committed(
	struct saga_participant *p, size_t at, struct saga__committed *committed)
{
	count_lane(p, at, &committed->counts, false);
	p->dues[at] = committed->due;
	saga__numbers_add(&p->numbers, committed);
	saga__streams_committed(p, committed);
	make_calls(p, committed);
	answer_all(p, &committed->answers);
}

/* The lane goes on with rows that it could not trim at once; waiting work goes in between. */
static void outbox_was_trimmed(struct saga_participant *p, struct saga__lane *lane,
	const struct saga__outbox_trimmed *trimmed)
{
	const struct saga__lane_command again = { .kind = SAGA__COMMAND_TRIM,
		.as.trim = trimmed->again };

	/* A relay finds events missing that left the outbox unseen when it reads them. */
	if (p->publishes[trimmed->shard])
		saga__publish_trimmed(p->publishes[trimmed->shard], trimmed->first);
	if (trimmed->has_more && p->life == SAGA__RUNS)
		(void)saga__lane_give_command(lane, &again);
}

static void handle_notification(struct saga_participant *p, struct saga__notification *notification)
{
	size_t at = (size_t)(notification->lane - p->lanes);

	assert(at < p->lane_count);
	switch (notification->kind) {
	case SAGA__NOTIFY_CONNECTED:
		lane_has_connected(p, at, &notification->as.connected);
		break;
	case SAGA__NOTIFY_DISCONNECTED:
		p->lane_up[at] = false;
		break;
	case SAGA__NOTIFY_ASSIGNED:
		was_assigned(p, at, &notification->as.assigned);
		break;
	case SAGA__NOTIFY_RENEWED:
		saga__shards_renewed(p, &notification->as.renewal);
		break;
	case SAGA__NOTIFY_COMMITTED:
		batch_was_committed(p, at, &notification->as.committed);
		break;
	case SAGA__NOTIFY_ANSWERS:
		answer_all(p, &notification->as.answers);
		break;
	case SAGA__NOTIFY_READ:
		saga__streams_read(p, &notification->as.read);
		break;
	case SAGA__NOTIFY_TRIMMED:
		outbox_was_trimmed(p, notification->lane, &notification->as.trimmed);
		break;
	case SAGA__NOTIFY_POSITIONS:
		saga__broker_points(p, &notification->as.positions);
		break;
	case SAGA__NOTIFY_STOPPED:
		saga__halts_found(p, &notification->as.stopped);
		break;
	case SAGA__NOTIFY_FATAL:
		saga__fatal(p, &notification->as.error);
		break;
	case SAGA__NOTIFY_ENDED:
		p->lanes_ended++;
		p->lane_up[at] = false;
		break;
	}
	saga__notification_free(notification);
}

/* ---- the outbox's age ---- */

static void trim(struct saga_participant *p)
{
	int64_t now = saga__monotonic(&p->env);

	if (now < p->trim_at || !all_up(p) || !saga__shards_are_settled(p))
		return;
	p->trim_at = now + TRIM_MS;
	if (p->keeps)
		saga__kept_mark(p);
	for (unsigned shard = 0; shard < p->shards; shard++) {
		uint64_t seen = saga__streams_seen(p, shard);
		struct saga__lane_command command = { .kind = SAGA__COMMAND_TRIM,
			.as.trim = { .shard = shard,
				.last = SAGA__MUTANT(trim_unseen) ? UINT64_MAX / 4 : seen,
				.age = SAGA__MUTANT(retention_ignored) ? 1
								       : p->options.retention_ms,
				.most = TRIM_MOST } };

		if (!saga__works(p, shard))
			continue;
		if (seen)
			(void)saga__lane_give_command(saga__lane_of(p, shard), &command);
		command.as.trim.last = UINT64_MAX / 4;
		command.as.trim.age = p->options.retention_max_ms;
		command.as.trim.loud = p->keeps || p->followers[0];
		(void)saga__lane_give_command(saga__lane_of(p, shard), &command);
	}
}

/* ---- beginning and ending ---- */

static void begin(struct saga_participant *p)
{
	p->life = SAGA__RUNS;
	p->trim_at = saga__monotonic(&p->env) + TRIM_MS;
	for (size_t i = 0; p->options.lanes && i < p->lane_count; i++) {
		p->has_thread[i] =
			uv_thread_create(&p->threads[i], saga__lane_thread, &p->lanes[i]) == 0;
		if (!p->has_thread[i])
			saga__log(p, SAGA_WARNING, "lane.no_thread",
				"no thread for lane %zu: it runs on the loop", i);
	}
}

void saga__drop_leftovers(struct saga_participant *p)
{
	struct saga__item *item;

	for (size_t i = 0; i < p->lane_count; i++) {
		if (p->has_thread[i])
			(void)uv_thread_join(&p->threads[i]);
		while ((item = saga__lane_leftover(&p->lanes[i]))) {
			if (item->kind == SAGA__ITEM_REQUEST && item->answered)
				saga__answer_stopped(p, item);
			else
				saga__item_free(item);
		}
	}
}

static void interrupt_lanes(struct saga_participant *p)
{
	int64_t now = saga__monotonic(&p->env);

	if (now < p->interrupt_at)
		return;
	p->interrupt_at = now + INTERRUPT_MS;
	for (size_t i = 0; i < p->lane_count; i++)
		if (p->has_thread[i])
			saga__lane_interrupt(&p->lanes[i]);
}

static void stop(struct saga_participant *p)
{
	if (p->life == SAGA__OPENED)
		begin(p);
	if (p->life == SAGA__RUNS) {
		p->life = SAGA__STOPS;
		p->interrupt_at = saga__monotonic(&p->env) + p->limits.stop_ms;
		p->driver->drop_calls(p);
	}
	if (p->life == SAGA__STOPS && !p->driver->calls(p))
		for (size_t i = 0; i < p->lane_count; i++) {
			/* The first leaves for all: when the others have. */
			if (i == 0 && p->lanes_ended + 1 < p->lane_count)
				continue;
			saga__lane_stop(&p->lanes[i]);
			if (!p->has_thread[i])
				saga__wake(p);
		}
	if (p->life == SAGA__STOPS)
		interrupt_lanes(p);
	if (p->life != SAGA__STOPS || p->lanes_ended < p->lane_count)
		return;
	p->life = SAGA__CLOSES;
	saga__drop_leftovers(p);
	p->driver->alarm(p, -1);
	if (p->transport)
		p->transport_ops->close(p->transport);
	else
		p->driver->stop(p);
}

/* ---- idle ---- */

/*
 * Whether a parked row will be taken up by itself. What is behind a dead or stuck slot waits for an
 * operator, whose command is a row that is due at once.
 */
static bool awaits_parked(const struct saga_participant *p)
{
	for (size_t i = 0; i < p->lane_count; i++)
		if (p->dues[i].is_past || (p->counts.parked && p->dues[i].at != SAGA__NEVER))
			return true;
	return false;
}

static bool is_idle(struct saga_participant *p)
{
	bool any;

	if (!p->known || !all_up(p) || !saga__shards_are_settled(p) || awaits_parked(p) ||
		p->driver->calls(p) || ((p->keeps || p->followers[0]) && saga__streams_unseen(p)))
		return false;
	for (size_t i = 0; i < p->lane_count; i++)
		if (saga__lane_load(&p->lanes[i]))
			return false;
	uv_mutex_lock(&p->lock);
	any = p->notifications || p->inbox || p->kept.taken;
	uv_mutex_unlock(&p->lock);
	return !any;
}

static void publish_health(struct saga_participant *p)
{
	saga_health health = {
		.size = sizeof health,
		.store = p->known && all_up(p),
		.transport =
			!p->transport_ops || __atomic_load_n(&p->transport_up, __ATOMIC_ACQUIRE),
		.waiting = p->counts.waiting,
		.dead = p->counts.dead,
		.stuck = p->counts.stuck,
		.parked = p->counts.parked,
		.outbox = (int64_t)(p->keeps || p->followers[0] ? saga__streams_unseen(p) : 0),
		.shards = saga__share_count(p->worked),
		.instances = p->live,
	};

	saga__streams_count(p, &health);
	uv_mutex_lock(&p->lock);
	p->health = health;
	p->ticking = false;
	uv_mutex_unlock(&p->lock);
}

/* ---- a tick ---- */

static int64_t tick_lanes(struct saga_participant *p)
{
	int64_t soonest = -1;

	for (size_t i = 0; i < p->lane_count; i++) {
		int64_t wait = p->has_thread[i] ? -1 : saga__lane_tick(&p->lanes[i]);

		if (wait >= 0 && (soonest < 0 || wait < soonest))
			soonest = wait;
	}
	return soonest;
}

static void set_alarm(struct saga_participant *p, int64_t wait)
{
	int64_t now = saga__monotonic(&p->env), due = saga__streams_due(p);

	if (p->life == SAGA__RUNS && p->trim_at < due)
		due = p->trim_at;
	if (p->life == SAGA__STOPS && p->options.lanes && p->interrupt_at < due)
		due = p->interrupt_at;
	if (due != INT64_MAX && (wait < 0 || due - now < wait))
		wait = due > now ? due - now : 0;
	/* At once is by the wake: a timer of 0 would run again within this round of the loop. */
	p->driver->alarm(p, wait ? wait : -1);
	if (!wait)
		saga__wake(p);
}

void saga__tick(struct saga_participant *p)
{
	struct saga__notification *notification;
	int64_t wait;

	if (p->ticking || p->life >= SAGA__CLOSES)
		return;
	uv_mutex_lock(&p->lock);
	p->ticking = true;
	uv_mutex_unlock(&p->lock);
	if (p->life == SAGA__OPENED)
		begin(p);
	wait = tick_lanes(p);
	while ((notification = next_notification(p)))
		handle_notification(p, notification);
	saga__streams_tick(p);
	trim(p);
	if (p->options.stop_when_idle && is_idle(p))
		saga_stop(p);
	if (__atomic_load_n(&p->stop_asked, __ATOMIC_ACQUIRE))
		stop(p);
	publish_health(p);
	if (p->life < SAGA__CLOSES)
		set_alarm(p, wait);
}
