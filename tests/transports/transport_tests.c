#include "transport_tests.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library's side of the port ---- */

static bool enter(struct host *host)
{
	uv_mutex_lock(&host->lock);
	if (host->is_closed)
		host->called_after_closed = true;
	return !host->is_closed;
}

static void leave(struct host *host)
{
	uv_mutex_unlock(&host->lock);
}

static bool keep(struct kept *kept, const saga_frame *frame)
{
	size_t length = strlen(frame->topic);

	*kept = (struct kept){ .size = 0 };
	kept->bytes = malloc(frame->bytes.size + 1);
	if (!kept->bytes || length >= sizeof kept->topic)
		return false;
	memcpy(kept->topic, frame->topic, length + 1);
	if (frame->bytes.size > 0)
		memcpy(kept->bytes, frame->bytes.at, frame->bytes.size);
	kept->size = frame->bytes.size;
	kept->token = frame->token;
	kept->part = frame->part;
	kept->place = frame->place;
	kept->stored_at = frame->stored_at;
	kept->id = frame->id;
	for (size_t i = 0; i < sizeof frame->id.bytes; i++)
		kept->is_kept = kept->is_kept || frame->id.bytes[i];
	return true;
}

static int receive(void *context, const saga_frame *frames, size_t count)
{
	struct host *host = context;
	int code = SAGA_OK;

	if (!enter(host) || host->count + count > host->room || host->count + count > KEPT) {
		host->busy_count++;
		code = SAGA_BUSY;
	}
	for (size_t i = 0; code == SAGA_OK && i < count; i++) {
		if (!keep(&host->inbox[host->count], &frames[i]))
			abort();
		host->count++;
	}
	leave(host);
	return code;
}

static void writable(void *context)
{
	struct host *host = context;

	(void)enter(host);
	host->writable_count++;
	leave(host);
}

static void sent(void *context, const saga_receipt *receipts, size_t count)
{
	struct host *host = context;

	(void)enter(host);
	host->sent_count += count;
	host->sent_last = receipts[count - 1].token;
	host->receipt = receipts[count - 1];
	leave(host);
}

static void state(void *context, bool up, const char *text)
{
	struct host *host = context;

	(void)enter(host);
	host->state_count++;
	host->up = up;
	host->state_has_text = text && text[0];
	leave(host);
}

static void broker(void *context, const saga_broker *told)
{
	struct host *host = context;

	(void)enter(host);
	host->broker = *told;
	leave(host);
}

static void looked_behind(void *context, unsigned shard, uint64_t place, uint64_t found)
{
	struct host *host = context;

	(void)enter(host);
	host->looked_count++;
	host->looked_shard = shard;
	host->looked_place = place;
	host->looked_found = found;
	leave(host);
}

static void looked(void *context, uint64_t place, saga_id id, int64_t stored_at)
{
	struct host *host = context;

	(void)enter(host);
	host->looked_count++;
	host->looked_place = place;
	host->looked_id = id;
	host->looked_stored_at = stored_at;
	leave(host);
}

static void closed(void *context)
{
	struct host *host = context;

	(void)enter(host);
	host->is_closed = true;
	leave(host);
}

/* ---- worlds and hosts ---- */

void world_open(struct world *world, int row)
{
	const struct transport_under_test *under_test = &transports_under_test[row];

	*world = (struct world){ .under_test = under_test, .ops = under_test->ops() };
	ck_assert_msg(world->ops != NULL, "no transport for %s", under_test->name);
	world->context = under_test->new_context ? under_test->new_context() : NULL;
	ck_assert_int_eq(uv_loop_init(&world->loop), 0);
	under_test->fresh_url(world->context, world->url, sizeof world->url);
}

void world_close(struct world *world)
{
	ck_assert_int_eq(uv_run(&world->loop, UV_RUN_NOWAIT), 0);
	ck_assert_msg(uv_loop_close(&world->loop) == 0, "handles were left on the loop");
	if (world->under_test->free_context)
		world->under_test->free_context(world->context);
}

