#ifndef SAGA_PARTICIPANT_INSIDE_H
#define SAGA_PARTICIPANT_INSIDE_H

/* The insides of a participant: its loop's side. The lanes' side is lane.h. */

#include <saga/participant.h>
#include <saga/plugin.h>

#include <uv.h>

#include "../delivery/anchor.h"
#include "../delivery/follow.h"
#include "../delivery/publish.h"
#include "../delivery/relay.h"
#include "../delivery/rollcall.h"
#include "../event/peek.h"
#include "../lane/lane.h"
#include "driver.h"
#include "numbers.h"
#include "pool.h"
#include "port.h"

#define SAGA__EVENTS_TOPIC "events"

enum {
	SAGA__LANES_MOST = 8
};

enum saga__life {
	SAGA__OPENED = 0, /* the loop has not run */
	SAGA__RUNS,
	SAGA__STOPS,  /* calls end, lanes end */
	SAGA__CLOSES, /* the transport, the handles */
	SAGA__STOPPED,
};

struct saga__frame {
	struct saga__frame *next;
	struct saga__blob *bytes;
	bool durable;  /* by a durable transport */
	bool concerns; /* its topic is a type of ours */
	uint64_t token, place;
	saga_id mark; /* of what stands there: saga__broker_mark */
	unsigned part;
};

/* ---- what a durable transport's broker may have lost: broker.c ---- */

/* A stream of the broker's that we have heard of. */
struct saga__era {
	struct saga__era *next;
	struct saga__source newest, settled; /* positions of our shards in it */
};

/* A delivery that is nothing to us: it is acked when the store knows of what stands there. */
struct saga__passed_on {
	uint64_t token, place;
};

struct saga__broker_shard {
	struct saga__anchor anchor;
	bool checked;              /* once since it is worked: until then deliveries wait: */
	struct saga__frame *waits; /* in order */
	unsigned resets;           /* positions that are to be committed before it goes back */
	uint64_t back;             /* to there */
	struct saga__passed_on *passed;
	size_t passed_count, passed_room;
	uint64_t passed_place; /* the highest of those */
	saga_id passed_mark;
	int64_t passed_at; /* when the first of them was passed; */
	uint64_t passing;  /* on its way to the store; 0: nothing is */
	saga_id marked_in; /* the era that our own stream's mark was written in */
	bool republishes;  /* an operator ordered it */
};

struct saga__refusal {
	struct saga__refusal *next;
	uint64_t token;
	char why[];
};

struct saga__answer_of_look {
	uint64_t place;
	saga_id id, mark;
	bool is_behind; /* of look_behind: */
	unsigned shard;
	uint64_t found;
};

struct saga__broker_state {
	struct saga__era *eras, *era; /* the one that it has now */
	uint64_t going;               /* shards that go back: they are not worked meanwhile */
	saga_broker last;             /* what it said last */
	int64_t heard, quiet;         /* monotonic: when that was heard; and the one before, which
	                                 is not later than this was asked for */
	struct saga__broker_shard shards[SAGA__STORE_SHARDS];

	/* under the participant's lock */
	saga_broker said;
	bool has_said, relents;
	struct saga__answer_of_look *looked;
	size_t looked_count, looked_room;
	struct saga__refusal *refusals;
};

/* Beside a durable transport; kept.c. */
struct saga__kept_state {
	struct saga__relay *relays[SAGA__STORE_SHARDS];
	struct saga__source marks[SAGA__STORE_SHARDS]; /* our own streams, as positions */
	uint64_t marked[SAGA__STORE_SHARDS];           /* committed, or on their way */
	struct saga__frame *taken;                     /* out of the inbox, until there is room */
	size_t ack_count, ack_room;
	uint64_t *acks;
	struct saga__buffer event; /* that came as JSON */

	/* under the participant's lock */
	saga_receipt *sent;
	size_t sent_count, sent_room;
	bool came_up;
};

/* A stream of another participant. */
struct saga__following {
	struct saga__following *next;
	struct saga__source source;
	struct saga__follow *follow;
	int64_t lag;   /* events; atomic */
	bool reread;   /* our positions, since the last event came */
	int64_t heard; /* monotonic: when its owner last said something */

	/* halts.c: an operator's order is being carried out. */
	bool ordered; /* until that is written down nothing is delivered */
	struct saga__halt order;
	unsigned resets; /* shards that have not committed it */
};

/* An event that was committed for a shard that another instance works, to be sent. */
struct saga__foreign_event {
	struct saga__foreign_event *next;
	struct saga__sent sent;
};

