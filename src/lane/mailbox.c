#include "mailbox.h"

#include <assert.h>
#include <stdlib.h>

#include "../event/id.h"
#include "../step/call.h"

void saga__mailbox_init(struct saga__mailbox *mailbox, const struct saga_env *env, size_t most)
{
	*mailbox = (struct saga__mailbox){ .env = env, .most = most };
	saga__items_init(&mailbox->queue);
	saga__items_init(&mailbox->later);
	uv_mutex_init(&mailbox->lock);
	uv_cond_init(&mailbox->filled);
	uv_cond_init(&mailbox->drained);
}

void saga__mailbox_free(struct saga__mailbox *mailbox)
{
	struct saga__lane_command *command;
	struct saga__item *item;

	while ((item = saga__mailbox_leftover(mailbox)))
		saga__item_free(item);
	while ((command = mailbox->commands)) {
		mailbox->commands = command->next;
		free(command);
	}
	uv_cond_destroy(&mailbox->drained);
	uv_cond_destroy(&mailbox->filled);
	uv_mutex_destroy(&mailbox->lock);
}

/* ---- any thread ---- */

static bool is_full(const struct saga__mailbox *mailbox)
{
	return mailbox->queue.count + mailbox->later.count + mailbox->busy >= mailbox->most;
}

/* Until the lane has ended it takes what must not be lost. */
static bool takes_no_more(const struct saga__mailbox *mailbox, bool always)
{
	return mailbox->state == SAGA__MAILBOX_CLOSED ||
		(mailbox->state == SAGA__MAILBOX_STOPPING && !always);
}

int saga__mailbox_push(
	struct saga__mailbox *mailbox, struct saga__item *item, bool always, int wait_ms)
{
	int64_t until = saga__monotonic(mailbox->env) + wait_ms;
	int code = SAGA_OK;

	item->came = until - wait_ms;
	uv_mutex_lock(&mailbox->lock);
	while (!always && is_full(mailbox) && mailbox->state == SAGA__MAILBOX_OPEN) {
		int64_t left = until - saga__monotonic(mailbox->env);

		if (left <= 0)
			break;
		(void)uv_cond_timedwait(
			&mailbox->drained, &mailbox->lock, (uint64_t)left * 1000000);
	}
	if (takes_no_more(mailbox, always))
		code = SAGA_STOPPED;
	else if (!always && is_full(mailbox))
		code = SAGA_BUSY;
	else
		saga__items_push(&mailbox->queue, item);
	uv_mutex_unlock(&mailbox->lock);
	uv_cond_signal(&mailbox->filled); /* the thread that wakes finds the lock free */
	return code;
}

/* The place of the next command; of an assignment, also that of the last one: only it counts. */
static struct saga__lane_command **place_of(
	struct saga__mailbox *mailbox, enum saga__lane_command_kind kind)
{
	struct saga__lane_command **at = &mailbox->commands;

	while (*at && (kind != SAGA__COMMAND_ASSIGN || (*at)->kind != kind))
		at = &(*at)->next;
	return at;
}

int saga__mailbox_give_command(
	struct saga__mailbox *mailbox, const struct saga__lane_command *command)
{
	struct saga__lane_command *copy = malloc(sizeof *copy), **place, *before;

	if (!copy)
		return SAGA_NOMEM;
	*copy = *command;
	uv_mutex_lock(&mailbox->lock);
	place = place_of(mailbox, command->kind);
	before = *place;
	assert(!before || before->kind == SAGA__COMMAND_ASSIGN);
	copy->next = before ? before->next : NULL;
	*place = copy;
	uv_mutex_unlock(&mailbox->lock);
	uv_cond_signal(&mailbox->filled);
	free(before);
	return SAGA_OK;
}

void saga__mailbox_look(struct saga__mailbox *mailbox)
{
	uv_mutex_lock(&mailbox->lock);
	mailbox->looks_asked++;
	uv_mutex_unlock(&mailbox->lock);
	uv_cond_signal(&mailbox->filled);
}

void saga__mailbox_stop(struct saga__mailbox *mailbox)
{
	uv_mutex_lock(&mailbox->lock);
	if (mailbox->state == SAGA__MAILBOX_OPEN)
		mailbox->state = SAGA__MAILBOX_STOPPING;
	uv_cond_broadcast(&mailbox->filled);
	uv_cond_broadcast(&mailbox->drained);
	uv_mutex_unlock(&mailbox->lock);
}

/* Under the lock, so that the connection is not closed meanwhile. */
void saga__mailbox_interrupt(struct saga__mailbox *mailbox, void (*interrupt)(void *connection))
{
	uv_mutex_lock(&mailbox->lock);
	if (mailbox->state != SAGA__MAILBOX_OPEN && mailbox->connection && interrupt)
		interrupt(mailbox->connection);
	uv_mutex_unlock(&mailbox->lock);
}

