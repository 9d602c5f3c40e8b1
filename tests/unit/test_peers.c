/* SPDX-License-Identifier: MIT
 *
 * Addresses in their short form, and how many connections each may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "peers.h"

static struct address address_of(const char *text, uint16_t port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct address address;
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        address_set(&address, (struct sockaddr *)&in, sizeof(in));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        address_set(&address, (struct sockaddr *)&in6, sizeof(in6));
    }
    return address;
}

static void is_shown_as_people_write_it(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
        int family;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", CREW_ADDR_IPV4},
        {"2001:db8::1", "2001:db8::1", CREW_ADDR_IPV6},
        {"::ffff:192.0.2.7", "192.0.2.7", CREW_ADDR_IPV4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address = address_of(rows[i].in, 4711);
        struct crew_addr shown;
        address_show(&address, &shown);
        assert_string_equal(shown.text, rows[i].out);
        assert_int_equal(shown.family, rows[i].family);
        assert_int_equal(shown.port, 4711);
    }
}

static void has_the_key_of_its_client(void **state) {
    (void)state;
    struct address host = address_of("192.0.2.7", 1),
                   mapped = address_of("::ffff:192.0.2.7", 2);
    struct address other = address_of("192.0.2.8", 1);
    struct address net = address_of("2001:db8:0:1::1", 1),
                   same = address_of("2001:db8:0:1:f::", 9);
    struct address next = address_of("2001:db8:0:2::1", 1), low = address_of("::c000:207", 1);
    struct address loopback = address_of("::1", 1), none = {.family = CREW_ADDR_UNIX};
    assert_true(address_key(&host) == address_key(&mapped));
    assert_true(address_key(&host) != address_key(&other));
    assert_true(address_key(&net) == address_key(&same));
    assert_true(address_key(&net) != address_key(&next));
    assert_true(address_key(&low) != address_key(&host));
    assert_true(address_key(&loopback) != 0);
    assert_true(address_key(&loopback) == address_key(&low));
    assert_true(address_key(&none) == 0);
}

static void a_unix_peer_has_no_name(void **state) {
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct crew_addr shown;
    address_show_sockaddr((struct sockaddr *)&un, sizeof(sa_family_t), &shown);
    assert_int_equal(shown.family, CREW_ADDR_UNIX);
    assert_string_equal(shown.text, "");
    strncpy(un.sun_path, "/run/x.sock", sizeof(un.sun_path) - 1);
    address_show_sockaddr((struct sockaddr *)&un, sizeof(un), &shown);
    assert_string_equal(shown.text, "/run/x.sock");
}

static void each_address_has_its_own_count(void **state) {
    (void)state;
    struct peers peers;
    struct address one = address_of("192.0.2.1", 1), same = address_of("::ffff:192.0.2.1", 2),
                   other = address_of("192.0.2.2", 3);
    peers_init(&peers, 0x1234567890abcdef);
    assert_true(peers_enter(&peers, &one, 2));
    assert_true(peers_enter(&peers, &same, 2));
    assert_false(peers_enter(&peers, &one, 2));
    assert_true(peers_enter(&peers, &other, 2));
    peers_leave(&peers, &one);
    assert_true(peers_enter(&peers, &one, 2));
    peers_leave(&peers, &one);
    peers_leave(&peers, &same);
    peers_leave(&peers, &other);
    assert_int_equal(peers.counts.count, 0);
    peers_done(&peers);
}

static void an_ipv6_network_counts_as_one(void **state) {
    (void)state;
    struct peers peers;
    struct address one = address_of("2001:db8:1:2::1", 1),
                   near = address_of("2001:db8:1:2:9::9", 1),
                   far = address_of("2001:db8:1:3::1", 1);
    peers_init(&peers, 99);
    assert_true(peers_enter(&peers, &one, 1));
    assert_false(peers_enter(&peers, &near, 1));
    assert_true(peers_enter(&peers, &far, 1));
    peers_done(&peers);
}

static void a_unix_peer_is_always_welcome(void **state) {
    (void)state;
    struct peers peers;
    struct address address = {.family = CREW_ADDR_UNIX};
    peers_init(&peers, 99);
    for (int i = 0; i < 10; i++)
        assert_true(peers_enter(&peers, &address, 1));
    peers_leave(&peers, &address);
    peers_done(&peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_shown_as_people_write_it),
        cmocka_unit_test(has_the_key_of_its_client),
        cmocka_unit_test(a_unix_peer_has_no_name),
        cmocka_unit_test(each_address_has_its_own_count),
        cmocka_unit_test(an_ipv6_network_counts_as_one),
        cmocka_unit_test(a_unix_peer_is_always_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
