/* SPDX-License-Identifier: MIT
 *
 * Lists of networks: what is one, and who lies in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "networks.h"

static struct address address_of(const char *text) {
    struct address address = {0};
    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.family = CREW_ADDR_IPV4;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.family = CREW_ADDR_IPV6;
    else
        fail();
    return address;
}

static void the_bits_decide(void **state) {
    (void)state;
    static const struct {
        const char *network, *address;
        bool expected;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"10.0.0.0/9", "10.127.0.1", true},
        {"10.0.0.0/9", "10.128.0.1", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::/0", "192.0.2.1", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::ffff:192.0.2.0/120", "192.0.2.255", true},
        {"::ffff:192.0.2.0/120", "192.0.3.0", false},
        {"::ffff:0.0.0.0/96", "192.0.2.1", true},
        {"::ffff:0.0.0.0/95", "192.0.2.1", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct networks networks;
        char why[128], *texts[] = {(char *)(uintptr_t)rows[i].network};
        struct address address = address_of(rows[i].address);
        assert_int_equal(networks_init(&networks, texts, 1, why, sizeof(why)), 0);
        assert_int_equal(networks_have(&networks, &address), rows[i].expected);
        networks_done(&networks);
    }
}

static void what_is_none_is_named(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",          "example.com", "192.0.2.0/33", "192.0.2.0/",
        "192.0.2/8", "::1/129",     "10.0.0.1/-1",  "10.0.0.1/8x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct networks networks;
        char why[128] = "", *texts[] = {(char *)"127.0.0.1", (char *)(uintptr_t)bad[i]};
        assert_int_equal(networks_init(&networks, texts, 2, why, sizeof(why)), CREW_EINVAL);
        assert_non_null(strstr(why, bad[i]));
    }
}

static void a_unix_peer_is_local(void **state) {
    (void)state;
    struct networks some, none;
    struct address address = {.family = CREW_ADDR_UNIX};
    char why[128], *texts[] = {(char *)"127.0.0.1"};
    assert_int_equal(networks_init(&some, texts, 1, why, sizeof(why)), 0);
    assert_int_equal(networks_init(&none, texts, 0, why, sizeof(why)), 0);
    assert_true(networks_have(&some, &address));
    assert_false(networks_have(&none, &address));
    networks_done(&some);
    networks_done(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_decide),
        cmocka_unit_test(what_is_none_is_named),
        cmocka_unit_test(a_unix_peer_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
