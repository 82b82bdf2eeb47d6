#include "relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <saga/error.h>

#include "../backoff.h"
#include "../event/id.h"
#include "../mutation.h"

enum {
	READ_MOST = 256, /* events that are asked for at once */
	MARKS = 16
};

enum place_state {
	EMPTY,   /* not in memory */
	WAITS,   /* to be sent */
	LEFT,    /* sent */
	DOUBLED, /* the broker says that it has it; the relay looks at the place to be sure */
	REFUSED, /* by the broker, which is to be written down */
	DONE     /* with the broker, or nowhere */
};

struct place {
	struct saga__blob *event;
	saga_id id;
	int64_t left; /* when it was sent; DOUBLED: when the relay asked */
	uint64_t at;  /* DOUBLED: the broker's place that is looked at */
	enum place_state state;
	bool again;    /* it left before */
	bool asked;    /* DOUBLED */
	unsigned lost; /* times that the broker called it a double of what it had lost */
};

/* The events that an incident makes the relay send again. */
struct incident {
	uint64_t upto; /* events up to there are sent again; 0: none is under way */
	uint64_t sent, lost;
	bool begins; /* after a start: nobody knows which of them the broker had confirmed */
	bool over;   /* to be told */
};

/* At that time all up to there was with the broker. */
struct mark {
	uint64_t seq;
	int64_t at;
};

struct saga__relay {
	struct saga__relay_config config;
	struct place *places; /* of those behind `done`, by seq modulo ring */
	bool runs;
	uint64_t done;         /* all up to here is with the broker */
	uint64_t next;         /* behind done; none below waits or is empty */
	uint64_t last;         /* committed */
	size_t left;           /* places in that state */
	size_t unasked, asked; /* places that are DOUBLED */
	int64_t check;         /* none that left or was asked is overdue before; INT64_MAX: none */
	int64_t wait;          /* until it is */
	int stale_reads;
	bool reading;
	int64_t read_again; /* not before; after a READ that came to nothing */
	uint64_t read_first, read_last;
	uint64_t settled;
	struct mark marks[MARKS]; /* in order; the first is the oldest */
	size_t mark_count;
	uint64_t resent;
	uint64_t first; /* that the outbox held at the start */
	uint64_t place; /* the highest that was confirmed */
	struct incident incident;
	uint64_t lost;
	uint64_t stuck; /* an event that is to be told; 0: none */
};

int saga__relay_new(const struct saga__relay_config *config, struct saga__relay **ret_relay)
{
	struct saga__relay *relay;

	if (config->window < 1 || config->window > 65536 || config->ring < config->window ||
		config->ring > 65536 || config->again_min_ms < 1 ||
		config->again_max_ms < config->again_min_ms || config->settle_ms < 0)
		return SAGA_MISUSE;
	if (!(relay = calloc(1, sizeof *relay)))
		return SAGA_NOMEM;
	relay->config = *config;
	if (!(relay->places = calloc(config->ring, sizeof *relay->places))) {
		free(relay);
		return SAGA_NOMEM;
	}
	*ret_relay = relay;
	return SAGA_OK;
}

static void forget(struct saga__relay *relay)
{
	for (size_t i = 0; i < relay->config.ring; i++)
		saga__blob_unref(relay->places[i].event);
	memset(relay->places, 0, relay->config.ring * sizeof *relay->places);
	relay->left = relay->unasked = relay->asked = 0;
	relay->check = INT64_MAX;
}

void saga__relay_free(struct saga__relay *relay)
{
	if (!relay)
		return;
	forget(relay);
	free(relay->places);
	free(relay);
}

/* All behind `settled` is sent, or sent again. */
static void go_back(struct saga__relay *relay, uint64_t settled)
{
	forget(relay);
	relay->stale_reads += relay->reading;
	relay->reading = false;
	relay->read_again = 0;
	relay->done = settled > relay->first - 1 ? settled : relay->first - 1;
	relay->next = relay->done + 1;
	relay->settled = relay->done;
	relay->mark_count = 0;
	relay->wait = relay->config.again_min_ms;
}

void saga__relay_start(struct saga__relay *relay, uint64_t first, uint64_t last, uint64_t settled)
{
	relay->runs = true;
	relay->first = first ? first : 1;
	relay->last = last;
	/* A position of a store that was set back is beyond what there is. */
	go_back(relay, settled < last ? settled : last);
	relay->place = 0;
	/* The broker may have had, and lost, any of them before. */
	relay->incident =
		(struct incident){ .upto = last > relay->done ? last : 0, .begins = true };
}

void saga__relay_settles_in(struct saga__relay *relay, int settle_ms)
{
	relay->config.settle_ms = settle_ms;
}

void saga__relay_stop(struct saga__relay *relay)
{
	relay->runs = false;
	forget(relay);
}

