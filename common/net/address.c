/* SPDX-License-Identifier: MIT
 *
 * Between sockaddr, the short form and the public text form; and whom an address stands for.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

bool address_unmap(struct address *address) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (address->family != CREW_ADDR_IPV6 ||
        memcmp(address->bytes, mapped, sizeof(mapped)) != 0)
        return false;
    address->family = CREW_ADDR_IPV4;
    memcpy(address->bytes, address->bytes + 12, 4);
    memset(address->bytes + 4, 0, sizeof(address->bytes) - 4);
    return true;
}

static void set_ipv6(struct address *address, const struct sockaddr_in6 *from) {
    address->family = CREW_ADDR_IPV6;
    address->port = ntohs(from->sin6_port);
    memcpy(address->bytes, from->sin6_addr.s6_addr, 16);
    (void)address_unmap(address);
}

void address_set(struct address *address, const struct sockaddr *from, socklen_t len) {
    *address = (struct address){0};
    if (len < (socklen_t)sizeof(from->sa_family))
        return;
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        address->family = CREW_ADDR_IPV4;
        address->port = ntohs(in->sin_port);
        memcpy(address->bytes, &in->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        set_ipv6(address, (const struct sockaddr_in6 *)(const void *)from);
    } else if (from->sa_family == AF_UNIX) {
        address->family = CREW_ADDR_UNIX;
    }
}

/* But for ::1, 0::/8 is no network of hosts: what gets a key of its addresses meets nobody. */
uint64_t address_key(const struct address *address) {
    static const uint8_t loopback[8] = {[1] = 1};
    uint64_t key = 0;
    if (address->family == CREW_ADDR_IPV4) {
        memcpy((char *)&key + 4, address->bytes, 4);
    } else if (address->family == CREW_ADDR_IPV6) {
        memcpy(&key, address->bytes, 8);
        if (key == 0) /* 0 is no address */
            memcpy(&key, loopback, 8);
    }
    return key;
}

/* Each step can be undone, so no two inputs give one output. */
static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

uint64_t address_hash(const struct address *address, uint64_t seed) {
    uint64_t key = address_key(address);
    if (key == 0)
        return 0;
    key = mix(key ^ seed);
    return key ? key : 1;
}

void address_show(const struct address *address, struct crew_addr *out_addr) {
    *out_addr = (struct crew_addr){.family = address->family, .port = address->port};
    if (address->family == CREW_ADDR_IPV4)
        inet_ntop(AF_INET, address->bytes, out_addr->text, sizeof(out_addr->text));
    else if (address->family == CREW_ADDR_IPV6)
        inet_ntop(AF_INET6, address->bytes, out_addr->text, sizeof(out_addr->text));
}

static void show_unix(const struct sockaddr_un *from, socklen_t len,
                      struct crew_addr *out_addr) {
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t path_len = (size_t)len > start ? (size_t)len - start : 0;
    *out_addr = (struct crew_addr){.family = CREW_ADDR_UNIX};
    if (path_len > 0 && from->sun_path[0] != '\0')
        snprintf(out_addr->text, sizeof(out_addr->text), "%.*s", (int)path_len, from->sun_path);
}

void address_show_sockaddr(const struct sockaddr *from, socklen_t len,
                           struct crew_addr *out_addr) {
    if (from->sa_family == AF_UNIX) {
        show_unix((const struct sockaddr_un *)(const void *)from, len, out_addr);
        return;
    }
    struct address address;
    address_set(&address, from, len);
    address_show(&address, out_addr);
}
