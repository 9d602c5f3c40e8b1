/* SPDX-License-Identifier: MIT
 *
 * See networks.h.
 */
#include "networks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of an IPv4 address in an IPv6 one: what precedes it. */
#define MAPPED_BITS 96u

static bool parse_bits(const char *text, unsigned max, unsigned *out_bits) {
    char *end;
    unsigned long bits = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || text[0] < '0' || text[0] > '9' || bits > max)
        return false;
    *out_bits = (unsigned)bits;
    return true;
}

static bool parse(const char *text, struct network *out_network) {
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    struct network network = {0};
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, network.base.bytes) == 1)
        network.base.family = CREW_ADDR_IPV4;
    else if (inet_pton(AF_INET6, host, network.base.bytes) == 1)
        network.base.family = CREW_ADDR_IPV6;
    else
        return false;
    network.bits = network.base.family == CREW_ADDR_IPV4 ? 32 : 128;
    if (slash && !parse_bits(slash + 1, network.bits, &network.bits))
        return false;
    if (network.bits >= MAPPED_BITS && address_unmap(&network.base))
        network.bits -= MAPPED_BITS;
    *out_network = network;
    return true;
}

int networks_init(struct networks *networks, char *const *texts, size_t count, char *out_why,
                  size_t size) {
    struct networks made = {.items = calloc(count + 1, sizeof(struct network)), .count = count};
    if (!made.items)
        return CREW_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (parse(texts[i], &made.items[i]))
            continue;
        snprintf(out_why, size, "\"%s\" is no address or network like 192.0.2.0/24", texts[i]);
        free(made.items);
        return CREW_EINVAL;
    }
    *networks = made;
    return 0;
}

void networks_done(struct networks *networks) {
    free(networks->items);
    *networks = (struct networks){0};
}

static bool contains(const struct network *network, const struct address *address) {
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (network->base.family != address->family ||
        memcmp(network->base.bytes, address->bytes, whole) != 0)
        return false;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return rest == 0 || ((network->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool networks_have(const struct networks *networks, const struct address *address) {
    if (address->family == CREW_ADDR_UNIX)
        return networks->count > 0;
    for (size_t i = 0; i < networks->count; i++)
        if (contains(&networks->items[i], address))
            return true;
    return false;
}
