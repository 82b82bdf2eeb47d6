/* What is to happen and when, chance, and the network. */

#include "simulation.h"

const char *const sim_names[] = { "payment", "stock", "mail", NULL };
const struct saga__stream sim_stream = { { { 1, 2, 3 } }, 5 };

uint64_t sim_draw(struct sim *sim, uint64_t below)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return (sim->random * 0x2545f4914f6cdd1du >> 11) % below;
}

bool sim_chance(struct sim *sim, unsigned percent)
{
	return sim_draw(sim, 100) < percent;
}

void sim_fill_random(void *context, void *buffer, size_t size)
{
	unsigned char *at = buffer;

	for (size_t i = 0; i < size; i++)
		at[i] = (unsigned char)sim_draw(context, 256);
}

/* ---- what is to happen ---- */

static bool sooner(const struct pending *a, const struct pending *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct pending **a, struct pending **b)
{
	struct pending *c = *a;

	*a = *b;
	*b = c;
}

struct pending *sim_later(struct sim *sim, int kind, int who, int64_t in)
{
	struct pending *pending = sim->spare ? sim->spare : malloc(sizeof *pending);
	size_t i = sim->pending++;

	if (sim->pending > sim->room) {
		sim->room = sim->room ? 2 * sim->room : 64;
		sim->heap = realloc(sim->heap, sim->room * sizeof(struct pending *));
	}
	HOLDS(sim, pending && sim->heap, "memory");
	sim->spare = pending == sim->spare ? pending->next : sim->spare;
	pending->at = sim->now + in;
	pending->order = sim->order++;
	pending->kind = kind;
	pending->who = who;
	pending->life = 0;
	sim->heap[i] = pending;
	for (; i && sooner(sim->heap[i], sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
	return pending;
}

struct pending *sim_pop(struct sim *sim)
{
	struct pending *top = sim->heap[0];
	size_t i = 0, count = --sim->pending;

	sim->heap[0] = sim->heap[count];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < count && sooner(sim->heap[child], sim->heap[least]))
				least = child;
		if (least == i)
			return top;
		swap(&sim->heap[i], &sim->heap[least]);
		i = least;
	}
}

/* ---- the network ---- */

static int64_t travel(struct sim *sim)
{
	if (!sim->lossy)
		return 1 + (int64_t)sim_draw(sim, 3);
	return sim_chance(sim, 3) ? (int64_t)sim_draw(sim, 600) : 1 + (int64_t)sim_draw(sim, 15);
}

static void carry(struct sim *sim, int to, const unsigned char *frame, size_t size)
{
	int copies = 1;

	if (sim->lossy)
		copies = sim_chance(sim, 30) ? 0 : sim_chance(sim, 8) ? 2 : 1;
	for (; copies; copies--) {
		struct pending *pending = sim_later(sim, NET, to, travel(sim));

		memcpy(pending->frame, frame, size);
		pending->size = size;
	}
	sim->frames++;
}

void sim_post(struct sim *sim, int from, const char *to, const struct saga__message *message)
{
	unsigned char frame[FRAME];
	size_t size = saga__frame_encode(message, frame, sizeof frame);

	HOLDS(sim, size, "kind %d can't be encoded", message->kind);
	if (from >= 0) {
		if (!sim->followers[from].mute)
			carry(sim, -1, frame, size);
		return;
	}
	for (int i = 0; i < FOLLOWERS; i++)
		if ((!to || strcmp(to, sim_names[i]) == 0) && !sim->followers[i].deaf)
			carry(sim, i, frame, size);
}
