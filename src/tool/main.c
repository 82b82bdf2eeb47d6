/* The saga command: what an operator sees and does of a participant's store. */

#include "bus.h"
#include "look.h"
#include "saga_config.h"

#include <saga/saga.h>

#include <limits.h>
#include <string.h>

static const char help[] =
	"usage: saga dead list    --store URL [--kind KIND] [--json]\n"
	"       saga dead show    --store URL [--json] ID\n"
	"       saga dead requeue --store URL ID...|--all\n"
	"       saga dead discard --store URL ID...\n"
	"       saga dead assert  --store URL ID [--outcome TYPE [--body JSON]] --note TEXT\n"
	"       saga stream list  --store URL [--json]\n"
	"       saga stream skip  --store URL STREAM...|--all\n"
	"       saga stream accept --store URL STREAM...|--all\n"
	"       saga stream republish --store URL\n"
	"       saga show         --store URL [--json] SAGA-ID\n"
	"       saga schema       --dialect DIALECT\n"
	"       saga check        [--subjects N] [--dying N] [--states N] CONTRACT...\n"
	"       saga draw         [--dot | --sequence END] CONTRACT...\n"
	"       saga asyncapi     CONTRACT...\n"
	"       saga contract     --schema TYPE CONTRACT...\n"
	"       saga bus          --in URL [--out URL]\n"
	"       saga --help | --version          (each command has --help too)\n"
	"\n"
	"Shows and mends the dead slots, dead letters and stopped streams of one participant,\n"
	"which may run meanwhile. URL is the participant's store, as sqlite:order.db, or @FILE:\n"
	"the first line of that file, so that no password stands among the arguments. An ID is a\n"
	"UUID or its beginning: at least 8 characters, usually 13, since ids of the same minute\n"
	"share 8. `saga bus` joins participants whose transport is nng.\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong use.\n";

static const char list_help[] =
	"usage: saga dead list --store URL [--kind KIND] [--json]\n"
	"What is set aside, the oldest first: held triggers of dead and stuck slots, and dead "
	"letters;\n"
	"and how many others there are.\n"
	"\n"
	"  --kind KIND   retry, call, behind, schedule, held, letter, or all\n"
	"  --json        one JSON object a line\n";

static const char show_row_help[] = "usage: saga dead show --store URL [--json] ID\n"
				    "One row in full: its event, its question, its slot.\n";

static const char requeue_help[] =
	"usage: saga dead requeue --store URL ID...|--all\n"
	"Once more, with all its attempts: the trigger of a dead or "
	"stuck slot, a dead letter, or what\n"
	"is to be retried later. --all: all held rows and dead letters. "
	"The participant does it within\n"
	"a third of its lease (5 s, unless it says otherwise) if it runs, else "
	"when it starts.\n";

static const char discard_help[] = "usage: saga dead discard --store URL ID...\n"
				   "Removes dead letters. Their events go to stdout, a line of "
				   "JSON each, before they are gone.\n";

static const char assert_help[] =
	"usage: saga dead assert --store URL ID [--outcome TYPE [--body JSON]] --note TEXT\n"
	"Says how a dead or stuck slot ended. The participant publishes the event, and the slot is "
	"done,\n"
	"rejected or undone by what the step declares it to be; what it does not declare it "
	"refuses, and\n"
	"`saga dead list` says why.\n"
	"\n"
	"  --outcome TYPE   the event, as payment.charged; none: a step that declares no `emits`\n"
	"  --body JSON      its body, an object (default {})\n"
	"  --note TEXT      why it is known, kept with the slot\n";

static const char stream_list_help[] =
	"usage: saga stream list --store URL [--json]\n"
	"Streams of others that have stopped, and what is ordered. STATE is gone (their owner has "
	"no\n"
	"more what comes next) or forked (it has another history than what was committed here: a\n"
	"restored backup). Of a broker's, which goes on by itself: lost (it lost what it had\n"
	"confirmed), remade (it is another stream) or set-back (this store is older than what the\n"
	"broker was told: a restored backup).\n"
	"\n"
	"  --json        one JSON object a line\n";

static const char stream_skip_help[] =
	"usage: saga stream skip --store URL STREAM...|--all\n"
	"Goes on behind events that are gone; what they said is lost here. The participant does "
	"it\n"
	"within a third of its lease (5 s, unless it says otherwise) if it runs, else when it "
	"starts.\n"
	"--all: all streams that are gone.\n";

static const char stream_accept_help[] =
	"usage: saga stream accept --store URL STREAM...|--all\n"
	"Takes another history for what it is: the stream is read again from the oldest event that "
	"its\n"
	"owner has; what was done before is not done twice. --all: all streams that have forked.\n"
	"What happened to a broker's stream was mended when it was found: accepted, it is no "
	"longer\n"
	"listed.\n";

