/* A choreography for tools that know AsyncAPI or JSON Schema. */

#include <saga/choreography.h>

#include <stdlib.h>

#include "contracts.h"
#include "look.h"

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
	puts(text);
	free(text);
	return look_end(EXIT_DONE);
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
