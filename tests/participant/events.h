#ifndef TESTS_EVENTS_H
#define TESTS_EVENTS_H

/* What the suite's participants say to each other. */

#include <saga/event.h>

/* What `n` of an injected event asks of the handler that runs on it. */
enum to_do {
	DO_DONE,
	DO_REJECT,
	DO_FAIL,
	DO_WAIT,
	DO_RETRY,
	DO_MALFORMED,
};

/* Events of the participant `outside`, each published by a request of its own. */
#define INJECTABLES(X) \
	X(go_first) \
	X(go_second) \
	X(go_third) \
	X(take_back) \
	X(take_back_too) \
	X(bar_it) \
	X(marker)

#define INJECTABLE(type_) \
	SAGA_EVENT(type_, "outside." #type_, 1, int64(n), opt_text(text)); \
	SAGA_REQUEST(ask_##type_, "ask." #type_, 1, int64(n), opt_text(text));
INJECTABLES(INJECTABLE)
#undef INJECTABLE

/* The same as go_first, but without a subject. */
SAGA_REQUEST(ask_bare_first, "ask.bare_first", 1, int64(n));

/* Outcomes. */
SAGA_EVENT(a_done, "a.done", 1, opt_int64(n), opt_text(text));
SAGA_EVENT(a_rejected, "a.rejected", 1, opt_int64(n), reason(why));
SAGA_EVENT(a_undone, "a.undone", 1, opt_int64(n), opt_text(text));
SAGA_EVENT(b_done, "b.done", 1, opt_int64(n));
SAGA_EVENT(b_rejected, "b.rejected", 1, reason(why));
SAGA_EVENT(b_undone, "b.undone", 1, opt_int64(n));
SAGA_EVENT(c_done, "c.done", 1, opt_int64(n));

/* Needs a field, so no library can make it alone. */
SAGA_EVENT(a_refused, "a.refused", 1, int64(n), text(why));

/* Schedules. */
SAGA_EVENT(later, "target.later", 1, int64(n));
SAGA_EVENT(much_later, "target.much_later", 1, int64(n));

/* Requests of the participant under test. */
SAGA_REQUEST(please, "target.please", 1, int64(n), opt_text(text));
SAGA_REQUEST(tell_me, "target.tell_me", 1, int64(n));

#endif