static void open_with(struct host *host, const struct world *world, uv_loop_t *loop,
	const saga_transport_options *options)
{
	saga_error error = { .code = SAGA_OK };
	int code;

	memset(host, 0, sizeof *host);
	host->port = (saga_port){ .host = host,
		.loop = loop,
		.receive = receive,
		.writable = writable,
		.sent = sent,
		.state = state,
		.closed = closed,
		.broker = broker,
		.looked = looked,
		.looked_behind = looked_behind };
	host->world = world;
	host->topics = options->topics;
	host->room = KEPT;
	if (uv_mutex_init(&host->lock) != 0)
		abort();
	code = world->ops->open(&host->port, options, &host->transport, &error);
	ck_assert_msg(code == SAGA_OK, "%s: %s", options->url, error.text);
}

void host_open_on(struct host *host, const struct world *world, uv_loop_t *loop, const char *url,
	const char *const *topics, size_t frame_bytes)
{
	const saga_transport_options options = { .url = url,
		.participant = "tester",
		.topics = topics,
		.frame_bytes = frame_bytes,
		.context = world->context };

	open_with(host, world, loop, &options);
}

void host_open_as(struct host *host, struct world *world, const char *participant, uint8_t store,
	int64_t since)
{
	static const char *const none[] = { NULL };
	const saga_transport_options options = { .url = world->url,
		.participant = participant,
		.topics = none,
		.frame_bytes = FRAME_BYTES,
		.context = world->context,
		.store = { .bytes = { store } },
		.since = since };

	open_with(host, world, &world->loop, &options);
}

void host_open(struct host *host, struct world *world, const char *const *topics)
{
	host_open_on(host, world, &world->loop, world->url, topics, FRAME_BYTES);
}

void host_forget(struct host *host)
{
	uv_mutex_lock(&host->lock);
	for (size_t i = 0; i < host->count; i++)
		free(host->inbox[i].bytes);
	host->count = 0;
	uv_mutex_unlock(&host->lock);
}

size_t host_count(struct host *host)
{
	size_t count;

	uv_mutex_lock(&host->lock);
	count = host->count;
	uv_mutex_unlock(&host->lock);
	return count;
}

static bool is_closed(struct host *host, size_t n)
{
	bool answer;

	(void)n;
	uv_mutex_lock(&host->lock);
	answer = host->is_closed;
	uv_mutex_unlock(&host->lock);
	return answer;
}

void host_close(struct host *host)
{
	host->world->ops->close(host->transport);
	ck_assert_msg(turn_until(host, is_closed, 0), "saga_port_closed never came");
	ck_assert_msg(!host->called_after_closed, "a call came after saga_port_closed");
	host_forget(host);
	uv_mutex_destroy(&host->lock);
}

/* ---- turning ---- */

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* Once around; then it rests until there is something to do, or a millisecond: others' threads. */
static void turn(uv_loop_t *loop)
{
	struct pollfd backend = { .fd = uv_backend_fd(loop), .events = POLLIN };

	(void)uv_run(loop, UV_RUN_NOWAIT);
	(void)poll(&backend, 1, 1);
}

bool turn_until(struct host *host, bool (*holds)(struct host *host, size_t n), size_t n)
{
	uint64_t start = now_ms();

	while (!holds(host, n)) {
		if (now_ms() - start > PATIENCE_MS)
			return false;
		turn(host->port.loop);
	}
	return true;
}

void turn_for(struct host *host, int ms)
{
	uint64_t start = now_ms();

	do
		turn(host->port.loop);
	while (now_ms() - start < (uint64_t)ms);
}

bool has_count(struct host *host, size_t n)
{
	return host_count(host) >= n;
}

/* ---- sending ---- */

saga_frame frame_of(const char *topic, const void *bytes, size_t size)
{
	return (saga_frame){ .topic = topic, .bytes = { .at = bytes, .size = size } };
}

static bool can_write(struct host *host, size_t n)
{
	bool answer;

	uv_mutex_lock(&host->lock);
	answer = host->writable_count > n;
	uv_mutex_unlock(&host->lock);
	return answer;
}

void send_all(struct host *host, const saga_frame *frames, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t before, n = SIZE_MAX;
		int code;

		uv_mutex_lock(&host->lock);
		before = host->writable_count;
		uv_mutex_unlock(&host->lock);
		code = host->world->ops->send(host->transport, frames + done, count - done, &n);
		ck_assert_msg(code == SAGA_OK, "send: %s", saga_code_name(code));
		ck_assert_uint_le(n, count - done);
		done += n;
		if (done < count)
			ck_assert_msg(turn_until(host, can_write, before),
				"a part was sent, and saga_port_writable never came");
	}
}