enum {
	SAGA__SAID = 16,     /* kinds of warnings that are counted at once */
	SAGA__SAY_TEXT = 512 /* bytes of a line's sentence */
};

/* say.c: how often a warning was said of late, by its kind. */
struct saga__said {
	const char *what; /* a constant; NULL: free */
	int64_t since;    /* monotonic: when its window began */
	int count;
	uint64_t unsaid;
};

struct saga__saying {
	uv_mutex_t lock; /* held for no call */
	struct saga__said said[SAGA__SAID];
};

struct saga_participant {
	struct saga__plan *plan;
	char *store_url, *transport_url;
	char **followers;
	struct saga__rollcall roll; /* of them; it borrows their names */
	const saga_store_ops *store_ops;
	const saga_transport_ops *transport_ops;
	saga_options options; /* its texts are not ours: use the above */
	saga_limits limits;
	struct saga_env env;
	saga_log_fn *log; /* NULL: nowhere; by saga__say_log alone */
	void *log_user;
	struct saga__saying saying;

	/* what drives it */
	const struct saga__driver *driver;
	void *driven; /* the driver's context */
	enum saga__life life;
	saga_error why;
	int stop_asked;       /* atomic */
	int64_t interrupt_at; /* monotonic: batches that still run when it stops; 0: not yet */
	bool ticking;         /* under the lock */

	/* the loop, if that drives it */
	uv_loop_t *loop;
	uv_loop_t own_loop;
	bool owns_loop;
	uv_async_t *wake;
	uv_timer_t *alarm;
	int handles; /* that are not closed */
	int wakers;  /* atomic: threads that are in saga__wake */
	int deaf;    /* atomic: the handles are closing, nobody may wake */
	struct saga__pool pool;

	/* lanes */
	struct saga__lane lanes[SAGA__LANES_MOST];
	struct saga__pace pace;
	uv_thread_t threads[SAGA__LANES_MOST];
	bool lane_up[SAGA__LANES_MOST];
	size_t lane_count;
	size_t lanes_ended;
	bool has_thread[SAGA__LANES_MOST];
	uv_mutex_t lock; /* of the notifications, the inbox and the health */
	struct saga__notification *notifications, **notifications_end;

	/* which of the store's shards this instance works, as masks */
	saga_id instance;
	uint64_t worked; /* the lanes do */
	uint64_t wanted; /* as the last renewal had it */
	uint64_t giving; /* leases that go when no lane works them any more */
	unsigned live;   /* instances; 0: there was no renewal yet */
	unsigned epochs[SAGA__STORE_SHARDS];
	uint64_t orders[SAGA__STORE_SHARDS]; /* carried out before its positions were read */
	unsigned rereads[SAGA__LANES_MOST];  /* that the lane has not answered */

	/* delivery */
	struct saga_port port;
	void *transport;
	bool transport_up;
	bool writable;
	struct saga__frame *inbox, **inbox_end;
	size_t inbox_count;
	bool refused_frames; /* the transport is to resume */
	bool held;           /* followed streams */
	bool known;          /* the store was there once */
	saga_id uuid;
	int64_t birth;
	unsigned shards; /* atomic: the loop alone writes it, a thread of the pool reads it */
	bool keeps;      /* the transport is durable: */
	struct saga__kept_state kept;
	struct saga__broker_state broker;
	struct saga__publish *publishes[SAGA__STORE_SHARDS];
	struct saga__following *followings; /* changed under the lock, by the loop alone */
	size_t following_count;
	char **follows;         /* whose streams are followed; NULL: everyone's */
	struct saga__room room; /* for events of streams that wait */
	uint64_t streams_refused;
	int64_t refusal_told, faded; /* monotonic */
	struct saga__foreign_event *foreign;
	size_t foreign_count;
	struct saga__stand *stands;
	size_t stand_count;
	struct saga__halt *halts; /* as the store has them */
	size_t halt_count;
	char *frame; /* room for one to send */
	size_t frame_size, frame_room;
	saga_frame waiting; /* encoded, and not taken by the transport */
	char topic[SAGA__PARTICIPANT_MOST + 4];
	char own_topic[SAGA__PARTICIPANT_MOST + 4];
	const char *topics[3];
	int64_t trim_at;
	struct saga__decoder *decoder;
	struct saga__arena arena;

	/* figures */
	struct saga__counts lane_counts[SAGA__LANES_MOST]; /* each of its own shards */
	struct saga__counts counts;                        /* all of them */
	struct saga__due dues[SAGA__LANES_MOST];           /* of each lane, as it was told last */
	struct saga__numbers numbers;
	uint64_t bad_frames;
	saga_health health; /* under the lock */
};

