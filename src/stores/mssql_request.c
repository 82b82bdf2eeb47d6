#include "mssql_request.h"
#include "mssql_text.h"
#include "statement.h"

#include "../event/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHORT_TEXT = 4000, /* units of UTF-16 of an nvarchar that is no large object */
	JSON_GROWTH = 6,   /* of a character that becomes \u0001 */
	JSON_ROOM = 16,    /* for what is around the text, and its guard */
	SHORT_BYTES = 8000
};

/* ---- writing the request's text ---- */

static void put_bytes(struct saga__mssql_request *request, const char *at, size_t size)
{
	if (request->size + size >= request->room) {
		size_t room = 2 * request->room + size + 1024;
		char *text = request->failed ? NULL : realloc(request->text, room);

		if (!text) {
			request->failed = true;
			return;
		}
		request->text = text;
		request->room = room;
	}
	memcpy(request->text + request->size, at, size);
	request->size += size;
	request->text[request->size] = '\0';
}

SAGA_PRINTF(2, 3)
static void put(struct saga__mssql_request *request, const char *format, ...)
{
	char text[400];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	put_bytes(request, text, strlen(text));
}

/* As the inside of a literal. */
static void put_quoted(struct saga__mssql_request *request, const char *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		put_bytes(request, at[i] == '\'' ? "''" : at + i, at[i] == '\'' ? 2 : 1);
}

/* An SQL NULL stands in the text: of any type that a parameter has, it would be the wrong one. */
static void put_sql(struct saga__mssql_request *request, const saga_statement *statement)
{
	const char *sql = statement->sql;
	size_t value = 0, number = 0;

	while (*sql) {
		size_t skip = saga__mssql_opaque(sql);

		if (*sql != '?')
			put_quoted(request, sql, skip ? skip : 1);
		else if (statement->values[value++].kind == SAGA_VALUE_NULL)
			put(request, "NULL");
		else
			put(request, "@saga%zu", ++number);
		sql += skip ? skip : 1;
	}
}

/* ---- values ---- */

/* Bytes of a text as it is stored: it has at most as many units of UTF-16. */
static size_t stored_size(const saga_bytes *text)
{
	return text->size + saga__mssql_is_guarded(text);
}

static const char *type_of(const saga_value *value)
{
	switch (value->kind) {
	case SAGA_VALUE_INT64:
		return "bigint";
	case SAGA_VALUE_BOOL:
		return "bit";
	case SAGA_VALUE_ID:
		return "binary(16)";
	case SAGA_VALUE_TEXT:
		return stored_size(&value->as.bytes) <= SHORT_TEXT ? "nvarchar(4000)"
								   : "nvarchar(max)";
	default:
		return value->as.bytes.size <= SHORT_BYTES ? "varbinary(8000)" : "varbinary(max)";
	}
}

static bool is_ascii(const saga_bytes *text)
{
	const uint8_t *at = text->at;

	for (size_t i = 0; i < text->size; i++)
		if (at[i] & 0x80)
			return false;
	return true;
}

static unsigned character_of(const uint8_t *at, size_t size)
{
	static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned character = at[0] & masks[size];

	for (size_t i = 1; i < size; i++)
		character = character << 6 | (at[i] & 0x3f);
	return character;
}

static char *put_character(char *to, unsigned character)
{
	if (character >= 0x10000)
		return to +
			sprintf(to, "\\u%04x\\u%04x", 0xd800 + ((character - 0x10000) >> 10),
				0xdc00 + ((character - 0x10000) & 0x3ff));
	if (character < 0x20 || character > 0x7e || character == '"' || character == '\\')
		return to + sprintf(to, "\\u%04x", character);
	*to++ = (char)character;
	return to;
}

