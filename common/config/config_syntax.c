/* SPDX-License-Identifier: MIT
 *
 * One pass that blanks `//` comments, then jansson, then a table that turns its messages into
 * ours. jansson names the end of the offending token; people look for its begin.
 */
#include "config_syntax.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_SHOWN_MAX 32

size_t config_syntax_skip_mark(const char *data, size_t len) {
    return len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

struct config_position config_syntax_position(const char *data, size_t at) {
    struct config_position position = {1, 1};
    for (size_t i = 0; i < at; i++) {
        if (data[i] == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)data[i] & 0xC0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

static int refuse(size_t at, const char *why, size_t *out_at, char *out_why, size_t size) {
    *out_at = at;
    snprintf(out_why, size, "%s", why);
    return -EINVAL;
}

/* Answers the offset after a string that begins at `at`; at the end of the line when it is not
 * closed, which jansson reports. */
static size_t string_end(const char *data, size_t len, size_t at) {
    for (at++; at < len && data[at] != '"' && data[at] != '\n'; at++)
        if (data[at] == '\\' && at + 1 < len && data[at + 1] != '\n')
            at++;
    return at < len && data[at] == '"' ? at + 1 : at;
}

static size_t blank_comment(char *data, size_t len, size_t at) {
    for (; at < len && data[at] != '\n' && data[at] != '\r'; at++)
        data[at] = ' ';
    return at;
}

int config_syntax_prepare(char *data, size_t len, size_t *out_at, char *out_why, size_t size) {
    unsigned depth = 0;
    const char *nul = memchr(data, '\0', len);
    if (len >= 2 && (memcmp(data, "\xFF\xFE", 2) == 0 || memcmp(data, "\xFE\xFF", 2) == 0))
        return refuse(0, "found UTF-16; expected UTF-8", out_at, out_why, size);
    if (nul)
        return refuse((size_t)(nul - data), "found a NUL byte; expected text", out_at, out_why,
                      size);
    for (size_t at = 0; at < len;) {
        if (data[at] == '"') {
            at = string_end(data, len, at);
            continue;
        }
        if (data[at] == '/' && data[at + 1] == '/') {
            at = blank_comment(data, len, at);
            continue;
        }
        if (data[at] == '/' && data[at + 1] == '*')
            return refuse(at, "found \"/*\"; expected comments to begin with \"//\"", out_at,
                          out_why, size);
        if (data[at] == '#')
            return refuse(at, "found \"#\"; expected comments to begin with \"//\"", out_at,
                          out_why, size);
        if (data[at] == '{' || data[at] == '[')
            depth++;
        else if ((data[at] == '}' || data[at] == ']') && depth > 0)
            depth--;
        if (depth > CONFIG_TEXT_DEPTH_MAX) {
            *out_at = at;
            snprintf(out_why, size,
                     "found blocks nested too deeply; expected at most %d levels",
                     CONFIG_TEXT_DEPTH_MAX);
            return -EINVAL;
        }
        at++;
    }
    return 0;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '+' || c == '-';
}

/* The offset where the token that ends before `end` begins. */
static size_t token_start(const char *data, size_t end) {
    size_t at = end - 1;
    if (data[at] == '"') {
        while (at > 0) {
            size_t slashes = 0;
            at--;
            while (at > slashes && data[at - 1 - slashes] == '\\')
                slashes++;
            if (data[at] == '"' && slashes % 2 == 0)
                return at;
        }
        return end - 1;
    }
    while (at > 0 && ((unsigned char)data[at] & 0xC0) == 0x80)
        at--;
    while (at > 0 && is_word(data[at]) && is_word(data[at - 1]))
        at--;
    return at;
}

/* Words go on after the place where jansson gave up: show all of it. */
static size_t token_end(const char *data, size_t len, size_t end) {
    while (end > 0 && end < len && is_word(data[end - 1]) && is_word(data[end]))
        end++;
    return end;
}

static void show_token(const char *data, size_t at, size_t end, char *out, size_t size) {
    size_t len = end - at;
    const char *more = "";
    if (len > TOKEN_SHOWN_MAX) {
        for (len = TOKEN_SHOWN_MAX; len > 0 && ((unsigned char)data[at + len] & 0xC0) == 0x80;)
            len--;
        more = "…";
    }
    if (iscntrl((unsigned char)data[at]))
        snprintf(out, size, "a control character");
    else if (data[at] == '"')
        snprintf(out, size, "%.*s%s", (int)len, data + at, more);
    else
        snprintf(out, size, "\"%.*s\"%s", (int)len, data + at, more);
}

struct syntax_rule {
    const char *says; /* how jansson's message begins */
    const char *expected;
    const char *found; /* NULL: the offending token itself */
};

static const struct syntax_rule rules[] = {
    {"string or '}' expected", "a key in double quotes, or \"}\"", NULL},
    {"':' expected", "\":\" between key and value", NULL},
    {"'}' expected", "\",\" or \"}\"", NULL},
    {"']' expected", "\",\" or \"]\"", NULL},
    {"'[' or '{' expected", "\"{\"", NULL},
    {"end of file expected", "nothing after the last \"}\"", NULL},
    {"unexpected token", "a value", NULL},
    {"invalid token",
     "a value: a string in double quotes, a number, true, false, a list or a block", NULL},
    {"duplicate object key", "each key once in a block", NULL},
    {"unexpected newline", "a closing double quote", "the end of the line inside a string"},
    {"control character", "an escape like \\t", "a control character inside a string"},
    {"invalid escape", "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u", "an unknown escape"},
    {"invalid Unicode", "\\u and four hexadecimal digits of a character",
     "a broken \\u escape"},
    {"\\u0000 is not", "text without NUL", "\\u0000"},
    {"NUL byte in object key", "text without NUL", "\\u0000"},
    {"premature end of input", "a closing double quote", "the end of the file inside a string"},
    {"too big", "a smaller number", "a number that is too big"},
    {"real number overflow", "a smaller number", "a number that is too big"},
    {"unable to decode byte", "UTF-8", "a byte that is not UTF-8"},
};

static const struct syntax_rule *find_rule(const char *says) {
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (strncmp(says, rules[i].says, strlen(rules[i].says)) == 0)
            return &rules[i];
    return NULL;
}

/* jansson reads 25s as the number 25 and something after it. */
static bool is_bare_unit(const char *data, size_t at, size_t end) {
    return isdigit((unsigned char)data[at]) && isalpha((unsigned char)data[end - 1]);
}

/* A comma that the token before it did not call for. */
static bool follows_comma(const char *data, size_t at) {
    while (at > 0 && strchr(" \t\r\n", data[at - 1]))
        at--;
    return at > 0 && data[at - 1] == ',';
}

static void explain_token(const char *data, size_t len, const struct syntax_rule *rule,
                          size_t end, size_t *out_at, char *out_why, size_t size) {
    char token[TOKEN_SHOWN_MAX + 8];
    size_t at = token_start(data, end);
    end = token_end(data, len, end);
    show_token(data, at, end, token, sizeof(token));
    *out_at = at;
    if ((data[at] == '}' || data[at] == ']') && follows_comma(data, at))
        snprintf(out_why, size,
                 "found %s after a comma; expected no comma after the last entry", token);
    else if (is_bare_unit(data, at, end))
        snprintf(out_why, size, "found %s; expected double quotes around it", token);
    else
        snprintf(out_why, size, "found %s; expected %s", token, rule->expected);
}

static void explain_found(const char *data, const struct syntax_rule *rule, size_t end,
                          size_t *out_at, char *out_why, size_t size) {
    /* Found out when the whole string had been read. */
    if (end > 0 && rule->found[0] == '\\')
        *out_at = token_start(data, end);
    snprintf(out_why, size, "found %s; expected %s", rule->found, rule->expected);
}

static void explain(const char *data, size_t len, const json_error_t *error, size_t *out_at,
                    char *out_why, size_t size) {
    const struct syntax_rule *rule = find_rule(error->text);
    size_t end = error->position > 0 ? (size_t)error->position : 0;
    size_t trimmed = len;
    if (end > len)
        end = len;
    while (trimmed > 0 && strchr(" \t\r\n", data[trimmed - 1]))
        trimmed--;
    *out_at = end;
    if (!rule)
        snprintf(out_why, size, "%s", error->text);
    else if (rule->found)
        explain_found(data, rule, end, out_at, out_why, size);
    else if (strstr(error->text, "near end of file") || end == 0)
        snprintf(out_why, size, "found the end of the file; expected %s", rule->expected);
    else
        explain_token(data, len, rule, end, out_at, out_why, size);
    /* The end of the file is where its last word ends, not after the blank lines. */
    if (*out_at >= trimmed)
        *out_at = trimmed;
}

int config_syntax_load(const char *data, size_t len, json_t **out_root, size_t *out_at,
                       char *out_why, size_t size) {
    json_error_t error;
    if (strspn(data, " \t\r\n") == len)
        return refuse(0, "found an empty file; expected \"{\"", out_at, out_why, size);
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        explain(data, len, &error, out_at, out_why, size);
        return -EINVAL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return refuse(strspn(data, " \t\r\n"), "found a list; expected \"{\"", out_at, out_why,
                      size);
    }
    *out_root = root;
    return 0;
}