/*
 * say.c: the one way to the host's log, for the loop and the lanes: a saga_log_fn, its user the
 * participant. Takes the URLs' secrets out, and leaves out a warning that was said too often of
 * late; the next one of its kind says how many were. Any thread.
 */
void saga__say_log(void *participant, const saga_log *log);
void saga__log(struct saga_participant *p, int level, const char *what, const char *format, ...)
	SAGA_PRINTF(4, 5);

/* Takes them out of an error, too, and answers `code`. */
int saga__without_secrets(const struct saga_participant *p, int code, saga_error *error);

/* participant.c */
void saga__fatal(struct saga_participant *p, const saga_error *why);
void saga__wake(struct saga_participant *p);
void saga__call_made(struct saga_participant *p, struct saga__call *call);
void saga__stopped(struct saga_participant *p);

/* tick.c */
void saga__tick(struct saga_participant *p);
void saga__notify(void *host, struct saga__notification *notification);
void saga__drop_leftovers(struct saga_participant *p);
struct saga__lane *saga__lane_of(struct saga_participant *p, unsigned shard);

/* shards.c */
static inline bool saga__works(const struct saga_participant *p, unsigned shard)
{
	return p->worked >> shard & 1;
}

/*
 * And where it stands is known: not while its lane is to read that again. What is remembered then
 * may be of before an order that another instance has carried out.
 */
bool saga__knows(const struct saga_participant *p, unsigned shard);

/* The lanes work what the last renewal wanted. */
static inline bool saga__shards_are_settled(const struct saga_participant *p)
{
	return p->live && p->worked == p->wanted;
}

/* Another instance may have come further than this one knows. False: out of memory. */
bool saga__shards_reread(struct saga_participant *p);
void saga__shards_renewed(struct saga_participant *p, const struct saga__renewal *renewal);
int saga__shards_assigned(
	struct saga_participant *p, size_t at, const struct saga__assigned *assigned);
void saga__keep_foreign(struct saga_participant *p, const struct saga__sent *sent);
void saga__drop_foreign(struct saga_participant *p);

/* streams.c */
/* Streams begin and end with the shards that are gained and lost. */
int saga__streams_assigned(
	struct saga_participant *p, const struct saga__assigned *assigned, uint64_t lost);
/* Of shards that are not known any more, nothing is followed until they were read again. */
void saga__streams_forget(struct saga_participant *p);
void saga__streams_committed(struct saga_participant *p, const struct saga__committed *committed);
void saga__streams_read(struct saga_participant *p, const struct saga__outbox_read *read);
void saga__streams_tick(struct saga_participant *p);
int64_t saga__streams_due(struct saga_participant *p);
uint64_t saga__streams_unseen(struct saga_participant *p);
void saga__streams_count(struct saga_participant *p, saga_health *health);
void saga__streams_close(struct saga_participant *p);

/* followers.c */
/* A NEED or SEEN of a stream of ours came. */
void saga__followers_heard(struct saga_participant *p, const struct saga__message *message);
/* Tells of those that are silent. */
void saga__followers_tick(struct saga_participant *p);

/* inbox.c */
int saga__transport_open(struct saga_participant *p, saga_error *error);
void saga__port_init(struct saga_participant *p);
/* All that came. *ret_refused: and not all was taken. */
struct saga__frame *saga__inbox_take(struct saga_participant *p, bool *ret_refused);
void saga__inbox_free(struct saga__frame *frame);

/* followings.c */
/* A frame of that stream came. NULL: it is not followed, which is logged, or out of memory. */
struct saga__following *saga__following_heard(
	struct saga_participant *p, const struct saga__source *source);
void saga__following_restart(
	struct saga_participant *p, struct saga__following *following, uint64_t gained);
int saga__followings_keep_stands(struct saga_participant *p, const struct saga__assigned *assigned);
void saga__followings_fade(struct saga_participant *p); /* silent ones make room */
void saga__followings_free(struct saga_participant *p);

/* The one that we have, or a new one, whatever the limits; NULL: out of memory. */
struct saga__following *saga__following_of(
	struct saga_participant *p, const struct saga__source *source);
/* Gives the lane of that shard an item, which is not the caller's any more. */
void saga__streams_give(struct saga_participant *p, unsigned shard, struct saga__item *item);

/* What of an event must be known; and whether a step is on it, and it is not too old for us. */
bool saga__streams_peek(struct saga_participant *p, saga_bytes event, struct saga__peek *ret_peek);
bool saga__streams_concern(
	struct saga_participant *p, saga_bytes event, const struct saga__peek *peek);