uint64_t saga__relay_last(const struct saga__relay *relay)
{
	return relay->last;
}

/* NULL: it is with the broker already, or too far ahead for memory. */
static struct place *place_of(struct saga__relay *relay, uint64_t seq)
{
	if (!relay->runs || seq <= relay->done || seq > relay->done + relay->config.ring)
		return NULL;
	return &relay->places[seq % relay->config.ring];
}

/* Up to which seq there may be places that are in use. */
static uint64_t end_of_ring(const struct saga__relay *relay)
{
	uint64_t end = relay->done + relay->config.ring;

	return relay->last < end ? relay->last : end;
}

static void keep(struct saga__relay *relay, uint64_t seq, saga_id id, struct saga__blob *event)
{
	struct place *place = place_of(relay, seq);

	if (!place || place->state != EMPTY || !event)
		return;
	place->event = saga__blob_ref(event);
	place->id = id;
	place->state = WAITS;
	if (seq < relay->next)
		relay->next = seq;
}

void saga__relay_committed(
	struct saga__relay *relay, uint64_t seq, saga_id id, struct saga__blob *event)
{
	if (!relay->runs)
		return;
	if (seq > relay->last)
		relay->last = seq;
	keep(relay, seq, id, event);
}

void saga__relay_read(struct saga__relay *relay, uint64_t seq, saga_id id, struct saga__blob *event)
{
	if (!relay->stale_reads && relay->reading)
		keep(relay, seq, id, event);
}

/* ---- with the broker ---- */

static void mark(struct saga__relay *relay, int64_t now)
{
	const struct mark *newest = relay->mark_count ? &relay->marks[relay->mark_count - 1] : NULL;
	int64_t apart = relay->config.settle_ms / (MARKS - 2);

	if (relay->mark_count == MARKS ||
		(newest && (newest->seq == relay->done || now - newest->at < apart)))
		return;
	if (relay->done > relay->settled)
		relay->marks[relay->mark_count++] = (struct mark){ relay->done, now };
}

/* All that had to be sent again was answered, and is where the broker says. */
static void check_incident(struct saga__relay *relay)
{
	struct incident *incident = &relay->incident;

	if (!incident->upto || relay->done < incident->upto)
		return;
	incident->over = true;
	incident->upto = 0;
}

/* The first places are given up once their events are done. */
static void go_on(struct saga__relay *relay, int64_t now)
{
	struct place *place;

	while (relay->done < relay->last && (place = place_of(relay, relay->done + 1)) &&
		place->state == DONE) {
		memset(place, 0, sizeof *place);
		relay->done++;
	}
	if (relay->next <= relay->done)
		relay->next = relay->done + 1;
	mark(relay, now);
	check_incident(relay);
	assert(relay->settled <= relay->done && relay->done <= relay->last);
}

/* The place leaves its state, and counts as none of those that are waited for. */
static void leave(struct saga__relay *relay, struct place *place)
{
	relay->left -= place->state == LEFT;
	relay->asked -= place->state == DOUBLED && place->asked;
	relay->unasked -= place->state == DOUBLED && !place->asked;
	if (!relay->left && !relay->asked)
		relay->check = INT64_MAX;
}

static void finish(struct saga__relay *relay, struct place *place)
{
	leave(relay, place);
	saga__blob_unref(place->event);
	*place = (struct place){ .state = DONE };
}

/* The broker says that it had it before. */
static void doubt_double(struct saga__relay *relay, struct place *place, uint64_t at)
{
	leave(relay, place);
	place->state = DOUBLED;
	place->at = at;
	place->asked = false;
	relay->unasked++;
}

/* An event that the broker had before the incident was answered for the first time. */
static void count_answer(
	struct saga__relay *relay, uint64_t seq, const struct place *place, bool doubled)
{
	struct incident *incident = &relay->incident;

	if (!incident->upto || seq > incident->upto || place->lost || place->state == DOUBLED)
		return;
	incident->sent++;
	if (!doubled && !incident->begins) {
		incident->lost++;
		relay->lost++;
	}
}

bool saga__relay_sent(
	struct saga__relay *relay, uint64_t seq, uint64_t at, bool doubled, int64_t now)
{
	struct place *place = place_of(relay, seq);
	bool is_incident = at && !doubled && at <= relay->place;

	/* Also what waits to go again: the first time did come. */
	if (!place || (place->state != WAITS && place->state != LEFT))
		return false;
	if (!doubled && at > relay->place)
		relay->place = at;
	count_answer(relay, seq, place, doubled);
	if (doubled && at && !SAGA__MUTANT(double_believed))
		doubt_double(relay, place, at);
	else
		finish(relay, place);
	relay->wait = relay->config.again_min_ms;
	go_on(relay, now);
	return is_incident;
}

struct saga__blob *saga__relay_refused(struct saga__relay *relay, uint64_t seq)
{
	struct place *place = place_of(relay, seq);

