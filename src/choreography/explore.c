#include "explore.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proofs.h"

enum {
	EACH = 65536 /* states between two calls of progress */
};

/* ---- breadth first: so the first way to a state is a shortest one ---- */

struct step {
	struct saga__exploration *e;
	uint32_t from;
	bool rests;
	bool no_memory;
	uint16_t *happened;
	uint32_t cells[SAGA__WORLD_CELLS];
	unsigned char packed[SAGA__WORLD_CELLS * sizeof(uint32_t)];
};

static void packed_of(const struct saga__world *world, const uint32_t *cells, uint32_t *sorted,
	unsigned char *packed)
{
	memcpy(sorted, cells, world->cell_count * sizeof *cells);
	saga__world_sort(world, sorted);
	saga__world_pack(world, sorted, packed);
}

static void take(void *context, const struct saga__move *move, const uint32_t *cells)
{
	struct step *s = context;
	uint32_t state;

	s->e->moves++;
	if (move->kind == SAGA__OF_ITSELF)
		s->rests = false;
	s->happened[s->e->world->slots[move->slot].at_step] |= (uint16_t)(1u << move->what);
	packed_of(s->e->world, cells, s->cells, s->packed);
	if (!saga__states_add(&s->e->states, s->packed, s->from, &state))
		s->no_memory = true;
}

static void note_end(struct saga__exploration *e, const struct saga__proofs *proofs,
	const struct saga__events *out)
{
	char text[SAGA__END_TEXT];

	saga__proofs_ends(proofs, out, text, sizeof text);
	for (unsigned i = 0; i < e->end_count; i++)
		if (strcmp(e->ends[i], text) == 0)
			return;
	if (e->end_count < SAGA__ENDS_MOST)
		memcpy(e->ends[e->end_count++], text, sizeof text);
}

static bool is_wanted(const struct saga__exploration *e, const struct saga__events *out)
{
	for (unsigned b = 0; e->wants && b < e->world->event_count; b++)
		if (e->world->events[b].type == e->wanted && saga__events_have(out, b))
			return true;
	return false;
}

static int spread(struct saga__exploration *e, const struct saga__proofs *proofs, struct step *s)
{
	uint32_t cells[SAGA__WORLD_CELLS];
	struct saga__events out;

	for (uint32_t i = 0; i < e->states.count; i++) {
		saga__world_unpack(e->world, saga__states_at(&e->states, i), cells);
		saga__world_out(e->world, cells, &out);
		saga__proofs_always(proofs, cells, &out, i, &e->findings);
		s->from = i;
		s->rests = true;
		saga__moves(e->world, cells, &out, take, s);
		if (s->no_memory || e->findings.no_memory)
			return SAGA_NOMEM;
		if (s->rests) {
			e->rests++;
			note_end(e, proofs, &out);
			saga__proofs_at_rest(proofs, cells, &out, i, &e->findings);
			if (is_wanted(e, &out)) {
				e->reached = i;
				return SAGA_OK;
			}
		}
		if (e->states.count > e->limit)
			return SAGA_OK;
		if (e->progress && i % EACH == EACH - 1)
			e->progress(e->user, e->states.count, e->states.count - i);
	}
	e->whole = true;
	return SAGA_OK;
}

/* ---- from everywhere rest must be in reach ---- */

struct looking {
	const struct saga__exploration *e;
	const unsigned char *good;
	bool rests;
	bool leads;
	uint32_t cells[SAGA__WORLD_CELLS];
	unsigned char packed[SAGA__WORLD_CELLS * sizeof(uint32_t)];
};

static void look(void *context, const struct saga__move *move, const uint32_t *cells)
{
	struct looking *l = context;
	const struct saga__world *world = l->e->world;
	uint32_t state;

	if (move->kind == SAGA__OF_ITSELF)
		l->rests = false;
	else if (move->kind == SAGA__DIES || !world->slots[move->slot].step->owed)
		return;
	if (l->leads)
		return;
	packed_of(world, cells, l->cells, l->packed);
	state = saga__states_find(&l->e->states, l->packed);
	assert(state != SAGA__NO_PARENT);
	l->leads = l->good[state / 8] >> (state % 8) & 1;
}

/* Last states first, since most moves lead to later ones: few passes are enough. */
static bool pass(struct looking *l, unsigned char *good)
{
	const struct saga__exploration *e = l->e;
	uint32_t cells[SAGA__WORLD_CELLS];
	bool more = false;

	for (uint32_t i = e->states.count; i-- > 0;) {
		struct saga__events out;

		if (good[i / 8] >> (i % 8) & 1)
			continue;
		saga__world_unpack(e->world, saga__states_at(&e->states, i), cells);
		saga__world_out(e->world, cells, &out);
		l->rests = true;
		l->leads = false;
		saga__moves(e->world, cells, &out, look, l);
		if (!l->rests && !l->leads)
			continue;
		good[i / 8] |= (unsigned char)(1u << (i % 8));
		more = true;
	}
	return more;
}

static bool may_go_round(const struct saga__choreography *all)
{
	for (unsigned i = 0; i < all->step_count; i++)
		for (unsigned k = 0; k < all->steps[i].after_count; k++)
			if (all->steps[i].after[k].again)
				return true;
	return false;
}