void saga__streams_bad_frame(struct saga_participant *p, const char *why);
/* The lanes and the pool have room for more events. */
bool saga__streams_have_room(struct saga_participant *p);
/* The position that was read when the shard was gained. */
struct saga__position saga__streams_stand(
	const struct saga_participant *p, const struct saga__stream *stream, unsigned shard);
/* Of a shard's stream: all up to here may be trimmed. */
uint64_t saga__streams_seen(struct saga_participant *p, unsigned shard);

/* kept.c: the same with a durable transport, and no streams */
int saga__kept_start(
	struct saga_participant *p, unsigned shard, const struct saga__stream_row *row);
void saga__kept_work(struct saga_participant *p, uint64_t but); /* tells the transport */
void saga__kept_committed(struct saga_participant *p, const struct saga__committed *committed);
void saga__kept_read(struct saga_participant *p, const struct saga__outbox_read *read);
void saga__kept_mark(struct saga_participant *p); /* now and then */
int64_t saga__kept_settle_ms(const struct saga_participant *p);
void saga__kept_settles(struct saga_participant *p);
void saga__kept_tick(struct saga_participant *p);
int64_t saga__kept_due(struct saga_participant *p);
void saga__kept_close(struct saga_participant *p);
/* Any thread. */
void saga__kept_sent(struct saga_participant *p, const saga_receipt *receipts, size_t count);

/* kept.c, for broker.c: a frame that waited, until its shard was checked */
void saga__kept_take(struct saga_participant *p, struct saga__frame *frame);
void saga__kept_ack(struct saga_participant *p, uint64_t token);

/* broker.c */
void saga__broker_start(struct saga_participant *p, unsigned number);
void saga__broker_stop(struct saga_participant *p, unsigned number);
/* The frame waits, and is not the caller's any more: its shard is not checked yet. */
bool saga__broker_holds(struct saga_participant *p, struct saga__frame *frame, unsigned number);
/* What it brought is nothing to us: it is acked in a while. */
void saga__broker_pass(
	struct saga_participant *p, const struct saga__frame *frame, unsigned number);
/* Where a delivery stands, for its item. */
struct saga__source saga__broker_source(const struct saga_participant *p);
void saga__broker_committed(struct saga_participant *p, const struct saga__committed *committed);
void saga__broker_points(struct saga_participant *p, const struct saga__positions_read *read);
void saga__broker_tick(struct saga_participant *p);
int64_t saga__broker_due(const struct saga_participant *p);
void saga__broker_close(struct saga_participant *p);
/* An event of ours can't be sent: it becomes a dead letter. */
void saga__broker_refuse(struct saga_participant *p, unsigned shard, uint64_t seq, const char *why);
/*
 * Marks a message of the broker's stream: by its event's id and by when it was stored, since an
 * event that was lost and sent again may stand at the same place, while others do not.
 */
saga_id saga__broker_mark(saga_id id, int64_t stored_at);
/* The relay of that shard has something to say of the broker. */
void saga__broker_mended(
	struct saga_participant *p, unsigned shard, const struct saga__relay_effect *effect);
void saga__broker_stuck(
	struct saga_participant *p, unsigned shard, const struct saga__relay_effect *effect);
/* An operator wants all that the outbox holds published again. */
void saga__broker_republish(struct saga_participant *p, unsigned shard);

/* halts.c */
/* Something happened to a stream that an operator should know of: it is written down. */
void saga__halt_found(struct saga_participant *p, const struct saga__halt *halt);
/* An order for it was carried out. */
void saga__halt_over(struct saga_participant *p, const struct saga__halt *halt);
/* A stream has stopped: FORK or GONE. */
void saga__halted(struct saga_participant *p, const struct saga__following *following,
	const struct saga__follow_effect *effect);
/* It had forked when the store was last looked at. */
bool saga__is_forked(const struct saga_participant *p, const struct saga__stream *stream);
/* Takes the stopped streams that a lane found in the store, and orders that it committed. */
void saga__halts_found(struct saga_participant *p, struct saga__stopped_streams *stopped);
void saga__was_reset(struct saga_participant *p, struct saga__following *following);

/* submit.c */
/* Refuses a submission that no participant with this plan could ever take. */
int saga__submission_check(const struct saga__plan *plan, const saga_submission *submission,
	const struct saga__known **ret_known, saga_error *error);
void saga__answer(struct saga_participant *p, struct saga__item *item);
void saga__answer_stopped(struct saga_participant *p, struct saga__item *item);

#endif