/* NULL: it is no UTF-8. */
static char *put_json(char *to, const saga_bytes *text)
{
	const uint8_t *at = text->at;
	size_t step;

	to = stpcpy(to, "{\"v\":\"");
	for (size_t left = text->size; left > 0; left -= step, at += step) {
		if (!(step = saga__utf8_step(at, left)))
			return NULL;
		to = put_character(to, character_of(at, step));
	}
	if (saga__mssql_is_guarded(text))
		to = put_character(to, SAGA__MSSQL_GUARD);
	return stpcpy(to, "\"}");
}

/* Text of ASCII and its guard. */
static char *put_guarded(char *to, const saga_bytes *text)
{
	memcpy(to, text->at, text->size);
	to[text->size] = SAGA__MSSQL_GUARD;
	return to + text->size + 1;
}

static int add_text(struct saga__mssql_request *request, const saga_value *value, const char *sql,
	saga_error *error)
{
	struct saga__mssql_param *param = &request->params[request->param_count];
	char *at = request->json + request->json_size;
	const saga_bytes *text = &value->as.bytes;
	const bool ascii = is_ascii(text);
	const char *end;

	*param = (struct saga__mssql_param){ CS_TEXT_TYPE, text->size ? text->at : "", text->size };
	if (!ascii || saga__mssql_is_guarded(text)) {
		if (!(end = ascii ? put_guarded(at, text) : put_json(at, text)))
			return saga__statement_fail(
				SAGA_REFUSED, sql, error, "a text among its values is no UTF-8");
		request->json_size += (size_t)(end - at);
		*param = (struct saga__mssql_param){ CS_TEXT_TYPE, at, (size_t)(end - at) };
	}
	request->param_count++;
	return SAGA_OK;
}

static int add_value(struct saga__mssql_request *request, const saga_statement *statement, size_t i,
	saga_error *error)
{
	static const CS_BIT bits[] = { 0, 1 };
	const saga_value *value = &statement->values[i];
	struct saga__mssql_param *param = &request->params[request->param_count];

	switch (value->kind) {
	case SAGA_VALUE_NULL:
		return SAGA_OK;
	case SAGA_VALUE_INT64:
		*param = (struct saga__mssql_param){ CS_BIGINT_TYPE, &value->as.int64,
			sizeof value->as.int64 };
		break;
	case SAGA_VALUE_BOOL:
		*param = (struct saga__mssql_param){ CS_BIT_TYPE, &bits[value->as.boolean], 1 };
		break;
	case SAGA_VALUE_ID:
		*param = (struct saga__mssql_param){ CS_BINARY_TYPE, value->as.id.bytes,
			sizeof value->as.id.bytes };
		break;
	case SAGA_VALUE_BYTES:
		*param = (struct saga__mssql_param){ CS_IMAGE_TYPE,
			value->as.bytes.size ? value->as.bytes.at : "", value->as.bytes.size };
		break;
	case SAGA_VALUE_TEXT:
		return add_text(request, value, statement->sql, error);
	default:
		return saga__statement_fail(SAGA_REFUSED, statement->sql, error,
			"value %zu has no kind that there is (%d)", i + 1, value->kind);
	}
	request->param_count++;
	return SAGA_OK;
}

static size_t bytes_of(const saga_value *value)
{
	return value->kind == SAGA_VALUE_TEXT || value->kind == SAGA_VALUE_BYTES
		? value->as.bytes.size
		: 0;
}

static int add_values(struct saga__mssql_request *request, const saga_statement *statements,
	size_t count, saga_error *error)
{
	size_t values = 0, bytes = 0;
	int code = SAGA_OK;

	for (size_t i = 0; i < count; i++) {
		values += statements[i].value_count;
		for (size_t k = 0; k < statements[i].value_count; k++)
			bytes += JSON_ROOM + JSON_GROWTH * bytes_of(&statements[i].values[k]);
	}
	request->params = calloc(values + 1, sizeof *request->params);
	request->json = malloc(bytes + 1);
	if (!request->params || !request->json)
		return saga_error_set(error, SAGA_NOMEM, "store: out of memory");
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; code == SAGA_OK && k < statements[i].value_count; k++)
			code = add_value(request, &statements[i], k, error);
	return code;
}

