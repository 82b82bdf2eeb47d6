#include "hand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hand {
	const struct bench_run *run;
	struct hand_service services[BENCH_SERVICES];
};

/* A service's thread, and what it works on. */
struct hand_thread {
	pthread_t thread;
	struct hand *hand;
	struct hand_service *service;
};

/* ---- queues ---- */

static void queue_init(struct hand_queue *queue)
{
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->filled, NULL);
}

static void queue_destroy(struct hand_queue *queue)
{
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
}

static void queue_put(struct hand_queue *queue, const struct hand_input *inputs, size_t count)
{
	pthread_mutex_lock(&queue->lock);
	for (size_t i = 0; i < count; i++)
		queue->inputs[(queue->first + queue->count++) % HAND_QUEUE] = inputs[i];
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

/* Takes up to `most`; waits for the first of them if told to, until the queue is closed. */
static size_t queue_take(
	struct hand_queue *queue, struct hand_input *ret_inputs, size_t most, bool wait)
{
	size_t count = 0;

	pthread_mutex_lock(&queue->lock);
	while (wait && queue->count == 0 && !queue->closed)
		pthread_cond_wait(&queue->filled, &queue->lock);
	while (queue->count > 0 && count < most) {
		ret_inputs[count++] = queue->inputs[queue->first];
		queue->first = (queue->first + 1) % HAND_QUEUE;
		queue->count--;
	}
	pthread_mutex_unlock(&queue->lock);
	return count;
}

static void queue_close(struct hand_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

/* ---- a batch ---- */

/* Events go before new orders, and no more orders are in flight than the window holds. */
static size_t take(
	const struct hand *hand, struct hand_service *s, struct hand_input *ret_inputs, bool wait)
{
	size_t most = hand->run->batch;

	if (s->who != BENCH_ORDER)
		return queue_take(&s->queue, ret_inputs, most, wait);

	size_t open = BENCH_WINDOW - (s->placed - s->fulfilled);
	size_t left = hand->run->count - s->placed;
	size_t orders = open < left ? open : left;
	size_t count = queue_take(&s->queue, ret_inputs, most, wait && orders == 0);

	for (; orders > 0 && count < most; orders--) {
		ret_inputs[count].kind = HAND_REQUEST;
		ret_inputs[count++].order = s->placed++;
	}
	return count;
}

static void move_positions(struct hand_service *s)
{
	for (size_t source = 0; source < BENCH_SERVICES; source++) {
		if (!s->moved[source])
			continue;
		hand_exec(&s->store, HAND_MOVE, "ii", (int64_t)source, s->seen[source]);
		s->moved[source] = false;
	}
}

/* What was committed leaves: events to who consumes them, questions to the provider. */
static void dispatch(struct hand *hand, struct hand_service *s)
{
	for (size_t i = 0; i < s->output_count; i++) {
		const struct hand_input *output = &s->outputs[i];

		for (size_t to = 0; to < BENCH_SERVICES; to++)
			if (output->targets >> to & 1)
				queue_put(&hand->services[to].queue, output, 1);
	}
	for (size_t i = 0; i < s->question_count; i++) {
		struct hand_input *question = &s->questions[i];
		char key[33];

		for (size_t b = 0; b < 16; b++)
			snprintf(key + 2 * b, 3, "%02x", question->saga[b]);
		bench_provider_charge(key, question->cents, question->receipt);
	}
	queue_put(&s->queue, s->questions, s->question_count);
	s->fulfilled += s->fulfilled_in_batch;
	s->paid += s->paid_in_batch;
}

/* One transaction; returns how many steps it had. */
static size_t work(struct hand *hand, struct hand_service *s, struct hand_input *inputs, bool wait)
{
	size_t count = take(hand, s, inputs, wait);

	if (count == 0)
		return 0;
	s->output_count = s->question_count = s->fulfilled_in_batch = s->paid_in_batch = 0;
	hand_exec(&s->store, HAND_BEGIN, "");
	for (size_t i = 0; i < count; i++)
		hand_service_step(s, &inputs[i]);
	move_positions(s);
	hand_exec(&s->store, HAND_COMMIT, "");
	if (s->store.failed)
		return 0;
	s->commits++;
	dispatch(hand, s);
	return count;
}

/* ---- all services, in turn or each on its thread ---- */

static bool has_ended(const struct hand *hand, const struct hand_service *s)
{
	return s->fulfilled == hand->run->count && s->paid == hand->run->count;
}

static void close_all(struct hand *hand)
{
	for (size_t i = 0; i < BENCH_SERVICES; i++)
		queue_close(&hand->services[i].queue);
}

static void *serve(void *argument)
{
	struct hand_thread *t = argument;
	struct hand_input *inputs = calloc(BENCH_BATCH, sizeof *inputs);

	if (!inputs)
		hand_store_fail(&t->service->store, "no memory");
	while (inputs && work(t->hand, t->service, inputs, true) > 0)
		if (has_ended(t->hand, t->service))
			break;
	close_all(t->hand);
	free(inputs);
	return NULL;
}

static void serve_by_threads(struct hand *hand)
{
	struct hand_thread threads[BENCH_SERVICES];
	size_t started = 0;

	for (; started < BENCH_SERVICES; started++) {
		struct hand_thread *t = &threads[started];

		*t = (struct hand_thread){ .hand = hand, .service = &hand->services[started] };
		if (pthread_create(&t->thread, NULL, serve, t) != 0) {
			close_all(hand);
			break;
		}
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i].thread, NULL);
}

static void serve_in_turn(struct hand *hand)
{
	struct hand_input *inputs = calloc(BENCH_BATCH, sizeof *inputs);
	size_t steps = inputs ? 1 : 0;

	while (steps > 0 && !has_ended(hand, &hand->services[BENCH_ORDER])) {
		steps = 0;
		for (size_t i = 0; i < BENCH_SERVICES; i++)
			steps += work(hand, &hand->services[i], inputs, false);
	}
	free(inputs);
}

/* ---- a run ---- */

static void open_services(struct hand *hand)
{
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		struct hand_service *s = &hand->services[i];

		s->who = (enum bench_service)i;
		s->orders = hand->run->orders;
		queue_init(&s->queue);
		msgpack_sbuffer_init(&s->buffer);
		hand_service_open(s, hand->run);
	}
}