static const char show_help[] =
	"usage: saga show --store URL [--json] SAGA-ID\n"
	"One saga as this participant knows it: its slots and why they wait, its schedules, what "
	"is\n"
	"parked events, and the events that it published and that the outbox still has.\n";

static const char schema_help[] =
	"usage: saga schema --dialect sqlite|postgresql|tsql\n"
	"The library's own tables, as a participant makes them when it first opens its store.\n";

static const char stream_republish_help[] =
	"usage: saga stream republish --store URL\n"
	"All events that the store's outbox holds are published again, under their ids, to a "
	"durable\n"
	"transport: for a broker that lost some without a sign of it. Consumers know doubles.\n";

static const struct command commands[] = {
	{ "dead", "list", list_help, OPTION_STORE | OPTION_KIND | OPTION_JSON, 0, 0, "",
		dead_list },
	{ "dead", "show", show_row_help, OPTION_STORE | OPTION_JSON, 1, 1, "ID", dead_show },
	{ "dead", "requeue", requeue_help, OPTION_STORE | OPTION_ALL, 1, INT_MAX, "ID",
		dead_requeue },
	{ "dead", "discard", discard_help, OPTION_STORE, 1, INT_MAX, "ID", dead_discard },
	{ "dead", "assert", assert_help, OPTION_STORE | OPTION_OUTCOME | OPTION_BODY | OPTION_NOTE,
		1, 1, "ID", dead_assert },
	{ "stream", "list", stream_list_help, OPTION_STORE | OPTION_JSON, 0, 0, "", stream_list },
	{ "stream", "skip", stream_skip_help, OPTION_STORE | OPTION_ALL | OPERANDS_ARE_WORDS, 1,
		INT_MAX, "STREAM", stream_skip },
	{ "stream", "accept", stream_accept_help, OPTION_STORE | OPTION_ALL | OPERANDS_ARE_WORDS, 1,
		INT_MAX, "STREAM", stream_accept },
	{ "stream", "republish", stream_republish_help, OPTION_STORE, 0, 0, "", stream_republish },
	{ NULL, "show", show_help, OPTION_STORE | OPTION_JSON, 1, 1, "SAGA-ID", show },
	{ NULL, "schema", schema_help, OPTION_DIALECT, 0, 0, "", schema },
	{ NULL, "check", check_help,
		OPTION_SUBJECTS | OPTION_DYING | OPTION_STATES | OPERANDS_ARE_WORDS, 1, INT_MAX,
		"CONTRACT", check_contracts },
	{ NULL, "draw", draw_help, OPTION_DOT | OPTION_SEQUENCE | OPERANDS_ARE_WORDS, 1, INT_MAX,
		"CONTRACT", draw },
	{ NULL, "asyncapi", asyncapi_help, OPERANDS_ARE_WORDS, 1, INT_MAX, "CONTRACT", asyncapi },
	{ NULL, "contract", contract_help, OPTION_SCHEMA | OPERANDS_ARE_WORDS, 1, INT_MAX,
		"CONTRACT", contract },
#ifdef SAGA_HAVE_NNG
	{ NULL, "bus", bus_help, OPTION_IN | OPTION_OUT, 0, 0, "", bus },
#endif
};

static int run(const struct command *command, int argc, char **argv)
{
	struct arguments arguments;
	bool wants_help;
	int code = arguments_read(command, argc, argv, &arguments, &wants_help);

	if (code == EXIT_WRONG_USE)
		(void)fail("try saga %s%s%s --help", command->group ? command->group : "",
			command->group ? " " : "", command->name);
	if (code != EXIT_DONE)
		return code;
	if (wants_help) {
		arguments_free(&arguments);
		fputs(command->help, stdout);
		return look_end(EXIT_DONE);
	}
	code = command->run(&arguments);
	arguments_free(&arguments);
	return code;
}

static bool is(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

static int wrong_command(const char *group, const char *name)
{
	if (!name)
		(void)fail("%s%swhich command?", group ? group : "", group ? ": " : "");
	else
		(void)fail("no such command: %s%s%s", group ? group : "", group ? " " : "", name);
	fputs(help, stderr);
	return EXIT_WRONG_USE;
}

static const char *group_of(const char *word)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].group && is(word, commands[i].group))
			return commands[i].group;
	return NULL;
}

int main(int argc, char **argv)
{
	const char *group = argc > 1 ? group_of(argv[1]) : NULL;
	int at = group ? 2 : 1;
	const char *name = at < argc ? argv[at] : NULL;

	complain_hides_all(argc, argv);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if ((group ? is(commands[i].group, group) : !commands[i].group) &&
			is(name, commands[i].name))
			return run(&commands[i], argc - at, argv + at);
	if (is(name, "--help")) {
		fputs(help, stdout);
		return look_end(EXIT_DONE);
	}
	if (is(name, "--version") && !group) {
		printf("saga %s\n", saga_version());
		return look_end(EXIT_DONE);
	}
	return wrong_command(group, name);
}
