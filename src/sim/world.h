#ifndef SAGA_SIM_WORLD_H
#define SAGA_SIM_WORLD_H

/*
 * The insides of a world. Time is in microseconds since it began; a participant's clocks show what
 * follows from that. Everything happens from one queue; what an effect leads to is put there.
 */

#include <saga/plugin.h>
#include <saga/sim.h>

#include "../participant/inside.h"
#include "../step/work.h"
#include "random.h"

enum {
	SAGA__MEMBERS_MOST = 16,
	SAGA__SIM_SHARDS = 8,
	SAGA__FAULT_KINDS = 20
};

#define SAGA__SIM_MS ((int64_t)1000)
#define SAGA__SIM_NEVER INT64_MAX

struct saga__member;

/* ---- what happens ---- */

/* One thing that will happen; allocated, with what it needs behind it, and freed after it. */
struct saga__happening {
	int64_t at;
	uint64_t order; /* among those of one time */
	void (*happen)(saga_sim *sim, struct saga__happening *happening);
	void (*drop)(struct saga__happening *happening); /* frees what it holds; NULL: nothing */
	struct saga__member *member;
	uint64_t life; /* void if the member's is another by then; 0: whatever it is */
};

struct saga__queue {
	struct saga__happening **heap;
	size_t count, room;
	uint64_t orders;
};

/* The happening is the queue's. Out of memory breaks the world. */
void saga__sim_push(saga_sim *sim, struct saga__happening *happening, int64_t at);
struct saga__happening *saga__queue_pop(struct saga__queue *queue); /* NULL: empty */
void saga__queue_free(struct saga__queue *queue);

/* A cleared one of that size, which begins with a saga__happening. NULL: the world is broken. */
void *saga__sim_new_happening(saga_sim *sim, size_t size, struct saga__member *member,
	void (*happen)(saga_sim *sim, struct saga__happening *happening));

/* ---- what the world knows of a store, as committed ---- */

/* The known state of a slot. */
struct saga__known_state {
	enum saga__state state, was;
	int did, undid; /* effects that were committed */
	bool asked;     /* its handler asked for what makes it dead, stuck or a letter */
	bool forgotten;
	int64_t moved_at; /* virtual, as all here */
};

/* A slot, by saga, row's name and subject. */
struct saga__known_slot {
	struct saga__known_slot *next;
	uint64_t hash;
	saga_id saga;
	size_t row; /* of the member's plan */
	char *subject;
	struct saga__known_state now, then; /* then: in the backup */
};

struct saga__known_event {
	saga_id id;
	saga_id saga;
	uint64_t hash; /* of its bytes */
	char *subject;
	const char *type; /* behind the subject */
	int version;
	int64_t at;
	saga_id cause;
};

struct saga__known_stream {
	struct saga__known_event *events; /* events[0] has number 1 */
	uint64_t count, room;
	uint64_t trimmed; /* up to here they are gone */
	uint64_t own;
	uint64_t count_then, trimmed_then, own_then; /* in the backup */
};

/* An effect of a handler, until its transaction is committed. */
struct saga__effect {
	struct saga__known_slot *slot;
	bool undo;
};

/* Whether what a handler wrote must be there when its transaction is committed. */
enum saga__writes {
	SAGA__WRITES_ANY,
	SAGA__WRITES_STAY,
	SAGA__WRITES_GO
};

/* A handler's run, until its transaction is committed. */
struct saga__handler_run {
	int64_t tag; /* of its writes */
	const struct saga__known_slot *slot;
	enum saga__writes fate;
	int64_t count;
};

/* A slot that moved in a transaction, and an event that was said in it; by its number. */
struct saga__slot_move {
	struct saga__known_slot *slot;
	enum saga__state from, was;
};

struct saga__event_said {
	unsigned shard;
	uint64_t seq;
	bool matched;
};

/* A position moved: of that stream, for that shard of ours. Owner NULL: our own events. */
struct saga__passed {
	struct saga__member *owner;
	unsigned of, shard;
	uint64_t from, to;
};

/* Rows that a transaction has written, by table and key, in order. */
struct saga__rows_locked {
	char **keys;
	size_t count;
};

