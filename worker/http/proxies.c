/* SPDX-License-Identifier: MIT
 *
 * See proxies.h.
 */
#include "proxies.h"

#include <stdlib.h>
#include <string.h>

#include "conn_state.h"
#include "forwarded.h"
#include "proxy_protocol.h"
#include "service.h"

static void set_peer(struct address *peer, const struct forwarded_address *from) {
    *peer = (struct address){.family = from->is_ipv6 ? CREW_ADDR_IPV6 : CREW_ADDR_IPV4,
                             .port = from->port};
    memcpy(peer->bytes, from->bytes, from->is_ipv6 ? 16 : 4);
    (void)address_unmap(peer);
}

static bool is_trusted(void *context, const struct forwarded_address *from) {
    struct address address;
    set_peer(&address, from);
    return networks_have(context, &address);
}

bool proxies_read_head(struct crew_conn *conn, const struct http_head *head) {
    struct networks *trusted = &service_of(conn)->proxies;
    struct forwarded_client found;
    if (!networks_have(trusted, &conn->peer))
        return true;
    bool has_client = forwarded_find_client(head, is_trusted, trusted, &found);
    if (has_client && !conn->client)
        conn->client = malloc(sizeof(*conn->client));
    if (has_client && !conn->client) {
        conn_end(conn, CREW_CLOSE_MEMORY, CREW_ENOMEM);
        return false;
    }
    if (has_client) {
        set_peer(conn->client, &found.address);
    } else {
        free(conn->client);
        conn->client = NULL;
    }
    return true;
}

/* Nobody may speak for others here unless it is trusted; with an empty list everybody is. */
static bool is_expected(struct crew_conn *conn) {
    const struct networks *trusted = &service_of(conn)->proxies;
    return trusted->count == 0 || networks_have(trusted, &conn->peer);
}

static int take(struct crew_conn *conn, const char *data, size_t len) {
    struct proxy_protocol proxy;
    int used = proxy_protocol_parse(data, len, &proxy);
    if (used > 0 && proxy.has_addresses)
        set_peer(&conn->peer, &proxy.source);
    conn->is_unnamed = used > 0 && !proxy.has_addresses;
    return used;
}

const struct preface proxies_preface = {.is_expected = is_expected, .take = take};
