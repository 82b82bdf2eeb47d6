#include "contracts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum {
	CONTRACT_MOST = 4 * 1024 * 1024
};

/* The caller frees it. NULL: it is said why. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = file ? malloc(CONTRACT_MOST + 1) : NULL;
	size_t size = text ? fread(text, 1, CONTRACT_MOST + 1, file) : 0;
	bool whole = text && !ferror(file) && size <= CONTRACT_MOST && !memchr(text, '\0', size);

	if (!file || (text && ferror(file)))
		(void)fail("%s: %s", path, strerror(errno));
	else if (!text)
		(void)fail("out of memory");
	else if (!whole)
		(void)fail("%s: is no contract: it is binary, or over 4 MiB", path);
	if (file)
		(void)fclose(file);
	if (!whole) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

void contracts_free(saga_contract *contracts, const struct arguments *a)
{
	for (int i = 0; contracts && i < a->word_count; i++)
		free((char *)contracts[i].json);
	free(contracts);
}

saga_contract *contracts_read(const struct arguments *a)
{
	saga_contract *contracts = calloc((size_t)a->word_count, sizeof *contracts);
	bool whole = contracts != NULL;

	if (!contracts)
		(void)fail("out of memory");
	for (int i = 0; whole && i < a->word_count; i++) {
		contracts[i].name = a->words[i];
		whole = (contracts[i].json = read_file(a->words[i])) != NULL;
	}
	if (whole)
		return contracts;
	contracts_free(contracts, a);
	return NULL;
}