struct saga__mirror {
	bool watching; /* the triggers are there */
	saga_id uuid;
	struct saga__known_slot **buckets;
	size_t bucket_count, slot_count;
	struct saga__known_stream streams[SAGA__SIM_SHARDS];
	/* By the other member, its stream's shard, our shard. */
	uint64_t positions[SAGA__MEMBERS_MOST][SAGA__SIM_SHARDS][SAGA__SIM_SHARDS];
	uint64_t positions_then[SAGA__MEMBERS_MOST][SAGA__SIM_SHARDS][SAGA__SIM_SHARDS];
	bool backed_up;
	struct saga__effect *effects;
	size_t effect_count, effect_room;
	struct saga__handler_run *runs;
	size_t run_count, run_room;
	int64_t watched_tables; /* how many tables there were when they were looked at */
	/* Whose handler ran in this transaction, and what it was committed as: it must be lost. */
	const struct saga__known_slot *ran_over;
	enum saga__state ran_over_as;
	/* In the transaction that is looked at: */
	struct saga__slot_move *moves;
	size_t moved, move_room;
	struct saga__event_said *said;
	size_t appended, said_room;
	struct saga__passed *passed;
	size_t passed_count, passed_room;
};

/* ---- a participant in the world ---- */

struct saga__store_handle;

struct saga__member {
	saga_sim *sim;
	size_t number;
	struct saga__member *first; /* of the instances on this store; it owns the store */
	char label[40];             /* "stock", or "stock.2" */
	saga_participant_def def;   /* the user's, its handlers behind ours */
	saga_step_def *steps;
	saga_step_def *originals;
	saga_options options;
	saga_limits limits;
	char **followers;
	struct saga__plan *plan;
	struct saga__random ids;

	/* its process */
	saga_participant *p;
	uint64_t life;   /* which; counts up */
	bool dead;       /* killed: nothing that it does has an effect */
	bool stopping;   /* the world is over */
	int64_t busy;    /* until then its thread does something else */
	int64_t paused;  /* until then it stands still */
	int64_t turn_at; /* a turn is on the queue for then */
	int64_t wake_at, alarm_at;
	int64_t skew_ms; /* of its wall clock */
	int64_t leap_ms; /* and this too */

	/* its transport */
	saga_port *port; /* NULL: not open */
	const char *const *topics;
	int64_t last_arrival[SAGA__MEMBERS_MOST];
	unsigned deaf_to; /* bits of members: partitions */
	size_t held_frames;

	/* its line to the broker, if the transport is durable */
	uint64_t works; /* shards, as bits */
	unsigned works_of;
	bool choked; /* it had no room, and has not asked for more */
	size_t unacked;
	bool doubts;     /* the broker may have lost something since it was told how that is */
	int64_t told_at; /* that; NEVER: it is to be told now */

	/* its store: one for all instances, as is what is known of it */
	unsigned shards;
	void *store;
	struct saga__mirror *mirror;
	struct saga__store_handle *handle; /* that is in a transaction */
	int64_t away, full;                /* until then */

	/* its outside calls */
	struct saga__sim_call *calls;
	size_t call_count;
};

/* ---- the broker of a durable transport ---- */

struct saga__message_kept;
struct saga__ghost;

struct saga__broker {
	struct saga__message_kept **messages; /* message n at n - 1 */
	uint64_t count, room;
	uint64_t floors[SAGA__MEMBERS_MOST]; /* of a group: all up to here are acked */
	/*
	 * For each shard: the places of later messages that count as acked, and the epoch of its
	 * deliveries. No two epochs are the same, since a place may belong to another shard later.
	 */
	uint64_t ahead[SAGA__MEMBERS_MOST][SAGA__SIM_SHARDS];
	uint64_t epochs[SAGA__MEMBERS_MOST][SAGA__SIM_SHARDS];
	uint64_t epoch;             /* the newest */
	struct saga__ghost *ghosts; /* it calls them doubles, and has lost them */
	size_t ghost_count;
	saga_id era;
	int64_t pump_at; /* a look is on the queue for then */
};

/* ---- the world ---- */

struct saga_sim {
	saga_sim_options options;
	struct saga__queue queue;
	int64_t now;
	bool ran, healing, over;
	saga_error breach;
	int64_t healed_at, heal_until;

	unsigned on; /* faults */
	uint32_t rates[SAGA__FAULT_KINDS];
	int64_t lengths[SAGA__FAULT_KINDS]; /* of what lasts: its most */
	int64_t gaps[SAGA__FAULT_KINDS];    /* between two such: the most */
	struct saga__random fault_randoms[SAGA__FAULT_KINDS];
	struct saga__random network, stores, calls, clients, host, host_operator;
	struct saga__member *restored; /* its store is, which is one of a world's */
	bool expects_alarm;            /* since others had seen what that has lost */
	uint64_t alarms;

