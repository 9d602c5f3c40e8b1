/* SPDX-License-Identifier: MIT
 *
 * Response heads: see http_response.h.
 */
#include "http_response.h"

#include <string.h>

#define STATUS_MIN 100
#define STATUS_MAX 999

/* RFC 9110 section 15, RFC 6585, RFC 7725, RFC 8297, RFC 8470. */
static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *http_response_phrase(int status) {
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

bool http_response_has_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}

static void put(struct http_response *response, const char *text, size_t len) {
    if (len > response->capacity - response->len) {
        response->is_full = true;
        return;
    }
    if (len > 0)
        memcpy(response->data + response->len, text, len);
    response->len += len;
}

void http_response_begin(struct http_response *response, char *data, size_t capacity,
                         int status, const char *reason) {
    *response = (struct http_response){.data = data, .capacity = capacity};
    if (status < STATUS_MIN || status > STATUS_MAX ||
        (reason && !http_is_value(reason, strlen(reason)))) {
        response->is_refused = true;
        return;
    }
    if (!reason)
        reason = http_response_phrase(status);
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    put(response, line, sizeof(line) - 1);
    put(response, reason, strlen(reason));
    put(response, "\r\n", 2);
}

static void put_field(struct http_response *response, const char *name, const char *value,
                      size_t len) {
    put(response, name, strlen(name));
    put(response, ": ", 2);
    put(response, value, len);
    put(response, "\r\n", 2);
}

void http_response_add(struct http_response *response, const char *name, const char *value,
                       size_t len) {
    if (http_is_token(name, strlen(name)) && http_is_value(value, len))
        put_field(response, name, value, len);
    else
        response->is_refused = true;
}

void http_response_add_own(struct http_response *response, const char *name,
                           const char *value) {
    put_field(response, name, value, strlen(value));
}

void http_response_add_text(struct http_response *response, const char *name,
                            const char *value) {
    http_response_add(response, name, value, strlen(value));
}

void http_response_add_number(struct http_response *response, const char *name,
                              uint64_t value) {
    char text[20]; /* the digits of UINT64_MAX */
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put_field(response, name, text + at, sizeof(text) - at);
}

long http_response_finish(struct http_response *response) {
    put(response, "\r\n", 2);
    if (response->is_refused)
        return -1;
    return response->is_full ? -2 : (long)response->len;
}

size_t http_response_chunk(char out[HTTP_CHUNK_HEADER_MAX], uint64_t len) {
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    int shift = 60;
    while (shift > 0 && len >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        out[at++] = digits[len >> shift & 15];
    out[at++] = '\r';
    out[at++] = '\n';
    return at;
}
