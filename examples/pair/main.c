/*
 * One program, two services: which one it is, its store and its bus are said by its arguments.
 *
 *	pair seats STORE BUS HOLD_SECONDS GUEST...
 *	pair till STORE BUS BANK_URL
 */
#include "pair.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static saga_participant *running;

static void stop(int signal_number)
{
	(void)signal_number;
	saga_stop(running);
}

/* On the loop, after the commit. */
static void show(void *guest, const saga_answer *answer)
{
	const struct seat_refused *refused =
		answer->outcome ? saga_body(answer->outcome, seat_refused) : NULL;
	const char *text = refused ? refused->why : answer->text;

	printf("%s: %s\n", (const char *)guest, answer->code == SAGA_OK ? "a seat is held" : text);
	fflush(stdout);
}

/* A guest books once, however often the program is started with the name. */
static void book(char *guest)
{
	const saga_submission booking = { SAGA_SUBMISSION(book_seat, .guest = guest), .key = guest,
		.answered = show, .user = guest };
	saga_error error;

	if (saga_submit(running, &booking, &error) != SAGA_OK)
		fprintf(stderr, "pair: %s: %s\n", guest, error.text);
}

int main(int count, char **words)
{
	static const char *const to_till[] = { "till", NULL },
				 *const to_seats[] = { "seats", NULL };
	bool is_seats = count > 4 && strcmp(words[1], "seats") == 0;
	saga_error error;

	if (!is_seats && (count != 5 || strcmp(words[1], "till") != 0)) {
		fprintf(stderr,
			"usage: pair seats STORE BUS HOLD_SECONDS GUEST...\n"
			"       pair till STORE BUS BANK_URL\n");
		return 2;
	}
	int64_t hold_ms = is_seats ? strtoll(words[4], NULL, 10) * 1000 : 0;
	const saga_options *options = SAGA_OPTIONS(.store = words[2], .transport = words[3],
		.followers = is_seats ? to_till : to_seats, .lanes = 1, .lease_ms = 4000,
		.log = saga_log_stderr, .user = is_seats ? (void *)&hold_ms : (void *)words[4]);

	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (saga_open(is_seats ? &seats : &till, options, &running, &error) != SAGA_OK) {
		fprintf(stderr, "pair: %s\n", error.text);
		return 1;
	}
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	for (int i = 5; i < count; i++)
		book(words[i]);

	int code = saga_run(running);

	saga_close(running);
	curl_global_cleanup();
	return code == SAGA_OK ? 0 : 1;
}