	if (!place || (place->state != WAITS && place->state != LEFT))
		return NULL;
	leave(relay, place);
	place->state = REFUSED;
	return place->event;
}

void saga__relay_set_aside(struct saga__relay *relay, uint64_t seq, int64_t now)
{
	struct place *place = place_of(relay, seq);

	if (!place || place->state != REFUSED)
		return;
	finish(relay, place);
	go_on(relay, now);
}

void saga__relay_read_end(struct saga__relay *relay, bool complete, int64_t now)
{
	if (relay->stale_reads) {
		relay->stale_reads--;
		return;
	}
	if (!relay->reading)
		return;
	relay->reading = false;
	relay->read_again = complete ? 0 : now + relay->config.again_min_ms;
	for (uint64_t seq = relay->read_first; complete && seq <= relay->read_last; seq++) {
		struct place *place = place_of(relay, seq);

		if (place && place->state == EMPTY)
			finish(relay, place);
	}
	go_on(relay, now);
}

uint64_t saga__relay_settled(struct saga__relay *relay, int64_t now, int64_t quiet)
{
	size_t over = 0;

	if (!relay->runs)
		return 0;
	mark(relay, now);
	if (SAGA__MUTANT(settled_at_once))
		return relay->settled = relay->done;
	while (over < relay->mark_count && relay->marks[over].at + relay->config.settle_ms <= quiet)
		relay->settled = relay->marks[over++].seq;
	relay->mark_count -= over;
	memmove(relay->marks, relay->marks + over, relay->mark_count * sizeof relay->marks[0]);
	return relay->settled;
}

/* ---- incidents ---- */

void saga__relay_doubt(struct saga__relay *relay, bool all)
{
	struct incident *incident = &relay->incident;

	if (!relay->runs || SAGA__MUTANT(tail_not_republished))
		return;
	incident->begins = incident->begins && incident->upto;
	if (relay->done > incident->upto)
		incident->upto = relay->done;
	incident->over = false;
	relay->place = 0;
	go_back(relay, all ? relay->first - 1 : relay->settled);
	check_incident(relay); /* nothing is to be sent again */
}

static void back(struct saga__relay *relay, struct place *place, uint64_t seq)
{
	leave(relay, place);
	place->state = WAITS;
	if (seq < relay->next)
		relay->next = seq;
}

/* The broker remembers the id of an event that it has lost. */
static void send_as_no_double(
	struct saga__relay *relay, struct place *place, uint64_t seq, int64_t now)
{
	struct incident *incident = &relay->incident;

	if (seq > incident->upto) {
		incident->upto = seq;
		incident->sent++;
	}
	if (!place->lost) {
		incident->lost++;
		relay->lost++;
	}
	back(relay, place, seq);
	if (place->lost++ < SAGA__RELAY_AGAIN_MOST)
		return;
	if (place->lost == SAGA__RELAY_AGAIN_MOST + 1)
		relay->stuck = seq;
	/* As one that left and is not answered: it goes again after a wait. */
	place->state = LEFT;
	place->left = now;
	relay->left++;
	if (now + relay->wait < relay->check)
		relay->check = now + relay->wait;
}

void saga__relay_looked(struct saga__relay *relay, uint64_t at, saga_id id, bool gone, int64_t now)
{
	if (!relay->runs || !relay->asked)
		return;
	/* Several may wait for the same place, if the broker has lost some of them. */
	for (uint64_t seq = relay->done + 1; seq <= end_of_ring(relay); seq++) {
		struct place *place = place_of(relay, seq);

		if (place->state != DOUBLED || !place->asked || place->at != at)
			continue;
		if (saga__id_same(id, place->id) || (saga__id_is_zero(id) && gone)) {
			finish(relay, place);
			relay->wait = relay->config.again_min_ms;
		} else
			send_as_no_double(relay, place, seq, now);
	}
	go_on(relay, now);
}

/* False: nothing. */
static bool tell(struct saga__relay *relay, struct saga__relay_effect *ret_effect)
{
	struct incident *incident = &relay->incident;

	if (relay->stuck) {
		*ret_effect = (struct saga__relay_effect){ .kind = SAGA__RELAY_STUCK,
			.seq = relay->stuck };
		relay->stuck = 0;
		return true;
	}
	if (!incident->over)
		return false;
	*ret_effect = (struct saga__relay_effect){
		.kind = SAGA__RELAY_MENDED, .sent = incident->sent, .lost = incident->lost
	};
	*incident = (struct incident){ .upto = 0 };
	return true;
}