/* Whether every service is well, and the first one's words if not. */
static int verdict(const struct hand *hand, char ret_text[BENCH_TEXT])
{
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		if (!hand->services[i].store.failed)
			continue;
		memcpy(ret_text, hand->services[i].store.text, BENCH_TEXT);
		return -1;
	}
	return 0;
}

static void close_services(struct hand *hand)
{
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		struct hand_service *s = &hand->services[i];

		hand_store_close(&s->store);
		msgpack_sbuffer_destroy(&s->buffer);
		queue_destroy(&s->queue);
	}
}

static void serve_all(struct hand *hand, struct bench_result *ret_result)
{
	double start = bench_seconds(), cpu = bench_cpu_seconds();

	for (size_t i = 0; i < BENCH_SERVICES; i++)
		hand->services[i].store.ran = 0;
	if (hand->run->threads)
		serve_by_threads(hand);
	else
		serve_in_turn(hand);
	*ret_result = (struct bench_result){ .seconds = bench_seconds() - start,
		.cpu = bench_cpu_seconds() - cpu };
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		ret_result->commits += hand->services[i].commits;
		ret_result->statements += hand->services[i].store.ran;
	}
}

int hand_run(
	const struct bench_run *run, struct bench_result *ret_result, char ret_text[BENCH_TEXT])
{
	struct hand *hand = calloc(1, sizeof *hand);
	struct bench_result result;
	int code;

	if (!hand || run->batch < 1 || run->batch > BENCH_BATCH) {
		snprintf(ret_text, BENCH_TEXT, "no memory, or a batch that is too large");
		free(hand);
		return -1;
	}
	hand->run = run;
	open_services(hand);
	code = verdict(hand, ret_text);
	if (code == 0) {
		serve_all(hand, &result);
		for (size_t i = 0; i < BENCH_SERVICES; i++)
			hand_service_check(&hand->services[i], run->count);
		code = verdict(hand, ret_text);
		if (code == 0)
			*ret_result = result;
	}
	close_services(hand);
	free(hand);
	return code;
}
