#ifndef SAGA_DELIVERY_RELAY_H
#define SAGA_DELIVERY_RELAY_H

/*
 * Publishing one stream of our own over a durable transport: all that is committed goes to the
 * broker, until the broker has it. Pure, as publish.h; all memory is taken by saga__relay_new.
 *
 * - Events that were committed are sent from memory, in order, at most `window` of them while the
 *   broker has not said that it has them; what memory does not hold (a restart, a takeover, a long
 *   absence) is read from the outbox.
 * - What the broker has not confirmed goes again: after again_min_ms, doubling up to again_max_ms
 *   until it confirms something, and at once when it was away (saga__relay_again). It knows doubles
 *   by the event's id, and beyond that slots do.
 * - A broker confirms what it may still lose with its power (JetStream: what is in the page cache).
 *   So what it has had for settle_ms is *settled*: up to there a restart or a takeover begins.
 * - After an *incident*, which its caller knows of (saga__relay_doubt), it goes back to what is
 *   settled, and sends again all behind that, under the same ids. What the broker does not know for
 *   a double, it had lost.
 * - The broker may remember ids of events that it lost. So the relay looks at each double: is that
 *   event where the broker says that it is? If not, the event is sent again as no double of the
 *   first: `again` counts that up. The relay needs no incident for this, since a participant that
 *   starts anew does not know of the incidents before.
 */

#include "../event/blob.h"

struct saga__relay;

struct saga__relay_config {
	size_t window; /* 1 to 65536 */
	size_t ring;   /* events kept in memory; at least the window */
	int again_min_ms;
	int again_max_ms;
	int settle_ms;
};

enum saga__relay_kind {
	SAGA__RELAY_SEND = 1, /* event `seq`; then saga__relay_put_back if it could not leave */
	SAGA__RELAY_READ,     /* read [first, last] from the outbox, then saga__relay_read */
	SAGA__RELAY_LOOK,     /* which event stands at `place`? Then saga__relay_looked */
	SAGA__RELAY_STUCK, /* the broker calls event `seq` a double each time, without having it */
	SAGA__RELAY_MENDED /* an incident is over: `lost` of `sent` events were not there */
};

struct saga__relay_effect {
	enum saga__relay_kind kind;
	uint64_t seq;             /* SEND, STUCK */
	struct saga__blob *event; /* SEND; lives until the next call on the machine */
	unsigned again;           /* SEND */
	uint64_t first, last;     /* READ */
	uint64_t place;           /* LOOK */
	uint64_t sent, lost;      /* MENDED */
};

enum {
	SAGA__RELAY_AGAIN_MOST = 16, /* times that an event is sent at once as no double of those
	                                before; then it is STUCK, and sent so after each wait */
	SAGA__RELAY_LOOKS_MOST = 64  /* that are not answered */
};

/* MISUSE: a size or a time that can't be. NOMEM. */
int saga__relay_new(const struct saga__relay_config *config, struct saga__relay **ret_relay);
void saga__relay_free(struct saga__relay *relay);

/*
 * The outbox holds first..last (first = last + 1: nothing), and up to `settled` all is with the
 * broker. Before this, nothing is done. Again: all is forgotten, and an answer to a READ from
 * before is awaited, and ignored.
 */
void saga__relay_start(struct saga__relay *relay, uint64_t first, uint64_t last, uint64_t settled);

/* Another settle_ms from now on. */
void saga__relay_settles_in(struct saga__relay *relay, int settle_ms);

/* Another instance publishes it now. */
void saga__relay_stop(struct saga__relay *relay);

/* The last that is known to be committed. */
uint64_t saga__relay_last(const struct saga__relay *relay);

/* An event is committed; takes a share. Up to seq all are. */
void saga__relay_committed(
	struct saga__relay *relay, uint64_t seq, saga_id id, struct saga__blob *event);

/* Gives an event that a READ asked for; takes a share. */
void saga__relay_read(
	struct saga__relay *relay, uint64_t seq, saga_id id, struct saga__blob *event);

/* Ends each READ. Complete: what was not given, the outbox does not hold any more. */
void saga__relay_read_end(struct saga__relay *relay, bool complete, int64_t now);

/* The transport took no more: that event has not left. */
void saga__relay_put_back(struct saga__relay *relay, uint64_t seq);

/*
 * The broker has it, at that place of its stream (0: not known); `doubled`: it says that it had it
 * before, at that place. What is not awaited is ignored. True: that is an incident, since the
 * broker counts its places from a lower one again: call saga__relay_doubt.
 */
bool saga__relay_sent(
	struct saga__relay *relay, uint64_t seq, uint64_t place, bool doubled, int64_t now);

/* The broker won't take it: what becomes of it is written down, and until then it is unsettled. */
struct saga__blob *saga__relay_refused(struct saga__relay *relay, uint64_t seq); /* or NULL */
void saga__relay_set_aside(struct saga__relay *relay, uint64_t seq, int64_t now);

/*
 * An incident: the broker may have lost what it confirmed since that was settled; or `all` that it
 * ever had, since its stream is another one. All that is sent again at once.
 */
void saga__relay_doubt(struct saga__relay *relay, bool all);

/*
 * The answer to a LOOK: the id of the event at that place; zero: none. `gone`: the broker's limits
 * may have removed the event that stood there. Without an answer the relay asks again in a while.
 */
void saga__relay_looked(struct saga__relay *relay, uint64_t at, saga_id id, bool gone, int64_t now);

/* The broker was away: what it has not confirmed may be lost. */
void saga__relay_again(struct saga__relay *relay);

/* Pops one effect; false: none now. Call it again after each input and at saga__relay_due. */
bool saga__relay_next(
	struct saga__relay *relay, int64_t now, struct saga__relay_effect *ret_effect);

/* When it wants to be asked again; INT64_MAX: not by itself. */
int64_t saga__relay_due(const struct saga__relay *relay);

/*
 * All up to here has been with the broker for long enough: for settle_ms before `quiet`, until when
 * the broker is known to have had no incident. While nobody hears of it, time does not count.
 */
uint64_t saga__relay_settled(struct saga__relay *relay, int64_t now, int64_t quiet);

/* Committed, and not confirmed. */
uint64_t saga__relay_unsent(const struct saga__relay *relay);

/* Sent more than once, so far; and lost by the broker after it had confirmed them. */
uint64_t saga__relay_resent(const struct saga__relay *relay);
uint64_t saga__relay_lost(const struct saga__relay *relay);

#endif
