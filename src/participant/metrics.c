/* The numbers, as samples with names and labels. */

#include <saga/metrics.h>

#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

/* The caller's function, and the sample that is made anew for each call. */
struct teller {
	const struct saga_participant *p;
	saga_metric_fn *each;
	void *user;
	saga_metric metric;
	saga_metric_label labels[3];
};

static void begin(struct teller *teller, int kind, const char *name, const char *help)
{
	teller->metric = (saga_metric){
		.name = name, .help = help, .kind = kind, .labels = teller->labels, .label_count = 1
	};
}

static void tell(struct teller *teller, int64_t value)
{
	teller->metric.value = value;
	teller->each(teller->user, &teller->metric);
}

static void tell_with(struct teller *teller, const char *label, const char *text, int64_t value)
{
	teller->labels[1] = (saga_metric_label){ label, text };
	teller->metric.label_count = 2;
	tell(teller, value);
}

static int64_t step_number(const struct teller *teller, size_t step, int what)
{
	return saga__number(&teller->p->numbers.steps[step * SAGA__TALLIES + (size_t)what]);
}

/* ---- steps ---- */

static void tell_outcomes(struct teller *teller, size_t step)
{
	const saga_step_def *def = &teller->p->plan->steps[step];

	for (int what = SAGA__WAITING; what <= SAGA__TALLY_READ; what++) {
		int64_t count = step_number(teller, step, what);

		if (!count)
			continue;
		teller->labels[2] = (saga_metric_label){ "outcome",
			what == SAGA__TALLY_READ ? "read"
						 : saga__state_name((enum saga__state)what) };
		teller->labels[1] = (saga_metric_label){ "step", def->name };
		teller->metric.label_count = 3;
		tell(teller, count);
	}
}

static void tell_steps(struct teller *teller)
{
	const struct saga__plan *plan = teller->p->plan;
	int64_t letters = 0;

	begin(teller, SAGA_COUNTER, "saga_steps_total", "what steps came to, once committed");
	for (size_t i = 0; i < plan->step_count; i++)
		tell_outcomes(teller, i);
	begin(teller, SAGA_COUNTER, "saga_step_retries_total", "set aside to be tried again");
	for (size_t i = 0; i < plan->step_count; i++)
		tell_with(teller, "step", plan->steps[i].name,
			step_number(teller, i, SAGA__TALLY_RETRY));
	for (size_t i = 0; i <= plan->step_count; i++)
		letters += step_number(teller, i, SAGA__TALLY_LETTER);
	begin(teller, SAGA_COUNTER, "saga_dead_letters_total", "events set aside for good");
	tell(teller, letters);
}

/* ---- how things stand ---- */

static void tell_queues(struct teller *teller)
{
	const struct saga_participant *p = teller->p;

	begin(teller, SAGA_GAUGE, "saga_queue_items", "that wait for a lane, or are in its batch");
	for (size_t i = 0; i < p->lane_count; i++) {
		char lane[24];

		(void)snprintf(lane, sizeof lane, "%zu", i);
		tell_with(teller, "lane", lane,
			(int64_t)saga__lane_load((struct saga__lane *)&p->lanes[i]));
	}
}

struct stream {
	struct saga__source source;
	int64_t lag;
};

static void tell_streams(struct teller *teller)
{
	const struct saga_participant *p = teller->p;
	struct stream *streams;
	size_t count = 0;

	/* Without the lock while `each` runs: a copy. */
	uv_mutex_lock((uv_mutex_t *)&p->lock);
	streams = calloc(p->following_count + 1, sizeof *streams);
	for (const struct saga__following *f = p->followings; f && streams; f = f->next)
		streams[count++] = (struct stream){ f->source, saga__number(&f->lag) };
	uv_mutex_unlock((uv_mutex_t *)&p->lock);
	begin(teller, SAGA_GAUGE, "saga_stream_lag_events",
		"of another's stream, known to be sent and not committed here yet");
	for (size_t i = 0; i < count; i++) {
		char shard[16];

		(void)snprintf(shard, sizeof shard, "%u", (unsigned)streams[i].source.stream.shard);
		teller->labels[1] = (saga_metric_label){ "owner", streams[i].source.owner };
		teller->labels[2] = (saga_metric_label){ "stream", shard };
		teller->metric.label_count = 3;
		tell(teller, streams[i].lag);
	}
	free(streams);
}

static void tell_followers(struct teller *teller)
{
	const struct saga_participant *p = teller->p;
	int64_t now = saga__monotonic(&p->env);

	if (p->keeps)
		return;
	begin(teller, SAGA_GAUGE, "saga_follower_unseen_events",
		"of the outbox, that this follower has not seen");
	for (size_t i = 0; i < p->roll.count; i++)
		tell_with(teller, "follower", p->roll.at[i].name,
			saga__number(&p->roll.at[i].unseen));
	begin(teller, SAGA_GAUGE, "saga_follower_heard_ms",
		"since this follower last said something; -1: never yet");
	for (size_t i = 0; i < p->roll.count; i++) {
		int64_t heard = saga__number(&p->roll.at[i].heard);

		tell_with(teller, "follower", p->roll.at[i].name,
			heard < 0             ? -1
				: now > heard ? now - heard
					      : 0);
	}
}

