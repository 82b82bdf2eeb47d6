#ifndef SAGA_METRICS_H
#define SAGA_METRICS_H

/*
 * A participant's numbers, for whatever collects them (Prometheus, StatsD, a page). They are
 * counted since it was opened, but for gauges. Names and labels are stable; all have the label
 * `participant`.
 *
 *	saga_steps_total              step, outcome   counter: what committed runs, undos and bars
 *	                                              came to: done, rejected, failed, waiting,
 *	                                              trying, barred, undoing, undone, dead, stuck;
 *	                                              read: of a request that only looks
 *	saga_step_retries_total       step            counter: set aside to be tried again
 *	saga_dead_letters_total                       counter: events set aside for good
 *	saga_slots                    state           gauge: waiting, dead, stuck
 *	saga_parked_events                            gauge: to be retried, called, woken
 *	saga_queue_items              lane            gauge: that wait for a lane, or in its batch
 *	saga_shards                                   gauge: of the store, worked by this instance
 *	saga_instances                                gauge: of this participant on its store
 *	saga_outbox_unseen_events                     gauge: that some follower has not seen
 *	saga_follower_unseen_events   follower        gauge: that this one has not seen, of those
 *	                                              that the outbox holds; not, as the next, on
 *	                                              a durable transport, where none is heard
 *	saga_follower_heard_ms        follower        gauge: since it last said something; -1:
 *	                                              never yet
 *	saga_followers_silent                         gauge: never heard, with events unseen for
 *	                                              more than a minute
 *	saga_stream_lag_events        owner, stream   gauge: of another's stream, known to be
 *	                                              sent, and not taken in yet
 *	saga_stream_gaps_total                        counter: in streams that are followed
 *	saga_events_asked_total                       counter: askings for events that were missing
 *	saga_events_resent_total                      counter: to those who asked
 *	saga_streams_stopped                          gauge: followed ones that wait for an operator
 *	saga_frames_total             way             counter: sent, received, refused, lost,
 *	                                              dropped
 *	saga_stalled                                  gauge: 1: for longer than the option
 *	                                              stalled_ms a lane has had something to do,
 *	                                              and has committed nothing
 *	saga_stalled_ms                               gauge: for how long; 0: all lanes go on
 *	saga_oldest_item_ms                           gauge: that has waited for a lane's commit
 *	saga_last_commit_ms                           gauge: since then; -1: none yet
 *	saga_store_failing                            gauge: 1: what was tried last failed
 *	saga_store_damaged                            gauge: 1: the store has said that it is
 *	saga_rows_set_aside_total                     counter: of the store, that can't be read
 *	saga_store_up                                 gauge: 1, or 0
 *	saga_transport_up                             gauge: 1, or 0
 *	saga_batches_lost_total                       counter: transactions rolled back, or of whose
 *	                                              commit no answer came
 *	saga_batch_seconds                            histogram: a batch, from begin to committed
 *	saga_commit_seconds                           histogram: the commit alone
 */

#include <saga/participant.h>

SAGA_BEGIN

typedef enum saga_metric_kind {
	SAGA_COUNTER = 1,
	SAGA_GAUGE = 2,
	SAGA_HISTOGRAM = 3 /* of times, in microseconds; its name says seconds, divide by 1e6 */
} saga_metric_kind;

typedef struct saga_metric_label {
	const char *name;
	const char *value;
} saga_metric_label;

/* One sample. All of it is borrowed until the callback returns. */
typedef struct saga_metric {
	const char *name;
	const char *help;                /* a few words */
	int kind;                        /* saga_metric_kind */
	const saga_metric_label *labels;
	size_t label_count;
	int64_t value;                   /* of a histogram: the sum of all */
	const int64_t *bounds;           /* of a histogram: upper ones, rising */
	const int64_t *counts;           /* of each bound, without those below it; and one more */
	size_t bound_count;
} saga_metric;

typedef void saga_metric_fn(void *user, const saga_metric *metric);

/*
 * Calls `each` for every sample; those of one name follow each other. Never blocks for long, holds
 * no lock meanwhile. Any thread, until saga_close.
 */
SAGA_API void saga_metrics(const saga_participant *participant, saga_metric_fn *each, void *user);

/* ---- as Prometheus reads them ---- */

/* The Content-Type of both texts. */
#define SAGA_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Writes all samples of a participant in Prometheus' text exposition format 0.0.4: what GET /metrics
 * answers. Times are in seconds. Ends the text with NUL, cuts it short if size is too small, and
 * returns its whole length, as snprintf does. The text grows with the numbers and with the streams
 * that are followed, so a second call may need more than the first one said: 16 KiB are enough as a
 * rule, and whoever finds that they are not makes more room and calls again. Allocates no memory
 * for the text; blocks and threads as saga_metrics.
 */
SAGA_API size_t saga_metrics_text(const saga_participant *participant, char *buffer, size_t size);

/*
 * Writes one sample of the host's own in the same way, to stand on the same page. The first sample
 * of a name (is_first) has its HELP and TYPE lines before it; the others of that name must follow
 * it. Names of metrics and labels are written as they are, help and values are escaped. Any thread.
 */
SAGA_API size_t saga_metric_text(const saga_metric *metric, bool is_first, char *buffer, size_t size);

SAGA_END

#endif
