/* A choreography drawn, and for tools that know AsyncAPI or JSON Schema. */

#include <saga/choreography.h>

#include <stdlib.h>
#include <string.h>

#include "contracts.h"
#include "look.h"

const char draw_help[] =
	"usage: saga draw [--dot | --sequence END] CONTRACT...\n"
	"The map of a choreography for Mermaid: participants as groups of steps; solid lines run a "
	"step,\n"
	"dotted ones undo or bar it. CONTRACT is a file, as a service prints it with --contract.\n"
	"\n"
	"  --dot           the map for graphviz's dot\n"
	"  --sequence END  the shortest run that rests with that end, as a sequence diagram\n";

const char asyncapi_help[] =
	"usage: saga asyncapi CONTRACT...\n"
	"The choreography as an AsyncAPI 3.0 document in JSON: what events there are, what fields "
	"they\n"
	"have, who sends and who receives them. CONTRACT is a file, as a service prints it with\n"
	"--contract.\n";

const char contract_help[] =
	"usage: saga contract --schema TYPE CONTRACT...\n"
	"The body of one type of event or request, in its newest version, as JSON Schema.\n";

/* Frees both. */
static int put_text(const struct arguments *a, saga_contract *contracts, int code, char *text,
	const saga_error *error)
{
	contracts_free(contracts, a);
	if (code == SAGA_NOMEM)
		return fail("%s", error->text), EXIT_FAILED;
	if (code != SAGA_OK)
		return fail("%s", error->text), EXIT_WRONG_USE;
	printf("%s%s", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
	free(text);
	return look_end(EXIT_DONE);
}

int draw(const struct arguments *a)
{
	saga_contract *contracts = contracts_read(a);
	size_t count = (size_t)a->word_count;
	char *text = NULL;
	saga_error error;
	int code;

	if (!contracts)
		return EXIT_WRONG_USE;
	if (a->sequence)
		code = saga_choreography_sequence(contracts, count, a->sequence, &text, &error);
	else
		code = saga_choreography_draw(contracts, count,
			a->dot ? SAGA_DRAW_DOT : SAGA_DRAW_MERMAID, &text, &error);
	return put_text(a, contracts, code, text, &error);
}

int asyncapi(const struct arguments *a)
{
	saga_contract *contracts = contracts_read(a);
	char *text = NULL;
	saga_error error;
	int code;

	if (!contracts)
		return EXIT_WRONG_USE;
	code = saga_choreography_asyncapi(contracts, (size_t)a->word_count, &text, &error);
	return put_text(a, contracts, code, text, &error);
}

int contract(const struct arguments *a)
{
	saga_contract *contracts = contracts_read(a);
	char *text = NULL;
	saga_error error;
	int code;

	if (!contracts)
		return EXIT_WRONG_USE;
	code = saga_choreography_schema(contracts, (size_t)a->word_count, a->schema, &text, &error);
	return put_text(a, contracts, code, text, &error);
}
