/* SPDX-License-Identifier: MIT
 *
 * The table itself, and the check against it.
 */
#include "messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(name)                                                                             \
    { name, JSON_STRING }
#define COUNT(name)                                                                            \
    { name, JSON_INTEGER }
#define BOOL(name)                                                                             \
    { name, JSON_TRUE }
#define LIST(name)                                                                             \
    { name, JSON_ARRAY }
#define OBJECT(name)                                                                           \
    { name, JSON_OBJECT }
#define END                                                                                    \
    { NULL, JSON_NULL }

static const struct message_field none[] = {END};
static const struct message_field hello[] = {TEXT("version"), END};
static const struct message_field failed[] = {TEXT("reason"), END};
static const struct message_field drained[] = {COUNT("closed"), END};
static const struct message_field plan[] = {TEXT("name"),
                                            LIST("services"),
                                            TEXT("app"),
                                            TEXT("runtimes"),
                                            COUNT("slot"),
                                            COUNT("generation"),
                                            COUNT("process"),
                                            TEXT("user"),
                                            TEXT("group"),
                                            TEXT("log_level"),
                                            COUNT("drain_timeout_ms"),
                                            COUNT("spread_ms"),
                                            END};
static const struct message_field drain[] = {TEXT("reason"), BOOL("graceful"),
                                             COUNT("timeout_ms"), COUNT("spread_ms"), END};
static const struct message_field sibling[] = {COUNT("process"), END};
static const struct message_field graceful[] = {BOOL("graceful"), END};
static const struct message_field status[] = {OBJECT("master"), LIST("workers"),
                                              OBJECT("totals"), END};
static const struct message_field roster[] = {LIST("workers"), END};
static const struct message_field connections[] = {LIST("list"), BOOL("more"), END};
static const struct message_field connect[] = {COUNT("pid"), END};
static const struct message_field progress[] = {TEXT("text"), END};
static const struct message_field refused[] = {TEXT("reason"), END};

static const struct message_field *const fields_of[MSG_COUNT] = {
    [MSG_HELLO] = hello,
    [MSG_READY] = none,
    [MSG_FAILED] = failed,
    [MSG_BEAT] = none,
    [MSG_DRAINED] = drained,
    [MSG_PLAN] = plan,
    [MSG_DRAIN] = drain,
    [MSG_SIBLING] = sibling,
    [MSG_SIBLING_GONE] = sibling,
    [MSG_ADMIN_CLIENT] = none,
    [MSG_ASK_STATUS] = none,
    [MSG_ASK_ROSTER] = none,
    [MSG_ASK_STOP] = graceful,
    [MSG_ASK_RELOAD] = graceful,
    [MSG_ASK_REOPEN_LOGS] = none,
    [MSG_ASK_CONNECT] = connect,
    [MSG_ASK_CONNECTIONS] = none,
    [MSG_STATUS] = status,
    [MSG_ROSTER] = roster,
    [MSG_CONNECTED] = none,
    [MSG_CONNECTIONS] = connections,
    [MSG_WAIT] = none,
    [MSG_PROGRESS] = progress,
    [MSG_DONE] = none,
    [MSG_REFUSED] = refused,
};

#define MESSAGE_ROW(id, name, direction) {MSG_##id, name, direction},
static const struct message rows[] = {MESSAGES(MESSAGE_ROW)};
#undef MESSAGE_ROW

const struct message *message_get(enum message_id id) {
    return &rows[id];
}

bool message_has_descriptor(const struct message *message) {
    return message->id == MSG_SIBLING ||
           message->id == MSG_ADMIN_CLIENT || message->id == MSG_CONNECTED;
}

bool message_may_have_descriptor(enum message_direction direction) {
    for (size_t i = 0; i < MSG_COUNT; i++)
        if (rows[i].direction == direction && message_has_descriptor(&rows[i]))
            return true;
    return false;
}

const struct message *message_find(enum message_direction direction, const char *name) {
    for (size_t i = 0; i < MSG_COUNT; i++)
        if (rows[i].direction == direction && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static const char *type_name(json_type type) {
    switch (type) {
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_TRUE:
        return "true or false";
    case JSON_ARRAY:
        return "a list";
    default:
        return "an object";
    }
}

static bool has_type(const json_t *value, json_type type) {
    return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

/* No number in a message is negative. */
static bool is_in_range(const json_t *value) {
    return !json_is_integer(value) || json_integer_value(value) >= 0;
}

static int check_field(const struct message *message, const struct message_field *field,
                       const json_t *body, char *why, size_t size) {
    const json_t *value = json_object_get(body, field->name);
    if (value && has_type(value, field->type) && is_in_range(value))
        return 0;
    snprintf(why, size, "message \"%s\": %s %s; expected %s", message->name, field->name,
             !value                         ? "is missing"
             : has_type(value, field->type) ? "is out of range"
                                            : "has the wrong type",
             type_name(field->type));
    return -EPROTO;
}

/* The length of the character at `text`; 0: no UTF-8. JSON's own check decides. */
static size_t character_len(const char *text) {
    size_t rest = strnlen(text, 4);
    for (size_t len = 1; len <= rest; len++) {
        json_t *one = json_stringn(text, len);
        json_decref(one);
        if (one)
            return len;
    }
    return 0;
}

json_t *message_text(const char *text) {
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    for (char *at = copy; *at;) {
        size_t len = character_len(at);
        if (len == 0)
            *at = '?';
        at += len > 0 ? len : 1;
    }
    json_t *string = json_string(copy);
    free(copy);
    return string;
}

int message_check(const struct message *message, const json_t *body, char *out_why,
                  size_t size) {
    const char *name = json_string_value(json_object_get(body, "type"));
    json_int_t version = json_integer_value(json_object_get(body, "v"));
    if (version != MESSAGE_VERSION) {
        snprintf(out_why, size, "message \"%s\": version %lld; expected %d", message->name,
                 (long long)version, MESSAGE_VERSION);
        return -EPROTO;
    }
    if (!name || strcmp(name, message->name) != 0) {
        snprintf(out_why, size, "message \"%s\": its type says \"%s\"", message->name,
                 name ? name : "nothing");
        return -EPROTO;
    }
    for (const struct message_field *field = fields_of[message->id]; field->name; field++) {
        int err = check_field(message, field, body, out_why, size);
        if (err)
            return err;
    }
    return 0;
}