static int find_loops(struct saga__exploration *e)
{
	unsigned char *good;
	struct looking *l;

	if (!e->whole || !may_go_round(e->all))
		return SAGA_OK;
	good = calloc(e->states.count / 8 + 1, 1);
	l = calloc(1, sizeof *l);
	if (!good || !l) {
		free(good);
		free(l);
		return SAGA_NOMEM;
	}
	l->e = e;
	l->good = good;
	while (pass(l, good))
		;
	for (uint32_t i = 0; i < e->states.count; i++)
		if (!(good[i / 8] >> (i % 8) & 1)) {
			saga__findings_add(&e->findings, SAGA_FINDING_BREACH, i,
				"it goes round for ever, and nothing that must come ends that");
			break;
		}
	free(good);
	free(l);
	return SAGA_OK;
}

/* ---- what is declared and never happens ---- */

#define DID(what) (1u << SAGA__##what)

static void warn(struct saga__exploration *e, const uint16_t *happened)
{
	for (unsigned i = 0; e->whole && i < e->all->step_count; i++) {
		const struct saga__model_step *s = &e->all->steps[i];
		unsigned did = happened[i];

		if (saga__world_slot(e->world, i, 1) == SAGA__NONE)
			continue;
		if (!(did & (DID(EMITTED) | DID(ANSWERED_YES))))
			saga__findings_add(&e->findings, SAGA_FINDING_WARNING, SAGA__NO_STATE,
				"%s can never take effect", s->name);
		if (s->undo_on.count && !(did & (DID(UNDID) | DID(ANSWERED_UNDO))))
			saga__findings_add(&e->findings, SAGA_FINDING_WARNING, SAGA__NO_STATE,
				"%s can never be undone", s->name);
		if (s->bar_on.count && !(did & DID(BARRED_IT)))
			saga__findings_add(&e->findings, SAGA_FINDING_WARNING, SAGA__NO_STATE,
				"%s can never be barred", s->name);
		if (s->rejects.count && !s->request &&
			!(did & (DID(REJECTED_IT) | DID(ANSWERED_NO) | DID(BARRED_IT))))
			saga__findings_add(&e->findings, SAGA_FINDING_WARNING, SAGA__NO_STATE,
				"%s can never reject", s->name);
	}
}

int saga__explore(struct saga__exploration *e, saga_error *error)
{
	struct saga__proofs *proofs = saga__proofs_make(e->all, e->world);
	struct step *s = calloc(1, sizeof *s);
	uint16_t *happened =
		saga__arena_calloc(&e->all->arena, e->all->step_count + 1, sizeof *happened);
	uint32_t first;
	int code = SAGA_NOMEM;

	e->reached = SAGA__NO_STATE;
	if (proofs && s && happened && saga__states_init(&e->states, e->world->packed)) {
		s->e = e;
		s->happened = happened;
		saga__moves_start(e->world, s->cells);
		saga__world_pack(e->world, s->cells, s->packed);
		code = saga__states_add(&e->states, s->packed, SAGA__NO_PARENT, &first)
			? spread(e, proofs, s)
			: SAGA_NOMEM;
		if (code == SAGA_OK)
			code = find_loops(e);
		if (code == SAGA_OK)
			warn(e, happened);
	}
	free(s);
	if (code != SAGA_OK || e->findings.no_memory)
		return saga_error_set(error, SAGA_NOMEM, "out of memory after %zu states",
			(size_t)e->states.count);
	return SAGA_OK;
}

/* ---- the way to a state ---- */

struct finding_move {
	const struct saga__exploration *e;
	const unsigned char *wanted;
	struct saga__move *move;
	bool found;
	uint32_t cells[SAGA__WORLD_CELLS];
	unsigned char packed[SAGA__WORLD_CELLS * sizeof(uint32_t)];
};

static void find(void *context, const struct saga__move *move, const uint32_t *cells)
{
	struct finding_move *f = context;

	if (f->found)
		return;
	packed_of(f->e->world, cells, f->cells, f->packed);
	if (memcmp(f->packed, f->wanted, f->e->states.size) != 0)
		return;
	*f->move = *move;
	f->found = true;
}

static void find_move(struct finding_move *f, uint32_t from, uint32_t to, struct saga__move *move)
{
	const struct saga__exploration *e = f->e;
	uint32_t cells[SAGA__WORLD_CELLS];
	struct saga__events out;

	saga__world_unpack(e->world, saga__states_at(&e->states, from), cells);
	saga__world_out(e->world, cells, &out);
	f->wanted = saga__states_at(&e->states, to);
	f->move = move;
	f->found = false;
	saga__moves(e->world, cells, &out, find, f);
	assert(f->found);
}

struct saga__move *saga__explored_way(
	const struct saga__exploration *e, uint32_t state, size_t *ret_count)
{
	struct finding_move *f = calloc(1, sizeof *f);
	struct saga__move *way;
	size_t count = 0;

	for (uint32_t at = state; saga__states_parent(&e->states, at) != SAGA__NO_PARENT; count++)
		at = saga__states_parent(&e->states, at);
	way = calloc(count + 1, sizeof *way);
	if (!f || !way) {
		free(f);
		free(way);
		return NULL;
	}
	*ret_count = count;
	f->e = e;
	for (uint32_t at = state; count-- > 0; at = saga__states_parent(&e->states, at))
		find_move(f, saga__states_parent(&e->states, at), at, &way[count]);
	free(f);
	return way;
}
