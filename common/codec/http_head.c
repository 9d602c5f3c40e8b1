/* SPDX-License-Identifier: MIT
 *
 * Request heads: see http_head.h. First the end is looked for, line by line, each byte once;
 * when it is there, the head is parsed in one go. What the fields mean for the message as a
 * whole is worked out in http_framing.c.
 */
#include "http_head.h"

#include <string.h>

#include "http_framing.h"

#define BAD_REQUEST     (-400)
#define URI_TOO_LONG    (-414)
#define FIELDS_TOO_MANY (-431)
#define BAD_VERSION     (-505)

#define VERSION_LEN 8u /* HTTP/1.1 */

static int refuse(struct http_head *head, int status, const char *text) {
    head->error = text;
    return status;
}

/* One empty line before the request line is passed over (RFC 9112 section 2.2). */
static size_t measure_lead(const char *data, size_t len) {
    return len >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

static int refuse_size(struct http_head *head, const char *data, size_t size) {
    size_t lead = measure_lead(data, size);
    if (size - lead > 4 && memcmp(data + lead, "HEAD ", 5) == 0)
        head->method_id = HTTP_HEAD; /* this refusal has no body either */
    if (!memchr(data + lead, '\n', size - lead))
        return refuse(head, URI_TOO_LONG, "request line too long");
    return refuse(head, FIELDS_TOO_MANY, "header too large");
}

/* The size of the head; 0 or negative as http_head_parse(). */
static int find_end(const char *data, size_t len, size_t *scan_from, size_t max_size,
                    struct http_head *head) {
    size_t end = len < max_size ? len : max_size;
    size_t lead = measure_lead(data, end);
    size_t from = *scan_from > lead ? *scan_from : lead;
    while (from < end) {
        const char *found = memchr(data + from, '\n', end - from);
        if (!found)
            break;
        size_t at = (size_t)(found - data);
        if (at == 0 || data[at - 1] != '\r')
            return refuse(head, BAD_REQUEST, "line ends without CR");
        from = at + 1;
        if (at == lead + 1)
            return refuse(head, BAD_REQUEST, "no request line");
        if (data[at - 2] == '\n')
            return (int)from;
    }
    if (len >= max_size)
        return refuse_size(head, data, max_size);
    *scan_from = end;
    return 0;
}

/* Something that is no HTTP at all is known by its first byte. */
static bool begins_well(const char *data, size_t len) {
    size_t lead = measure_lead(data, len);
    return len == lead || http_char_is_token(data[lead]) || (len == 1 && data[0] == '\r');
}

static enum http_method identify(struct http_slice method) {
    static const char names[][8] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_DELETE] = "DELETE", [HTTP_CONNECT] = "CONNECT",
        [HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE",   [HTTP_PATCH] = "PATCH"};
    for (size_t i = HTTP_GET; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == method.len && memcmp(names[i], method.data, method.len) == 0)
            return (enum http_method)i;
    return HTTP_OTHER;
}

/* Section 2.3. Another major version cannot be understood; a higher minor one can. */
static int parse_version(const char *text, size_t len, struct http_head *head) {
    if (len != VERSION_LEN || memcmp(text, "HTTP/", 5) != 0 || !http_char_is_digit(text[5]) ||
        text[6] != '.' || !http_char_is_digit(text[7]))
        return refuse(head, BAD_REQUEST, "malformed HTTP version");
    if (text[5] != '1')
        return refuse(head, BAD_VERSION, "HTTP version not supported");
    head->minor_version = text[7] - '0';
    return 0;
}

/* Section 3: method SP request-target SP version, and no other white space. */
static int parse_request_line(const char *line, size_t len, struct http_head *head) {
    const char *space = memchr(line, ' ', len);
    if (!space || !http_is_token(line, (size_t)(space - line)))
        return refuse(head, BAD_REQUEST, "malformed method");
    const char *target = space + 1, *end = line + len;
    const char *target_end = target;
    while (target_end != end && *target_end > ' ' && *target_end < 0x7f)
        target_end++;
    if (target_end == target || target_end == end || *target_end != ' ')
        return refuse(head, BAD_REQUEST, "malformed request target");
    head->method = (struct http_slice){line, (uint32_t)(space - line)};
    head->target = (struct http_slice){target, (uint32_t)(target_end - target)};
    head->method_id = identify(head->method);
    return parse_version(target_end + 1, (size_t)(end - target_end - 1), head);
}

static size_t line_length(const char *line, const char *end) {
    const char *lf = memchr(line, '\n', (size_t)(end - line));
    return (size_t)(lf - line) - 1; /* find_end() has seen that each has its CR */
}

static int parse_lines(const char *data, size_t size, const struct http_limits *limits,
                       struct http_head *head) {
    const char *end = data + size;
    const char *line = data + measure_lead(data, size);
    size_t len = line_length(line, end);
    int status = parse_request_line(line, len, head);
    if (status != 0)
        return status;
    size_t capacity = head->capacity < limits->fields ? head->capacity : limits->fields;
    head->count = 0;
    for (line += len + 2; (len = line_length(line, end)) > 0; line += len + 2) {
        if (head->count == capacity)
            return refuse(head, FIELDS_TOO_MANY, "too many header fields");
        const char *error = http_field_parse(line, len, &head->fields[head->count]);
        if (error)
            return refuse(head, BAD_REQUEST, error);
        head->count++;
    }
    return http_framing_judge(head);
}

int http_head_parse(const char *data, size_t len, size_t *scan_from,
                    const struct http_limits *limits, struct http_head *head) {
    if (!begins_well(data, len))
        return refuse(head, BAD_REQUEST, "not an HTTP request");
    size_t max_size = limits->head_size < INT32_MAX ? limits->head_size : INT32_MAX;
    int size = find_end(data, len, scan_from, max_size, head);
    if (size <= 0)
        return size;
    int status = parse_lines(data, (size_t)size, limits, head);
    return status != 0 ? status : size;
}

const struct http_field *http_head_next(const struct http_head *head, const char *name,
                                        size_t *from) {
    for (size_t i = *from; i < head->count; i++) {
        if (http_slice_equals(head->fields[i].name, name)) {
            *from = i + 1;
            return &head->fields[i];
        }
    }
    *from = head->count;
    return NULL;
}

const struct http_field *http_head_find(const struct http_head *head, const char *name) {
    size_t from = 0;
    return http_head_next(head, name, &from);
}

bool http_head_list_has(const struct http_head *head, const char *name, const char *token) {
    size_t from = 0;
    const struct http_field *field;
    while ((field = http_head_next(head, name, &from)) != NULL)
        if (http_list_has(field->value, token))
            return true;
    return false;
}
