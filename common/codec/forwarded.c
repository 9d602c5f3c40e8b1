/* SPDX-License-Identifier: MIT
 *
 * Walking the proxies: see forwarded.h. The walk goes forward, as quotes want it, and ends
 * where one from the end would: at the last element that is no trusted proxy.
 */
#include "forwarded.h"

#include <arpa/inet.h>
#include <string.h>

#include "http_params.h"

#define TEXT_MAX 46u /* INET6_ADDRSTRLEN */

static bool parse_port(const char *text, size_t len, uint16_t *out_port) {
    unsigned port = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!http_char_is_digit(text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *out_port = (uint16_t)port;
    return true;
}

static bool parse_ip(const char *text, size_t len, bool is_ipv6,
                     struct forwarded_address *address) {
    char copy[TEXT_MAX];
    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    address->is_ipv6 = is_ipv6;
    return strlen(copy) == len &&
           inet_pton(is_ipv6 ? AF_INET6 : AF_INET, copy, address->bytes) == 1;
}

static bool parse_bracketed(struct http_slice text, struct forwarded_address *address) {
    const char *close = memchr(text.data, ']', text.len);
    if (!close || !parse_ip(text.data + 1, (size_t)(close - text.data) - 1, true, address))
        return false;
    size_t rest = text.len - (size_t)(close + 1 - text.data);
    return rest == 0 || (close[1] == ':' && parse_port(close + 2, rest - 1, &address->port));
}

bool forwarded_parse_address(struct http_slice text, struct forwarded_address *out_address) {
    struct forwarded_address address = {.port = 0};
    bool is_address;
    if (text.len == 0)
        return false;
    const char *colon = memchr(text.data, ':', text.len);
    size_t before = colon ? (size_t)(colon - text.data) : text.len;
    if (text.data[0] == '[')
        is_address = parse_bracketed(text, &address);
    else if (colon && memchr(colon + 1, ':', text.len - before - 1))
        is_address = parse_ip(text.data, text.len, true, &address);
    else
        is_address = parse_ip(text.data, before, false, &address) &&
                     (!colon || parse_port(colon + 1, text.len - before - 1, &address.port));
    if (is_address)
        *out_address = address;
    return is_address;
}

/* What the walk has come to: the last element so far that no trusted proxy is named by, or the
 * first of all. */
struct walk {
    forwarded_is_trusted is_trusted;
    void *context;
    struct forwarded_client client;
    bool has_any, is_valid;
};

static void visit(struct walk *walk, struct http_slice node,
                  const struct forwarded_client *said) {
    struct forwarded_client client = *said;
    bool is_valid = forwarded_parse_address(node, &client.address);
    bool is_proxy = is_valid && walk->is_trusted(walk->context, &client.address);
    if (is_proxy && walk->has_any)
        return;
    walk->has_any = true;
    walk->is_valid = is_valid;
    walk->client = client;
}

static const struct forwarded_client nothing_said = {.proto = {"", 0}, .host = {"", 0}};

/* One element of Forwarded (RFC 7239 section 4). */
static void visit_element(struct walk *walk, struct http_slice element) {
    struct forwarded_client said = nothing_said;
    struct http_slice node = {"", 0};
    struct http_param param;
    int more = http_params_first(&element, &param);
    for (; more > 0; more = http_params_next(&element, &param)) {
        if (http_slice_equals(param.name, "for"))
            node = param.value;
        else if (http_slice_equals(param.name, "proto"))
            said.proto = param.value;
        else if (http_slice_equals(param.name, "host"))
            said.host = param.value;
    }
    visit(walk, more < 0 ? (struct http_slice){"", 0} : node, &said);
}

/* X-Forwarded-For knows no quotes: one that a client opens must not swallow what its proxy adds
 * behind it. */
static bool next_address(struct http_slice *rest, struct http_slice *out_element) {
    while (rest->len > 0) {
        const char *comma = memchr(rest->data, ',', rest->len);
        uint32_t len = comma ? (uint32_t)(comma - rest->data) : rest->len;
        *out_element = http_slice_trim((struct http_slice){rest->data, len});
        rest->data += comma ? len + 1 : len;
        rest->len -= comma ? len + 1 : len;
        if (out_element->len > 0)
            return true;
    }
    return false;
}

static void visit_lists(struct walk *walk, const struct http_head *head, const char *name,
                        bool has_pairs) {
    size_t from = 0;
    const struct http_field *field;
    while ((field = http_head_next(head, name, &from)) != NULL) {
        struct http_slice rest = field->value, element;
        while (has_pairs ? http_list_next(&rest, &element) : next_address(&rest, &element)) {
            if (has_pairs)
                visit_element(walk, element);
            else
                visit(walk, element, &nothing_said);
        }
    }
}

bool forwarded_find_client(const struct http_head *head, forwarded_is_trusted is_trusted,
                           void *context, struct forwarded_client *out_client) {
    struct walk walk = {.is_trusted = is_trusted, .context = context};
    visit_lists(&walk, head, "x-forwarded-for", false);
    if (!walk.has_any)
        visit_lists(&walk, head, "forwarded", true);
    if (!walk.has_any)
        visit_lists(&walk, head, "x-real-ip", false);
    if (!walk.has_any || !walk.is_valid)
        return false;
    *out_client = walk.client;
    return true;
}