size_t saga__mailbox_load(struct saga__mailbox *mailbox)
{
	size_t load;

	uv_mutex_lock(&mailbox->lock);
	load = mailbox->queue.count + mailbox->later.count + mailbox->busy + mailbox->behind;
	uv_mutex_unlock(&mailbox->lock);
	return load;
}

int64_t saga__mailbox_oldest(struct saga__mailbox *mailbox)
{
	int64_t oldest;

	uv_mutex_lock(&mailbox->lock);
	oldest = mailbox->busy ? mailbox->busy_since : 0;
	if (mailbox->queue.first && (!oldest || mailbox->queue.first->came < oldest))
		oldest = mailbox->queue.first->came;
	for (const struct saga__item *item = mailbox->later.first; item; item = item->next)
		if (!oldest || item->came < oldest)
			oldest = item->came;
	uv_mutex_unlock(&mailbox->lock);
	return oldest;
}

struct saga__item *saga__mailbox_leftover(struct saga__mailbox *mailbox)
{
	struct saga__item *item = saga__items_pop(&mailbox->queue);

	return item ? item : saga__items_pop(&mailbox->later);
}

/* ---- the lane's thread ---- */

bool saga__mailbox_is_stopping(struct saga__mailbox *mailbox)
{
	bool stopping;

	uv_mutex_lock(&mailbox->lock);
	stopping = mailbox->state != SAGA__MAILBOX_OPEN;
	uv_mutex_unlock(&mailbox->lock);
	return stopping;
}

void saga__mailbox_close(struct saga__mailbox *mailbox)
{
	uv_mutex_lock(&mailbox->lock);
	assert(mailbox->state == SAGA__MAILBOX_STOPPING);
	mailbox->state = SAGA__MAILBOX_CLOSED;
	uv_mutex_unlock(&mailbox->lock);
}

void saga__mailbox_show_connection(struct saga__mailbox *mailbox, void *connection)
{
	uv_mutex_lock(&mailbox->lock);
	mailbox->connection = connection;
	uv_mutex_unlock(&mailbox->lock);
}

struct saga__lane_command *saga__mailbox_next_command(struct saga__mailbox *mailbox)
{
	struct saga__lane_command *command;

	uv_mutex_lock(&mailbox->lock);
	if ((command = mailbox->commands))
		mailbox->commands = command->next;
	uv_mutex_unlock(&mailbox->lock);
	return command;
}

void saga__mailbox_return_command(struct saga__mailbox *mailbox, struct saga__lane_command *command)
{
	uv_mutex_lock(&mailbox->lock);
	command->next = mailbox->commands;
	mailbox->commands = command;
	uv_mutex_unlock(&mailbox->lock);
}

size_t saga__mailbox_await(struct saga__mailbox *mailbox, size_t count, int wait_ms)
{
	int64_t until = wait_ms ? saga__monotonic(mailbox->env) + wait_ms : 0, left;
	size_t looks;

	uv_mutex_lock(&mailbox->lock);
	while (wait_ms && mailbox->queue.first && mailbox->queue.count < count &&
		mailbox->state == SAGA__MAILBOX_OPEN &&
		(left = until - saga__monotonic(mailbox->env)) > 0)
		(void)uv_cond_timedwait(&mailbox->filled, &mailbox->lock, (uint64_t)left * 1000000);
	looks = mailbox->looks_asked;
	uv_mutex_unlock(&mailbox->lock);
	return looks;
}

static void take(struct saga__mailbox *mailbox, const struct saga__item *item)
{
	if (!mailbox->busy++)
		mailbox->busy_since = item->came;
}

static void sift(struct saga__mailbox *mailbox, struct saga__items *list,
	enum saga__sift (*visit)(void *context, struct saga__item *item), void *context)
{
	enum saga__sift sifted = SAGA__LEAVE;
	struct saga__items left;
	struct saga__item *item;

	saga__items_init(&left);
	while (sifted != SAGA__ENOUGH && (item = saga__items_pop(list))) {
		sifted = visit(context, item);
		switch (sifted) {
		case SAGA__LEAVE:
			saga__items_push(&left, item);
			break;
		case SAGA__TAKE:
			take(mailbox, item);
			break;
		case SAGA__DROP:
			saga__item_free(item);
			break;
		case SAGA__ENOUGH:
			saga__items_push_front(list, item);
			break;
		}
	}
	if (!left.first)
		return;
	saga__items_move(&left, list);
	saga__items_move(list, &left);
}

