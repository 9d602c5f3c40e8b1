/* SPDX-License-Identifier: MIT
 *
 * See say.h.
 */
#include "say.h"

#include <stdint.h>
#include <string.h>

#include "ws_encode.h"
#include "ws_mask.h"

#define MASK_BIT 0x80u

void say_handshake(struct peer *peer, const char *extensions) {
    struct bytes head = {0};
    bytes_print(&head, "GET / HTTP/1.1\r\nHost: stage\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (extensions)
        bytes_print(&head, "Sec-WebSocket-Extensions: %s\r\n", extensions);
    bytes_print(&head, "\r\n");
    peer_put(peer, head.data, head.len);
    bytes_done(&head);
}

void say_frame(struct peer *peer, unsigned first, const void *data, size_t len) {
    static const uint32_t mask = 0x5a3c1e77;
    unsigned char header[WS_HEADER_MAX];
    struct bytes frame = {0};
    size_t size = ws_encode_header(header, first, len);
    header[1] |= MASK_BIT;
    bytes_add(&frame, header, size);
    bytes_add(&frame, &mask, sizeof(mask));
    bytes_add(&frame, data, len);
    ws_mask(frame.data + size + sizeof(mask), len, mask, 0);
    peer_put(peer, frame.data, frame.len);
    bytes_done(&frame);
}

void say_text(struct peer *peer, const char *text) {
    say_frame(peer, SAY_TEXT, text, strlen(text));
}

void say_close(struct peer *peer, unsigned code) {
    const char bytes[] = {(char)(code >> 8), (char)code};
    say_frame(peer, SAY_CLOSE, bytes, code ? sizeof(bytes) : 0);
}