	struct saga__member *members[SAGA__MEMBERS_MOST];
	size_t member_count;
	struct saga__client *clients_first, **clients_end;
	size_t open_clients; /* submissions without their final answer */
	size_t open_hosts;   /* saga_sim_at's to come */
	struct saga__decoder *decoder;
	struct saga__arena arena;
	struct saga__broker broker;
	struct saga__store_handle *stalled; /* in a transaction */
	int64_t stalled_until;              /* its server's patience */
	size_t open_handles;                /* of stores and transports, and outside calls */
	saga_sim_report report;
};

/* world.c */
/* The first breach stands, and ends the world. */
void saga__sim_breach(saga_sim *sim, const char *format, ...) SAGA_PRINTF(2, 3);
bool saga__sim_broken(const saga_sim *sim);
/* When the next thing happens; NEVER: nothing does. And has it happen. */
int64_t saga__sim_next_at(const saga_sim *sim);
void saga__sim_happen_next(saga_sim *sim);
void saga__sim_no_memory(saga_sim *sim);
struct saga__member *saga__sim_member(const saga_sim *sim, const char *name);
/* Another instance of it, or itself; number `of` from 0. NULL: there are no so many. */
struct saga__member *saga__sim_instance(const struct saga__member *first, size_t of);
struct saga__member *saga__sim_member_of_store(const saga_sim *sim, saga_id uuid);

/* trace.c: into the hash, and to the host if it wants to see it. */
void saga__sim_hash(saga_sim *sim, const void *bytes, size_t size);
void saga__sim_trace(saga_sim *sim, const struct saga__member *member, const char *format, ...)
	SAGA_PRINTF(3, 4);

/* faults.c */
void saga__faults_draw(saga_sim *sim);
void saga__faults_begin(saga_sim *sim);
void saga__faults_heal(saga_sim *sim);
/* Whether this fault strikes here and now; and something of it: in [0, below), in [1, most]. */
bool saga__sim_strikes(saga_sim *sim, unsigned fault);
uint64_t saga__sim_of_fault(saga_sim *sim, unsigned fault, uint64_t below);
int64_t saga__sim_length(saga_sim *sim, unsigned fault);
/* Whether the library would take one crash more for the doing of the event that it is at. */
bool saga__sim_is_suspected(struct saga__member *member);
/* Kills the member if a crash strikes here. True: it is dead. */
bool saga__sim_crashes(struct saga__member *member, const char *where);

/* member.c */
/* `first`: of the instances, if there is one before it. */
int saga__member_new(saga_sim *sim, const saga_participant_def *def, const saga_options *options,
	struct saga__member *first, struct saga__member **ret_member, saga_error *error);
void saga__member_free(struct saga__member *member);
/* Opens it, as a new process. */
int saga__member_open(struct saga__member *member, saga_error *error);
void saga__member_kill(struct saga__member *member, const char *where);
/* Frees what a killed one left, and has it start again. */
void saga__member_bury(struct saga__member *member);
void saga__member_revive(struct saga__member *member);
/* Time as its thread has it, which may be ahead of the world's; and it takes some. */
int64_t saga__member_now(const struct saga__member *member);
int64_t saga__member_wall(const struct saga__member *member); /* in ms, as its clock has it */
void saga__member_spend(struct saga__member *member, int64_t us);

/* store.c, network.c, handlers.c, calls.c */
extern const saga_store_ops saga__sim_store_one, saga__sim_store_many;
extern const saga_transport_ops saga__sim_transport, saga__sim_broker;
int saga__sim_store_new(struct saga__member *member, saga_error *error);
void saga__sim_store_free(struct saga__member *member);
bool saga__sim_store_is_busy(const struct saga__member *member);
int saga__handlers_wrap(struct saga__member *member, saga_error *error);
int saga__sim_call(struct saga_participant *p, struct saga__call *call);
size_t saga__sim_calls(struct saga_participant *p);
void saga__sim_drop_calls(struct saga_participant *p);

/* network.c: a frame that nobody keeps; and room to send after a while */
void saga__network_send(struct saga__member *from, const saga_frame *frame);
void saga__network_has_room_later(struct saga__member *member);

