/* SPDX-License-Identifier: MIT
 *
 * PROXY protocol: see proxy_protocol.h. Section numbers are of proxy-protocol.txt of HAProxy.
 */
#include "proxy_protocol.h"

#include <string.h>

#define TEXT_LINE_MAX 107u /* section 2.1, with CR LF */
#define SIGNATURE_LEN 12u
#define HEADER_LEN    16u

#define VERSION_2     0x20
#define COMMAND_LOCAL 0
#define COMMAND_PROXY 1
#define FAMILY_INET   1
#define FAMILY_INET6  2

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

static bool begins_alike(const char *data, size_t len, const char *with, size_t with_len) {
    return memcmp(data, with, len < with_len ? len : with_len) == 0;
}

/* Cut at the next space, or the end. */
static struct http_slice take_word(struct http_slice *rest) {
    const char *space = rest->len > 0 ? memchr(rest->data, ' ', rest->len) : NULL;
    uint32_t len = space ? (uint32_t)(space - rest->data) : rest->len;
    struct http_slice word = {rest->data, len};
    uint32_t step = space ? len + 1 : len;
    rest->data += step;
    rest->len -= step;
    return word;
}

/* Section 2.1: in the canonical form, without leading zeros. */
static bool parse_port(struct http_slice word, uint16_t *out_port) {
    unsigned port = 0;
    if (word.len == 0 || word.len > 5 || (word.data[0] == '0' && word.len > 1))
        return false;
    for (uint32_t i = 0; i < word.len; i++) {
        if (!http_char_is_digit(word.data[i]))
            return false;
        port = port * 10 + (unsigned)(word.data[i] - '0');
    }
    *out_port = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_address(struct http_slice word, bool is_ipv6,
                          struct forwarded_address *out_address) {
    bool has_colon = word.len > 0 && memchr(word.data, ':', word.len);
    return word.len > 0 && word.data[0] != '[' && has_colon == is_ipv6 &&
           forwarded_parse_address(word, out_address) && out_address->is_ipv6 == is_ipv6;
}

/* "TCP4 192.0.2.1 192.0.2.2 1234 80", behind "PROXY ". */
static bool parse_words(struct http_slice rest, struct proxy_protocol *proxy) {
    struct http_slice protocol = take_word(&rest);
    if (protocol.len == 7 && memcmp(protocol.data, "UNKNOWN", 7) == 0)
        return true;
    if (protocol.len != 4 || memcmp(protocol.data, "TCP", 3) != 0 ||
        (protocol.data[3] != '4' && protocol.data[3] != '6'))
        return false;
    bool is_ipv6 = protocol.data[3] == '6';
    struct http_slice source = take_word(&rest), destination = take_word(&rest);
    struct http_slice source_port = take_word(&rest);
    proxy->has_addresses = true;
    return parse_address(source, is_ipv6, &proxy->source) &&
           parse_address(destination, is_ipv6, &proxy->destination) &&
           parse_port(source_port, &proxy->source.port) &&
           parse_port(rest, &proxy->destination.port);
}

static int parse_line(const char *data, size_t len, struct proxy_protocol *proxy) {
    size_t end = len < TEXT_LINE_MAX ? len : TEXT_LINE_MAX;
    const char *lf = memchr(data, '\n', end);
    if (!lf)
        return len < TEXT_LINE_MAX ? 0 : -1;
    size_t size = (size_t)(lf - data) + 1;
    if (size < 8 || lf[-1] != '\r')
        return -1;
    struct http_slice words = {data + 6, (uint32_t)(size - 8)};
    return parse_words(words, proxy) ? (int)size : -1;
}

static void read_address(const unsigned char *p, size_t width, size_t port_at,
                         struct forwarded_address *out_address) {
    memcpy(out_address->bytes, p, width);
    out_address->is_ipv6 = width == 16;
    out_address->port = (uint16_t)(p[port_at] << 8 | p[port_at + 1]);
}

/* Section 2.2: two addresses, two ports; what follows is extensions. Families that are none of
 * the Internet's, and datagrams, are accepted without their addresses. */
static bool parse_addresses(const unsigned char *p, size_t len, unsigned family,
                            struct proxy_protocol *proxy) {
    size_t width = family == FAMILY_INET ? 4 : family == FAMILY_INET6 ? 16 : 0;
    if (width == 0)
        return true;
    if (len < 2 * width + 4)
        return false;
    read_address(p, width, 2 * width, &proxy->source);
    read_address(p + width, width, width + 2, &proxy->destination);
    proxy->has_addresses = true;
    return true;
}

static int parse_block(const unsigned char *p, size_t len, struct proxy_protocol *proxy) {
    if (len < HEADER_LEN)
        return 0;
    unsigned command = p[12] & 0x0f;
    size_t size = (size_t)(p[14] << 8 | p[15]);
    if ((p[12] & 0xf0) != VERSION_2 || command > COMMAND_PROXY ||
        HEADER_LEN + size > PROXY_PROTOCOL_MAX)
        return -1;
    if (len < HEADER_LEN + size)
        return 0;
    if (command != COMMAND_LOCAL && !parse_addresses(p + HEADER_LEN, size, p[13] >> 4, proxy))
        return -1;
    return (int)(HEADER_LEN + size);
}

int proxy_protocol_parse(const char *data, size_t len, struct proxy_protocol *out_proxy) {
    struct proxy_protocol proxy = {.has_addresses = false};
    int size = -1;
    if (len == 0)
        return 0;
    if (begins_alike(data, len, "PROXY ", 6))
        size = len < 6 ? 0 : parse_line(data, len, &proxy);
    else if (begins_alike(data, len, signature, SIGNATURE_LEN))
        size = parse_block((const unsigned char *)data, len, &proxy);
    if (size > 0)
        *out_proxy = proxy;
    return size;
}
