/* SPDX-License-Identifier: MIT
 *
 * The table of udp's peers against a plain list, through random comings and goings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "udp_peers.h"

#define PEERS 2000u
#define STEPS 40000u

/* Neighbours that differ in the address alone, in the port alone, or in the family alone. */
static struct address address_of(unsigned i) {
    struct address address = {.family = i % 2 ? CREW_ADDR_IPV4 : CREW_ADDR_IPV6,
                              .port = (uint16_t)(i / 2 % 10)};
    uint32_t host = i / 20;
    memcpy(address.bytes + (i % 4 < 2 ? 0 : 12), &host, sizeof(host));
    address.bytes[8] = i % 4 < 2; /* no other has both words */
    return address;
}

static unsigned next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void test_as_a_list(void **state) {
    static struct udp_peer all[PEERS];
    static bool is_in[PEERS];
    struct udp_peers peers;
    size_t count = 0;
    uint32_t random = 7;
    (void)state;
    udp_peers_init(&peers, 0x1234567890abcdefu);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = next_random(&random) % PEERS;
        struct address address = address_of(i);
        assert_ptr_equal(udp_peers_find(&peers, &address), is_in[i] ? &all[i] : NULL);
        if (is_in[i]) {
            udp_peers_remove(&peers, &all[i]);
            count--;
        } else {
            all[i] = (struct udp_peer){.address = address};
            assert_int_equal(udp_peers_put(&peers, &all[i]), 0);
            count++;
        }
        is_in[i] = !is_in[i];
        assert_int_equal(peers.count, count);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        struct address address = address_of(i);
        assert_ptr_equal(udp_peers_find(&peers, &address), is_in[i] ? &all[i] : NULL);
    }
    udp_peers_done(&peers);
}

static void test_removing_a_stranger_changes_nothing(void **state) {
    struct udp_peers peers;
    struct udp_peer one = {.address = address_of(1)}, other = {.address = address_of(1)};
    (void)state;
    udp_peers_init(&peers, 1);
    udp_peers_remove(&peers, &one);
    assert_int_equal(udp_peers_put(&peers, &one), 0);
    udp_peers_remove(&peers, &other);
    assert_ptr_equal(udp_peers_find(&peers, &other.address), &one);
    udp_peers_done(&peers);
}

static void test_the_unproven_are_in_order(void **state) {
    struct udp_peers peers;
    struct udp_peer all[4] = {0};
    (void)state;
    udp_peers_init(&peers, 1);
    assert_null(udp_peers_oldest(&peers));
    for (unsigned i = 0; i < 4; i++) {
        all[i].address = address_of(i);
        assert_int_equal(udp_peers_put(&peers, &all[i]), 0);
        assert_false(udp_peers_is_proven(&all[i]));
    }
    udp_peers_prove(&all[0]);
    udp_peers_prove(&all[0]);
    udp_peers_remove(&peers, &all[2]);
    assert_true(udp_peers_is_proven(&all[0]));
    assert_ptr_equal(udp_peers_oldest(&peers), &all[1]);
    udp_peers_remove(&peers, &all[1]);
    assert_ptr_equal(udp_peers_oldest(&peers), &all[3]);
    udp_peers_prove(&all[3]);
    assert_null(udp_peers_oldest(&peers));
    udp_peers_done(&peers);
}

/* Behind any number of others; the table grows meanwhile. */
static void test_those_of_a_client_are_in_order(void **state) {
    static struct udp_peer all[3 * 500];
    struct udp_peers peers;
    (void)state;
    udp_peers_init(&peers, 7);
    for (unsigned i = 0; i < 3 * 500; i++) { /* three of each, on ports of their own */
        all[i].address = (struct address){.family = CREW_ADDR_IPV4, .port = (uint16_t)i};
        all[i].address.bytes[2] = (uint8_t)(i % 500 >> 8);
        all[i].address.bytes[3] = (uint8_t)(i % 500);
        assert_null(i < 500 ? udp_peers_rival(&peers, &all[i].address) : NULL);
        assert_int_equal(udp_peers_put(&peers, &all[i]), 0);
    }
    for (unsigned i = 0; i < 500; i++) {
        assert_ptr_equal(udp_peers_rival(&peers, &all[i].address), &all[i]);
        udp_peers_prove(&all[i]);
        assert_ptr_equal(udp_peers_rival(&peers, &all[i].address), &all[i + 500]);
        udp_peers_remove(&peers, &all[i + 500]);
        assert_ptr_equal(udp_peers_rival(&peers, &all[i].address), &all[i + 1000]);
        udp_peers_remove(&peers, &all[i + 1000]);
        assert_null(udp_peers_rival(&peers, &all[i].address));
    }
    udp_peers_done(&peers);
}

/* Ports and hosts in a row must not end up in the same chains. */
static void test_chains_stay_short(void **state) {
    static struct udp_peer all[4096];
    struct udp_peers peers;
    size_t longest = 0;
    (void)state;
    udp_peers_init(&peers, 42);
    for (unsigned i = 0; i < 4096; i++) {
        all[i].address = (struct address){.family = CREW_ADDR_IPV4, .port = (uint16_t)(i * 16)};
        all[i].address.bytes[3] = (uint8_t)(i & 7);
        assert_int_equal(udp_peers_put(&peers, &all[i]), 0);
    }
    for (size_t i = 0; i < peers.capacity; i++) {
        size_t len = 0;
        for (struct udp_peer *peer = peers.chains[i]; peer; peer = peer->next)
            len++;
        longest = len > longest ? len : longest;
    }
    assert_in_range(longest, 1, 12);
    udp_peers_done(&peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_a_list),
        cmocka_unit_test(test_removing_a_stranger_changes_nothing),
        cmocka_unit_test(test_the_unproven_are_in_order),
        cmocka_unit_test(test_those_of_a_client_are_in_order),
        cmocka_unit_test(test_chains_stay_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
