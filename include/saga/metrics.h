#ifndef SAGA_METRICS_H
#define SAGA_METRICS_H

/*
 * The numbers of a participant, for Prometheus, StatsD or a page. Counters and histograms count
 * since saga_open. Names and labels are stable; all have the label `participant`.
 * docs/operations.md says what to do about each.
 *
 *	saga_steps_total              step, outcome   counter: committed runs, undos and bars by
 *	                                              outcome: done, rejected, failed, waiting,
 *	                                              trying, barred, undoing, undone, dead, stuck;
 *	                                              read: a request that only reads
 *	saga_step_retries_total       step            counter: runs and calls parked to be retried
 *	saga_dead_letters_total                       counter: events set aside for good
 *	saga_slots                    state           gauge: slots waiting, dead, stuck
 *	saga_parked_events                            gauge: events to be retried, called, woken
 *	saga_queue_items              lane            gauge: items in a lane's queue or batch
 *	saga_shards                                   gauge: shards that this instance works
 *	saga_instances                                gauge: instances on the store
 *	saga_outbox_unseen_events                     gauge: events that some follower has not seen
 *	saga_follower_unseen_events   follower        gauge: events of the outbox that this follower
 *	                                              has not seen; this metric and the next are not
 *	                                              there on a durable transport
 *	saga_follower_heard_ms        follower        gauge: time since it last said something; -1:
 *	                                              never yet
 *	saga_followers_silent                         gauge: followers never heard, with events
 *	                                              unseen for more than a minute
 *	saga_stream_lag_events        owner, stream   gauge: events of another's stream, known to
 *	                                              be sent and not committed here
 *	saga_stream_gaps_total                        counter: gaps in followed streams
 *	saga_events_asked_total                       counter: times that events were asked for
 *	saga_events_resent_total                      counter: events sent again when asked for
 *	saga_streams_stopped                          gauge: streams that wait for an operator
 *	saga_frames_total             way             counter: frames sent, received, refused, lost,
 *	                                              dropped
 *	saga_stalled                                  gauge: 1: a lane has had work for longer than
 *	                                              the option stalled_ms, and committed nothing
 *	saga_stalled_ms                               gauge: for how long; 0: all lanes go on
 *	saga_oldest_item_ms                           gauge: how long the oldest item has waited for
 *	                                              a commit
 *	saga_last_commit_ms                           gauge: time since the last one; -1: none yet
 *	saga_store_failing                            gauge: 1: the last attempt of a lane failed
 *	saga_store_damaged                            gauge: 1: the store has said it is damaged
 *	saga_rows_set_aside_total                     counter: unreadable rows of the store
 *	saga_store_up                                 gauge: 1: the store can be reached
 *	saga_transport_up                             gauge: 1: the transport can be reached
 *	saga_batches_lost_total                       counter: transactions rolled back, or whose
 *	                                              commit got no answer
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
	int64_t value;                   /* of a histogram: the sum of all values */
	const int64_t *bounds;           /* of a histogram: the upper bounds, rising */
	const int64_t *counts;           /* values up to each bound and above the one before; at
	                                    the end those above all bounds */
	size_t bound_count;
} saga_metric;

typedef void saga_metric_fn(void *user, const saga_metric *metric);

/*
 * Calls `each` for every sample; samples of one name follow each other. Does not block for long,
 * and holds no lock while `each` runs. Any thread, until saga_close.
 */
SAGA_API void saga_metrics(const saga_participant *participant, saga_metric_fn *each, void *user);

/* ---- as Prometheus reads them ---- */

/* The Content-Type of both texts. */
#define SAGA_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Writes all samples of a participant in Prometheus' text exposition format 0.0.4, as the answer to
 * GET /metrics. Times are in seconds. Writes a NUL and cuts the text if size is too small. Returns
 * the length of the whole text, as snprintf does. The text grows with its numbers and with the
 * streams that are followed, so a second call may need more than the first one said: 16 KiB are
 * usually enough; if not, make more room and call again. Allocates no memory for the text. Blocking
 * and threads: as saga_metrics.
 */
SAGA_API size_t saga_metrics_text(const saga_participant *participant, char *buffer, size_t size);

/*
 * Writes one sample of the host's own in the same form, for the same page. is_first: the first
 * sample of its name, which gets the HELP and TYPE lines; other samples of the name must follow it.
 * Names of metrics and labels are written as they are; help and values are escaped. Any thread.
 */
SAGA_API size_t saga_metric_text(
	const saga_metric *metric, bool is_first, char *buffer, size_t size);

SAGA_END

#endif
