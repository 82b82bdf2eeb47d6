/* A call asks the participant, and the answer becomes its reply. */
#include "kit.h"

#include <stdlib.h>

json_t *service_body(const saga_event *event)
{
	size_t size = saga_event_json(event, NULL, 0);
	char *text = malloc(size + 1);
	json_t *json = NULL;

	if (text) {
		saga_event_json(event, text, size + 1);
		json = json_loads(text, 0, NULL);
	}
	free(text);
	return json;
}

void service_refuse(struct http_call *call, const saga_answer *answer, int status)
{
	bool is_ours = answer->code == SAGA_REJECTED || answer->code == SAGA_MALFORMED;
	json_t *body = answer->outcome ? service_body(answer->outcome) : NULL;
	const char *why = json_string_value(json_object_get(body, "why"));

	http_problem(call, is_ours ? status : saga_code_http(answer->code),
		saga_code_name(answer->code), "%s",
		why                     ? why
			: *answer->text ? answer->text
					: saga_code_text(answer->code));
	json_decref(body);
}

void service_reply_found(void *user, const saga_answer *answer)
{
	if (answer->code == SAGA_OK)
		http_json(user, 200, service_body(answer->outcome));
	else
		service_refuse(user, answer, 404);
}

const saga_event *service_outcome(struct http_call *call, const saga_answer *answer)
{
	if (answer->code == SAGA_OK && answer->outcome)
		return answer->outcome;
	service_refuse(call, answer, saga_code_http(answer->code));
	return NULL;
}

void service_ask(struct http_call *call, saga_submission submission, saga_answer_fn *then)
{
	saga_error error;
	int code;

	submission.key = http_key(call);
	submission.traceparent = http_traceparent(call);
	submission.answered = then;
	submission.user = call;
	code = saga_submit(service_participant(call), &submission, &error);
	if (code != SAGA_OK)
		http_problem(call, saga_code_http(code), saga_code_name(code), "%s", error.text);
}