/* The next double that was not asked for. */
static bool look(struct saga__relay *relay, int64_t now, struct saga__relay_effect *ret_effect)
{
	struct place *place = NULL;

	if (!relay->unasked || relay->asked == SAGA__RELAY_LOOKS_MOST)
		return false;
	for (uint64_t seq = relay->done + 1; seq <= end_of_ring(relay); seq++) {
		place = place_of(relay, seq);
		assert(place);
		if (place->state == DOUBLED && !place->asked)
			break;
	}
	assert(place && place->state == DOUBLED && !place->asked);
	place->asked = true;
	place->left = now;
	relay->unasked--;
	relay->asked++;
	if (now + relay->wait < relay->check)
		relay->check = now + relay->wait;
	*ret_effect = (struct saga__relay_effect){ .kind = SAGA__RELAY_LOOK, .place = place->at };
	return true;
}

/* ---- sending ---- */

void saga__relay_put_back(struct saga__relay *relay, uint64_t seq)
{
	struct place *place = place_of(relay, seq);

	if (!place || place->state != LEFT)
		return;
	back(relay, place, seq);
	relay->resent -= place->again;
	place->again = false;
}

/* A sending or a look without an answer is made again. */
static void repeat(struct saga__relay *relay, struct place *place, uint64_t seq)
{
	if (place->state == DOUBLED) {
		doubt_double(relay, place, place->at);
	} else {
		back(relay, place, seq);
		place->again = true;
	}
}

static bool is_awaited(const struct place *place)
{
	return place->state == LEFT || (place->state == DOUBLED && place->asked);
}

void saga__relay_again(struct saga__relay *relay)
{
	for (uint64_t seq = relay->done + 1; relay->runs && seq <= end_of_ring(relay); seq++)
		if (is_awaited(place_of(relay, seq)))
			repeat(relay, place_of(relay, seq), seq);
	relay->check = INT64_MAX;
	relay->wait = relay->config.again_min_ms;
}

/* Events that left, and doubles that were asked about, too long ago wait again. */
static void look_after(struct saga__relay *relay, int64_t now)
{
	int64_t check = INT64_MAX;
	bool any = false;

	if (now < relay->check)
		return;
	for (uint64_t seq = relay->done + 1; seq <= end_of_ring(relay); seq++) {
		struct place *place = place_of(relay, seq);

		if (!is_awaited(place))
			continue;
		if (place->left + relay->wait <= now) {
			repeat(relay, place, seq);
			any = true;
		} else if (place->left + relay->wait < check) {
			check = place->left + relay->wait;
		}
	}
	relay->check = check;
	if (any)
		relay->wait = saga__backoff_double(relay->wait, relay->config.again_max_ms);
}

static bool ask(struct saga__relay *relay, int64_t now, struct saga__relay_effect *ret_effect)
{
	uint64_t last = relay->next;

	if (relay->reading || relay->stale_reads || now < relay->read_again)
		return false;
	while (last < end_of_ring(relay) && last - relay->next + 1 < READ_MOST &&
		place_of(relay, last + 1)->state == EMPTY)
		last++;
	relay->reading = true;
	relay->read_first = relay->next;
	relay->read_last = last;
	*ret_effect = (struct saga__relay_effect){
		.kind = SAGA__RELAY_READ, .first = relay->next, .last = last
	};
	return true;
}

bool saga__relay_next(struct saga__relay *relay, int64_t now, struct saga__relay_effect *ret_effect)
{
	struct place *place = NULL;

	if (!relay->runs)
		return false;
	if (tell(relay, ret_effect))
		return true;
	look_after(relay, now);
	if (look(relay, now, ret_effect))
		return true;
	while (relay->next <= end_of_ring(relay) && (place = place_of(relay, relay->next)) &&
		place->state != WAITS && place->state != EMPTY)
		relay->next++;
	if (relay->next > end_of_ring(relay) || !place)
		return false;
	if (place->state == EMPTY)
		return ask(relay, now, ret_effect);
	if (relay->left >= relay->config.window)
		return false;
	place->state = LEFT;
	place->left = now;
	relay->left++;
	relay->resent += place->again;
	if (now + relay->wait < relay->check)
		relay->check = now + relay->wait;
	*ret_effect = (struct saga__relay_effect){ .kind = SAGA__RELAY_SEND,
		.seq = relay->next,
		.event = place->event,
		.again = place->lost };
	relay->next++;
	return true;
}

int64_t saga__relay_due(const struct saga__relay *relay)
{
	int64_t due = relay->runs ? relay->check : INT64_MAX;

	if (relay->runs && relay->read_again && !relay->reading && relay->read_again < due &&
		relay->next <= end_of_ring(relay))
		due = relay->read_again;
	return due;
}

uint64_t saga__relay_unsent(const struct saga__relay *relay)
{
	return relay->runs ? relay->last - relay->done : 0;
}

uint64_t saga__relay_resent(const struct saga__relay *relay)
{
	return relay->resent;
}

uint64_t saga__relay_lost(const struct saga__relay *relay)
{
	return relay->lost;
}