/* ---- the request ---- */

/* `@t1`: what came as JSON is text from here on. */
static void put_texts(
	struct saga__mssql_request *request, const saga_statement *statements, size_t count)
{
	size_t number = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < statements[i].value_count; k++) {
			const saga_value *value = &statements[i].values[k];

			if (value->kind != SAGA_VALUE_NULL)
				number++;
			if (value->kind != SAGA_VALUE_TEXT || is_ascii(&value->as.bytes))
				continue;
			put(request, "DECLARE @t%zu %s=", number, type_of(value));
			if (stored_size(&value->as.bytes) <= SHORT_TEXT)
				put(request, "JSON_VALUE(@P%zu,'$.v');", number);
			else
				put(request,
					"(SELECT v FROM OPENJSON(@P%zu)"
					" WITH (v nvarchar(max) '$.v'));",
					number);
		}
	}
}

/* *number: of the request's last parameter so far. */
static void put_statement(
	struct saga__mssql_request *request, const saga_statement *statement, size_t *number)
{
	size_t own = 0;

	put(request, "EXEC sp_executesql N'");
	put_sql(request, statement);
	put(request, "'");
	for (size_t k = 0; k < statement->value_count; k++)
		if (statement->values[k].kind != SAGA_VALUE_NULL) {
			put(request, "%s@saga%zu %s", own ? "," : ",N'", own + 1,
				type_of(&statement->values[k]));
			own++;
		}
	if (own)
		put(request, "'");
	for (size_t k = 0; k < statement->value_count; k++) {
		const saga_value *value = &statement->values[k];
		bool json = value->kind == SAGA_VALUE_TEXT && !is_ascii(&value->as.bytes);

		if (value->kind != SAGA_VALUE_NULL)
			put(request, ",@%c%zu", json ? 't' : 'P', ++*number);
	}
	put(request, ";");
}

size_t saga__mssql_share(const saga_statement *statements, size_t count)
{
	size_t taken = 0, values = 0, bytes = 0;

	while (taken < count && taken < SAGA__MSSQL_STATEMENTS) {
		const saga_statement *statement = &statements[taken];

		values += statement->value_count;
		for (size_t k = 0; k < statement->value_count; k++)
			bytes += bytes_of(&statement->values[k]);
		if (taken && (values > SAGA__MSSQL_PARAMS || bytes > SAGA__MSSQL_BYTES))
			break;
		taken++;
	}
	return taken;
}

int saga__mssql_request_make(struct saga__mssql_request *request, const saga_statement *statements,
	size_t count, const char *save, bool counts, saga_error *error)
{
	size_t number = 0;
	int code = add_values(request, statements, count, error);

	if (code != SAGA_OK)
		return code;
	put(request, "DECLARE @saga_e int=0,@saga_n bigint=0,@saga_i int=0;");
	if (save)
		put(request, "SAVE TRANSACTION %s;SET @saga_e=@@ERROR;", save);
	put_texts(request, statements, count);
	for (size_t i = 0; i < count; i++) {
		put(request, "\nIF @saga_e=0 BEGIN SET @saga_i=%zu;", i);
		put_statement(request, &statements[i], &number);
		put(request, "SELECT @saga_e=@@ERROR,@saga_n=@@ROWCOUNT;END");
		if (counts)
			put(request, "\nIF @saga_e=0 SELECT @saga_n AS " SAGA__MSSQL_DONE ";");
	}
	put(request,
		"\nSELECT @saga_i AS " SAGA__MSSQL_AT ",XACT_STATE() AS " SAGA__MSSQL_STATE ";");
	return request->failed ? saga_error_set(error, SAGA_NOMEM, "store: out of memory")
			       : SAGA_OK;
}

void saga__mssql_request_free(struct saga__mssql_request *request)
{
	free(request->text);
	free(request->params);
	free(request->json);
}
