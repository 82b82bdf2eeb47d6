/* The happenings to come, the soonest first: a binary heap. */

#include <stdlib.h>

#include "world.h"

static bool is_before(const struct saga__happening *a, const struct saga__happening *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct saga__happening **a, struct saga__happening **b)
{
	struct saga__happening *c = *a;

	*a = *b;
	*b = c;
}

static bool make_room(struct saga__queue *queue)
{
	size_t room = queue->room ? 2 * queue->room : 256;
	struct saga__happening **more;

	if (queue->count < queue->room)
		return true;
	if (!(more = realloc(queue->heap, room * sizeof(struct saga__happening *))))
		return false;
	queue->heap = more;
	queue->room = room;
	return true;
}

static void drop(struct saga__happening *happening)
{
	if (happening->drop)
		happening->drop(happening);
	free(happening);
}

void saga__sim_push(saga_sim *sim, struct saga__happening *happening, int64_t at)
{
	struct saga__queue *queue = &sim->queue;
	size_t i = queue->count;

	if (!make_room(queue)) {
		drop(happening);
		saga__sim_no_memory(sim);
		return;
	}
	happening->at = at > sim->now ? at : sim->now;
	happening->order = queue->orders++;
	queue->heap[queue->count++] = happening;
	while (i && is_before(queue->heap[i], queue->heap[(i - 1) / 2])) {
		swap(&queue->heap[i], &queue->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

struct saga__happening *saga__queue_pop(struct saga__queue *queue)
{
	struct saga__happening *first;
	size_t i = 0, least;

	if (!queue->count)
		return NULL;
	first = queue->heap[0];
	queue->heap[0] = queue->heap[--queue->count];
	for (;;) {
		least = i;
		for (size_t child = 2 * i + 1; child < 2 * i + 3 && child < queue->count; child++)
			if (is_before(queue->heap[child], queue->heap[least]))
				least = child;
		if (least == i)
			return first;
		swap(&queue->heap[i], &queue->heap[least]);
		i = least;
	}
}

void saga__queue_free(struct saga__queue *queue)
{
	while (queue->count)
		drop(queue->heap[--queue->count]);
	free(queue->heap);
	queue->heap = NULL;
}

void *saga__sim_new_happening(saga_sim *sim, size_t size, struct saga__member *member,
	void (*happen)(saga_sim *sim, struct saga__happening *happening))
{
	struct saga__happening *happening = calloc(1, size);

	if (!happening) {
		saga__sim_no_memory(sim);
		return NULL;
	}
	happening->happen = happen;
	happening->member = member;
	return happening;
}
