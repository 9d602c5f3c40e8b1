/* SPDX-License-Identifier: MIT
 *
 * The checks of the opening handshake: see ws_handshake.h.
 */
#include "ws_handshake.h"

#define KEY_LEN    24u /* base64 of 16 bytes: 22 characters and two of padding */
#define KEY_DIGITS 22u

#define BAD_REQUEST      400
#define NOT_ALLOWED      405
#define UPGRADE_REQUIRED 426

static int refuse(int status, const char *why, const char **out_why) {
    *out_why = why;
    return status;
}

static bool is_base64(char c) {
    char letter = http_char_lower(c);
    return (letter >= 'a' && letter <= 'z') || http_char_is_digit(c) || c == '+' || c == '/';
}

/* The four bits that the last digit has too many are not looked at: decoders may ignore them
 * (RFC 4648 section 3.5), and nobody decodes a key. */
static bool is_key(struct http_slice key) {
    if (key.len != KEY_LEN || key.data[KEY_DIGITS] != '=' || key.data[KEY_DIGITS + 1] != '=')
        return false;
    for (uint32_t i = 0; i < KEY_DIGITS; i++)
        if (!is_base64(key.data[i]))
            return false;
    return true;
}

/* The only field of that name: NULL when there is none, or more than one (section 11.3). */
static const struct http_field *find_only(const struct http_head *head, const char *name) {
    size_t from = 0;
    const struct http_field *field = http_head_next(head, name, &from);
    return field && !http_head_next(head, name, &from) ? field : NULL;
}

int ws_handshake_check(const struct http_head *head, struct http_slice *out_key,
                       const char **out_why) {
    if (head->method_id != HTTP_GET)
        return refuse(NOT_ALLOWED, "a WebSocket handshake is a GET", out_why);
    if (!http_head_list_has(head, "upgrade", "websocket"))
        return refuse(UPGRADE_REQUIRED, "this is a WebSocket service", out_why);
    if (head->minor_version < 1)
        return refuse(BAD_REQUEST, "a WebSocket handshake is HTTP/1.1", out_why);
    if (!head->wants_upgrade) /* Upgrade it has */
        return refuse(BAD_REQUEST, "Connection does not say upgrade", out_why);
    if (head->is_chunked || head->content_length > 0)
        return refuse(BAD_REQUEST, "a WebSocket handshake has no body", out_why);
    const struct http_field *version = find_only(head, "sec-websocket-version");
    if (!version)
        return refuse(BAD_REQUEST, "no single Sec-WebSocket-Version", out_why);
    if (!http_slice_equals(version->value, "13"))
        return refuse(UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken", out_why);
    const struct http_field *key = find_only(head, "sec-websocket-key");
    if (!key || !is_key(key->value))
        return refuse(BAD_REQUEST, "no valid Sec-WebSocket-Key", out_why);
    *out_key = key->value;
    return 0;
}