static void tell_health(struct teller *teller)
{
	saga_health health = { .size = sizeof health };

	saga_health_of(teller->p, &health);
	begin(teller, SAGA_GAUGE, "saga_slots", "that are not at rest");
	tell_with(teller, "state", "waiting", health.waiting);
	tell_with(teller, "state", "dead", health.dead);
	tell_with(teller, "state", "stuck", health.stuck);
	begin(teller, SAGA_GAUGE, "saga_parked_events", "to be retried, called or woken");
	tell(teller, health.parked);
	begin(teller, SAGA_GAUGE, "saga_shards", "of the store, worked by this instance");
	tell(teller, health.shards);
	begin(teller, SAGA_GAUGE, "saga_instances", "of this participant on its store");
	tell(teller, health.instances);
	begin(teller, SAGA_GAUGE, "saga_outbox_unseen_events", "that some follower has not seen");
	tell(teller, health.outbox);
	begin(teller, SAGA_GAUGE, "saga_followers_silent", "never heard, though they owe");
	tell(teller, health.silent);
	begin(teller, SAGA_COUNTER, "saga_stream_gaps_total", "in streams that are followed");
	tell(teller, health.gaps);
	begin(teller, SAGA_COUNTER, "saga_events_asked_total", "askings for missing events");
	tell(teller, health.asked);
	begin(teller, SAGA_COUNTER, "saga_events_resent_total", "events, to those who asked");
	tell(teller, health.resent);
	begin(teller, SAGA_COUNTER, "saga_frames_total", "frames, as the transport counts them");
	tell_with(teller, "way", "sent", health.frames_sent);
	tell_with(teller, "way", "received", health.frames_received);
	tell_with(teller, "way", "refused", health.frames_refused);
	tell_with(teller, "way", "lost", health.frames_lost);
	tell_with(teller, "way", "dropped", health.dropped);
	begin(teller, SAGA_GAUGE, "saga_streams_stopped", "that wait for an operator");
	tell(teller, health.stopped);
	begin(teller, SAGA_GAUGE, "saga_stalled",
		"1: a lane has had something to do for too long, and committed nothing");
	tell(teller, health.stalled);
	begin(teller, SAGA_GAUGE, "saga_stalled_ms", "for how long, by the worst lane");
	tell(teller, health.stalled_ms);
	begin(teller, SAGA_GAUGE, "saga_oldest_item_ms", "that it has waited for a lane's commit");
	tell(teller, health.oldest_ms);
	begin(teller, SAGA_GAUGE, "saga_last_commit_ms", "since the last commit; -1: none yet");
	tell(teller, health.committed_ms);
	begin(teller, SAGA_GAUGE, "saga_store_failing", "whether what was tried last failed");
	tell(teller, health.failing);
	begin(teller, SAGA_GAUGE, "saga_store_damaged", "whether the store has said that it is");
	tell(teller, health.damaged);
	begin(teller, SAGA_COUNTER, "saga_rows_set_aside_total",
		"rows of the store that could not be read");
	tell(teller, health.set_aside);
	begin(teller, SAGA_GAUGE, "saga_store_up", "whether the store can be reached");
	tell(teller, health.store);
	begin(teller, SAGA_GAUGE, "saga_transport_up", "whether the transport can be reached");
	tell(teller, health.transport);
}

/* ---- times ---- */

static void tell_histogram(
	struct teller *teller, const char *name, const char *help, const struct saga__histogram *of)
{
	int64_t counts[SAGA__BOUNDS + 1];

	for (size_t i = 0; i <= SAGA__BOUNDS; i++)
		counts[i] = saga__number(&of->counts[i]);
	begin(teller, SAGA_HISTOGRAM, name, help);
	teller->metric.bounds = saga__bounds;
	teller->metric.bound_count = SAGA__BOUNDS;
	teller->metric.counts = counts;
	tell(teller, saga__number(&of->sum));
}

static void tell_batches(struct teller *teller)
{
	const struct saga_participant *p = teller->p;
	int64_t lost = 0;

	for (size_t i = 0; i < p->lane_count; i++)
		lost += saga__number(&p->lanes[i].lost);
	begin(teller, SAGA_COUNTER, "saga_batches_lost_total",
		"transactions rolled back or unknown");
	tell(teller, lost);
	tell_histogram(teller, "saga_batch_seconds", "a batch, from begin to committed",
		&p->numbers.batches);
	tell_histogram(teller, "saga_commit_seconds", "a commit alone", &p->numbers.commits);
}

void saga_metrics(const saga_participant *p, saga_metric_fn *each, void *user)
{
	struct teller teller = { .p = p, .each = each, .user = user };

	teller.labels[0] = (saga_metric_label){ "participant", p->plan->name };
	tell_steps(&teller);
	tell_queues(&teller);
	tell_streams(&teller);
	tell_followers(&teller);
	tell_health(&teller);
	tell_batches(&teller);
}
