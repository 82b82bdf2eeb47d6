/* An example of one file, whole: the declarations in it (DEFS) are right together. */
#include EXAMPLE
#undef main

static const saga_participant_def *const defs[] = { DEFS };

int main(void)
{
	static char texts[sizeof defs / sizeof defs[0]][65536];
	saga_contract contracts[sizeof defs / sizeof defs[0]];
	size_t count = sizeof defs / sizeof defs[0];
	saga_check *check;
	saga_error error;
	bool passed;

	for (size_t i = 0; i < count; i++) {
		contracts[i] = (saga_contract){ defs[i]->name, texts[i] };
		if (saga_contract_json(defs[i], texts[i], sizeof texts[i]) >= sizeof texts[i])
			return 2;
	}
	if (saga_choreography_check(contracts, count, NULL, &check, &error) != SAGA_OK) {
		fprintf(stderr, "%s\n", error.text);
		return 2;
	}
	for (size_t i = 0; i < check->finding_count; i++)
		if (check->findings[i].kind <= SAGA_FINDING_WARNING)
			fprintf(stderr, "%s\n", check->findings[i].text);
	passed = check->passed;
	saga_check_free(check);
	return passed ? 0 : 1;
}
