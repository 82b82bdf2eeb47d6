#include "load.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *load(const char *file)
{
	char path[1024];
	json_error_t error;
	json_t *json;

	(void)snprintf(path, sizeof path, "%s/%s", getenv("SAGA_TEST_CHOREOGRAPHIES"), file);
	json = json_load_file(path, 0, &error);
	ck_assert_msg(json != NULL, "%s:%d: %s", path, error.line, error.text);
	return json;
}

struct contracts contracts_of(const json_t *list)
{
	struct contracts contracts = { .count = json_array_size(list) };

	ck_assert_uint_le(contracts.count, CONTRACTS_MOST);
	for (size_t i = 0; i < contracts.count; i++) {
		const json_t *one = json_array_get(list, i);

		contracts.at[i].name = json_string_value(json_object_get(one, "participant"));
		contracts.at[i].json = json_dumps(one, 0);
		ck_assert_ptr_nonnull(contracts.at[i].json);
	}
	return contracts;
}

void contracts_free(struct contracts *contracts)
{
	for (size_t i = 0; i < contracts->count; i++)
		free((char *)contracts->at[i].json);
}

static json_t *contract_of(json_t *list, const char *participant, size_t length)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "participant"));

		if (strlen(name) == length && strncmp(name, participant, length) == 0)
			return one;
	}
	ck_abort_msg("no contract of %.*s", (int)length, participant);
	return NULL;
}

static json_t *step_of(json_t *list, const char *name)
{
	size_t dot = strcspn(name, "."), i;
	json_t *step;

	json_array_foreach(json_object_get(contract_of(list, name, dot), "steps"), i,
		step) if (strcmp(json_string_value(json_object_get(step, "name")),
				  name + dot + 1) == 0) return step;
	ck_abort_msg("no step %s", name);
	return NULL;
}

/* null takes a member out. */
static void set_members(json_t *of, json_t *members)
{
	const char *name;
	json_t *value;

	json_object_foreach(members, name, value)
	{
		if (json_is_null(value))
			(void)json_object_del(of, name);
		else
			(void)json_object_set(of, name, value);
	}
}

static void set_types(json_t *contract, const json_t *types)
{
	json_t *list = json_object_get(contract, "types"), *type;
	size_t i;

	json_array_foreach(types, i, type)
	{
		size_t k;
		json_t *old;

		json_array_foreach(list, k, old) if (json_equal(json_object_get(old, "type"),
							     json_object_get(type, "type"))) break;
		if (k < json_array_size(list))
			(void)json_array_set(list, k, type);
		else
			(void)json_array_append(list, type);
	}
}

void plant(json_t *list, const json_t *fault)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(fault, "steps"), name, value)
		set_members(step_of(list, name), value);
	json_object_foreach(json_object_get(fault, "add"), name, value)(void) json_array_extend(
		json_object_get(contract_of(list, name, strlen(name)), "steps"), value);
	json_object_foreach(json_object_get(fault, "members"), name, value)
		set_members(contract_of(list, name, strlen(name)), value);
	json_object_foreach(json_object_get(fault, "types"), name, value)
		set_types(contract_of(list, name, strlen(name)), value);
}

saga_check *check_of(const json_t *list, const saga_check_options *options)
{
	struct contracts contracts = contracts_of(list);
	saga_check *check;
	saga_error error;
	int code = saga_choreography_check(contracts.at, contracts.count, options, &check, &error);

	ck_assert_msg(code == SAGA_OK, "%s: %s", saga_code_name(code), error.text);
	contracts_free(&contracts);
	return check;
}

const saga_finding *finding_of(const saga_check *check, saga_finding_kind kind, const char *part)
{
	for (size_t i = 0; i < check->finding_count; i++)
		if (check->findings[i].kind == kind && strstr(check->findings[i].text, part))
			return &check->findings[i];
	return NULL;
}

size_t findings_of(const saga_check *check, saga_finding_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < check->finding_count; i++)
		count += check->findings[i].kind == kind;
	return count;
}
