/* SPDX-License-Identifier: MIT
 *
 * Reading and preparing the text, jansson, and the scanner that finds a path again. The scanner
 * trusts its text: jansson has accepted it.
 */
#include "config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_syntax.h"
#include "memory.h"

static int read_all(int fd, char *data, size_t room, size_t *out_len) {
    size_t len = 0;
    while (len < room) {
        ssize_t n = read(fd, data + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *out_len = len;
    return 0;
}

/* Not a pipe: a reload would wait on it for ever. */
static int check_kind(int fd) {
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

int config_text_read(const char *path, char **out_data, size_t *out_len) {
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int rc = check_kind(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    char *data = memory_new(CONFIG_TEXT_MAX + 1);
    rc = read_all(fd, data, CONFIG_TEXT_MAX + 1, &len);
    close(fd);
    if (rc == 0 && len > CONFIG_TEXT_MAX)
        rc = -EFBIG;
    if (rc < 0) {
        free(data);
        return rc;
    }
    *out_data = data;
    *out_len = len;
    return 0;
}

int config_text_parse(const char *data, size_t len, struct config_text *out_text,
                      struct config_position *out_position, char *out_why, size_t size) {
    struct config_text text = {.len = len};
    size_t at = 0;
    text.data = memory_new(len + 1);
    memcpy(text.data, data, len);
    if (config_syntax_skip_mark(data, len) > 0) {
        /* The mark is no character of the first line. */
        text.len -= config_syntax_skip_mark(data, len);
        memmove(text.data, text.data + (len - text.len), text.len + 1);
    }
    int rc = config_syntax_prepare(text.data, text.len, &at, out_why, size);
    if (rc == 0)
        rc = config_syntax_load(text.data, text.len, &text.root, &at, out_why, size);
    if (rc < 0) {
        *out_position = config_syntax_position(text.data, at);
        config_text_done(&text);
        return rc;
    }
    *out_text = text;
    return 0;
}

void config_text_done(struct config_text *text) {
    free(text->data);
    json_decref(text->root);
    *text = (struct config_text){0};
}

static const char *skip_space(const char *p) {
    return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

/* `p` at the first byte of a value; answers the byte after its last. */
static const char *skip_value(const char *p) {
    int depth = 0;
    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        else if (depth == 0)
            return p + strcspn(p, " \t\r\n,]}");
        p++;
    } while (depth > 0 && *p);
    return p;
}

static bool key_equals(const char *p, const char *end, const char *key) {
    size_t len = (size_t)(end - p);
    if (!memchr(p, '\\', len))
        return len == strlen(key) + 2 && memcmp(p + 1, key, len - 2) == 0;
    json_t *decoded = json_loadb(p, len, JSON_DECODE_ANY, NULL);
    bool is_equal = decoded && strcmp(json_string_value(decoded), key) == 0;
    json_decref(decoded);
    return is_equal;
}

/* `p` at the "{" of an object. */
static bool find_member(const char *p, const char *key, const char **out_key,
                        const char **out_value) {
    p = skip_space(p + 1);
    while (*p == '"') {
        const char *end = skip_string(p);
        const char *value = skip_space(skip_space(end) + 1);
        if (key_equals(p, end, key)) {
            *out_key = p;
            *out_value = value;
            return true;
        }
        p = skip_space(skip_value(value));
        if (*p == ',')
            p = skip_space(p + 1);
    }
    return false;
}

/* `p` at the "[" of a list that has such an element. */
static const char *find_element(const char *p, long index) {
    p = skip_space(p + 1);
    while (index-- > 0)
        p = skip_space(skip_space(skip_value(p)) + 1);
    return p;
}

struct config_position config_text_find(const struct config_text *text,
                                        const struct config_path *path, bool is_key) {
    const char *value = skip_space(text->data), *key = value;
    size_t i = 0;
    while (i < path->depth && *value == '{' && find_member(value, path->parts[i], &key, &value))
        i++;
    if (i == path->depth && path->index >= 0 && *value == '[')
        value = find_element(value, path->index);
    /* What is missing is missing in the block that `key` names. */
    if (i < path->depth)
        value = key;
    return config_syntax_position(text->data, (size_t)((is_key ? key : value) - text->data));
}