/* broker.c */
void saga__broker_pump(saga_sim *sim, int64_t us); /* looks in so many what is to be delivered */
void saga__broker_cut_off(struct saga__member *member, int64_t us);
void saga__broker_reach(struct saga__member *member);
void saga__broker_loses_power(saga_sim *sim);
uint64_t saga__broker_open(const saga_sim *sim, const struct saga__member *member); /* not acked */
bool saga__broker_has(const saga_sim *sim, saga_id id);
void saga__broker_free(struct saga__broker *broker);

/* client.c */
void saga__clients_lost(struct saga__member *member);
void saga__clients_free(saga_sim *sim);
void saga__clients_check_late(saga_sim *sim, int64_t before, int ms);
const char *saga__clients_waiting(const saga_sim *sim, char *text, size_t size);

/* mirror.c: what is committed, checked as it is committed */
int saga__mirror_committed(struct saga__member *member);
void saga__mirror_free(struct saga__mirror *mirror);
struct saga__known_slot *saga__mirror_slot(
	struct saga__member *member, saga_id saga, size_t row, const char *subject, bool make);
void saga__mirror_effect(struct saga__member *member, struct saga__known_slot *slot, bool undo);
/* A transaction begins, or was taken back. */
void saga__mirror_forget_effects(struct saga__member *member);
/* Whether an undo of it is among this transaction's effects. */
bool saga__mirror_undoes(const struct saga__member *member, const struct saga__known_slot *slot);
uint64_t saga__mirror_hash(saga_bytes bytes);
/* An event that was committed, and by whom. NULL: none was. */
const struct saga__known_event *saga__mirror_event(
	const saga_sim *sim, saga_id id, struct saga__member **ret_owner);
/* Its last effect in this transaction does not count. */
void saga__mirror_no_effect(struct saga__member *member, const struct saga__known_slot *slot);
const char *saga__slot_text(const struct saga__member *member, const struct saga__known_slot *slot,
	char *text, size_t size);

/* outcomes.c: what moved and what was said, in one transaction */
void saga__outcome_moved(struct saga__member *member, struct saga__known_slot *slot,
	enum saga__state from, enum saga__state was);
void saga__outcome_said(struct saga__member *member, unsigned shard, uint64_t seq);
void saga__outcomes_committed(struct saga__member *member);

/* Holds this transaction's moves to what their steps declare, before they are forgotten. */
void saga__promises_committed(struct saga__member *member);
void saga__outcome_passed(struct saga__member *member, struct saga__passed passed);

/* restore.c */
void saga__restore_strike(saga_sim *sim, struct saga__member *member);
void saga__restore_look(saga_sim *sim); /* an operator's */
void saga__restore_end(saga_sim *sim);

/* late.c: long after the faults, something waits for no reason */
void saga__check_late(saga_sim *sim);

/* writes.c: which rows are written, by whom */
void saga__writes_watch(struct saga__member *member);
/* A handler begins and ends; 0: it is not in a transaction, or there is nothing to see. */
int64_t saga__writes_begin(struct saga__member *member, struct saga__known_slot *slot);
void saga__writes_end(struct saga__member *member, int64_t tag, enum saga__writes fate);
void saga__writes_committed(struct saga__member *member);
/* The rows locked by the open transaction, to be freed; a row that both have, or NULL. */
void saga__writes_locked(struct saga__member *member, struct saga__rows_locked *ret_locked);
void saga__writes_free_locked(struct saga__rows_locked *locked);
const char *saga__writes_meet(const struct saga__rows_locked *a, const struct saga__rows_locked *b);

/* check.c */
void saga__check_frame(struct saga__member *member, saga_bytes bytes);
/* An event goes to the broker; and its delivery is acked. */
void saga__check_kept_frame(struct saga__member *member, const saga_frame *frame);
void saga__check_ack(struct saga__member *member, saga_id id);
/* Checks that the events which a position passed have left their marks, too. */
void saga__check_passed(struct saga__member *member, const struct saga__passed *passed);
void saga__check_undo(struct saga__member *member, const struct saga_step *step);
void saga__check_queues(struct saga__member *member);
/* True: all is at rest; else why not. */
bool saga__check_rest(saga_sim *sim, char *why, size_t size);
void saga__check_end(saga_sim *sim);

#endif