void send_text(struct host *host, const char *topic, const char *text)
{
	saga_frame frame = frame_of(topic, text, strlen(text));

	send_all(host, &frame, 1);
}

void assert_kept(struct host *host, size_t i, const char *topic, const void *bytes, size_t size)
{
	ck_assert_uint_lt(i, host_count(host));
	ck_assert_str_eq(host->inbox[i].topic, topic);
	ck_assert_uint_eq(host->inbox[i].size, size);
	ck_assert(size == 0 || memcmp(host->inbox[i].bytes, bytes, size) == 0);
}

/* What they heard is forgotten: who waits long for the last of them is not to be full by then. */
static bool others_have_heard(struct host *hosts, size_t count, size_t from)
{
	bool all = true;

	for (size_t i = 0; i < count; i++) {
		hosts[i].has_heard = hosts[i].has_heard || host_count(&hosts[i]) > 0;
		host_forget(&hosts[i]);
		all = all && (i == from || !hosts[i].topics[0] || hosts[i].has_heard);
	}
	return all;
}

static bool subscribes(const struct host *host, const char *topic)
{
	for (size_t i = 0; host->topics[i]; i++)
		if (strcmp(host->topics[i], topic) == 0)
			return true;
	return false;
}

/* What is sent to each one's first topic, and comes to all who listen to that. */
static void send_to_each(struct host *hosts, size_t count, size_t from, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (i != from && hosts[i].topics[0])
			send_text(&hosts[from], hosts[i].topics[0], text);
}

static size_t due_at(const struct host *hosts, size_t count, size_t from, size_t at)
{
	size_t due = 0;

	if (at == from && !(hosts[at].world->ops->traits & SAGA_TRANSPORT_ECHOES))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (i != from && hosts[i].topics[0] && subscribes(&hosts[at], hosts[i].topics[0]))
			due++;
	return due;
}

static bool has_fences(struct host *host, size_t n)
{
	size_t fences = 0;

	uv_mutex_lock(&host->lock);
	for (size_t i = 0; i < host->count; i++)
		fences += host->inbox[i].size == 5 && memcmp(host->inbox[i].bytes, "fence", 5) == 0;
	uv_mutex_unlock(&host->lock);
	return fences >= n;
}

/* What was sent before it has come: nothing of the warming up is still under way. */
static void fence_off(struct host *hosts, size_t count, size_t from)
{
	send_to_each(hosts, count, from, "fence");
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(turn_until(&hosts[i], has_fences, due_at(hosts, count, from, i)),
			"they never heard the last of it");
}

static void never_heard(struct host *hosts, size_t count, size_t from)
{
	size_t heard = 0, up = 0;

	for (size_t i = 0; i < count; i++) {
		uv_mutex_lock(&hosts[i].lock);
		heard += hosts[i].has_heard;
		up += hosts[i].up;
		uv_mutex_unlock(&hosts[i].lock);
	}
	ck_abort_msg("they never heard each other: of %zu %zu heard number %zu, %zu were up", count,
		heard, from, up);
}

/* Ever more seldom: what is said meanwhile waits for who is slow. */
static void warm_up_from(struct host *hosts, size_t count, size_t from)
{
	uint64_t start = now_ms();
	int pause_ms = 2;

	for (size_t i = 0; i < count; i++) {
		host_forget(&hosts[i]);
		hosts[i].has_heard = false;
	}
	do {
		if (now_ms() - start >= PATIENCE_MS)
			never_heard(hosts, count, from);
		send_to_each(hosts, count, from, "warm");
		turn_for(&hosts[from], pause_ms);
		pause_ms = pause_ms < 100 ? 2 * pause_ms : pause_ms;
	} while (!others_have_heard(hosts, count, from));
	fence_off(hosts, count, from);
}

void warm_up(struct host *hosts, size_t count)
{
	for (size_t from = 0; from < count; from++)
		warm_up_from(hosts, count, from);
	for (size_t i = 0; i < count; i++)
		host_forget(&hosts[i]);
}