void saga__mailbox_sift(struct saga__mailbox *mailbox, unsigned lists,
	enum saga__sift (*visit)(void *context, struct saga__item *item), void *context)
{
	uv_mutex_lock(&mailbox->lock);
	if (lists & SAGA__SIFT_LATER)
		sift(mailbox, &mailbox->later, visit, context);
	if (lists & SAGA__SIFT_QUEUE)
		sift(mailbox, &mailbox->queue, visit, context);
	uv_mutex_unlock(&mailbox->lock);
}

void saga__mailbox_put_back(struct saga__mailbox *mailbox, struct saga__item **items, size_t count)
{
	uv_mutex_lock(&mailbox->lock);
	while (count)
		saga__items_push_front(&mailbox->queue, items[--count]);
	mailbox->busy = 0;
	uv_mutex_unlock(&mailbox->lock);
}

bool saga__mailbox_settle(struct saga__mailbox *mailbox, struct saga__items *own,
	struct saga__items *later, bool behind)
{
	bool is_empty;

	uv_mutex_lock(&mailbox->lock);
	saga__items_move(&mailbox->queue, own);
	saga__items_move(&mailbox->later, later);
	mailbox->busy = 1; /* no other thread must see an idle lane before the loop was told */
	mailbox->behind = behind;
	is_empty = !mailbox->queue.first && !behind;
	uv_cond_broadcast(&mailbox->drained);
	uv_mutex_unlock(&mailbox->lock);
	return is_empty;
}

void saga__mailbox_rest(struct saga__mailbox *mailbox)
{
	uv_mutex_lock(&mailbox->lock);
	mailbox->busy = 0;
	uv_cond_broadcast(&mailbox->drained);
	uv_mutex_unlock(&mailbox->lock);
}

void saga__mailbox_set_behind(struct saga__mailbox *mailbox, bool behind)
{
	uv_mutex_lock(&mailbox->lock);
	mailbox->behind = behind;
	uv_mutex_unlock(&mailbox->lock);
}

static bool has_answer(const struct saga__mailbox *mailbox, saga_id parked)
{
	for (const struct saga__item *item = mailbox->queue.first; item; item = item->next)
		if (item->kind == SAGA__ITEM_ANSWER && saga__id_same(item->call->parked, parked))
			return true;
	return false;
}

bool saga__mailbox_has_answer(struct saga__mailbox *mailbox, saga_id parked)
{
	bool has;

	uv_mutex_lock(&mailbox->lock);
	has = has_answer(mailbox, parked);
	uv_mutex_unlock(&mailbox->lock);
	return has;
}

void saga__mailbox_put_off(
	struct saga__mailbox *mailbox, const struct saga__item *item, int64_t ready)
{
	struct saga__items others;
	struct saga__item *one;
	bool found = false;

	saga__items_init(&others);
	uv_mutex_lock(&mailbox->lock);
	while ((one = saga__items_pop(&mailbox->queue))) {
		saga__items_push(one == item ? &mailbox->later : &others, one);
		if (one == item) {
			one->ready = ready;
			found = true;
		}
	}
	saga__items_move(&mailbox->queue, &others);
	uv_mutex_unlock(&mailbox->lock);
	assert(found);
	(void)found;
}

int64_t saga__mailbox_ready_in(struct saga__mailbox *mailbox, const size_t *looks)
{
	int64_t now = saga__monotonic(mailbox->env), soonest = -1;

	uv_mutex_lock(&mailbox->lock);
	for (const struct saga__item *item = mailbox->later.first; item; item = item->next) {
		int64_t left = item->ready > now ? item->ready - now : 0;

		if (soonest < 0 || left < soonest)
			soonest = left;
	}
	if (mailbox->queue.first || (looks && *looks != mailbox->looks_asked))
		soonest = 0;
	uv_mutex_unlock(&mailbox->lock);
	return soonest;
}

static bool is_woken(const struct saga__mailbox *mailbox, const struct saga__wakers *wakers)
{
	return mailbox->state != SAGA__MAILBOX_OPEN || (wakers->commands && mailbox->commands) ||
		(wakers->items && mailbox->queue.first) ||
		(wakers->looks && *wakers->looks != mailbox->looks_asked) ||
		(!saga__id_is_zero(wakers->answer) && has_answer(mailbox, wakers->answer));
}

void saga__mailbox_wait(
	struct saga__mailbox *mailbox, const struct saga__wakers *wakers, int64_t ms)
{
	assert(ms);
	uv_mutex_lock(&mailbox->lock);
	if (is_woken(mailbox, wakers))
		ms = 0;
	if (ms < 0)
		uv_cond_wait(&mailbox->filled, &mailbox->lock);
	else if (ms)
		(void)uv_cond_timedwait(&mailbox->filled, &mailbox->lock, (uint64_t)ms * 1000000);
	uv_mutex_unlock(&mailbox->lock);
}
