/* SPDX-License-Identifier: MIT
 *
 * Addresses, and whom the proxies speak for (RFC 7239).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec_help.h"
#include <arpa/inet.h>

#include "forwarded.h"

static const char *show(const struct forwarded_address *address, char out[64]) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, address->bytes, text, sizeof(text));
    snprintf(out, 64, "%s %u", text, address->port);
    return out;
}

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *text, *shown; /* NULL: none */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1 0"},
        {"192.0.2.1:8080", "192.0.2.1 8080"},
        {"2001:db8::1", "2001:db8::1 0"},
        {"[2001:db8::1]", "2001:db8::1 0"},
        {"[2001:db8::1]:65535", "2001:db8::1 65535"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1 0"},
        {"", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.01x", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:_port", NULL},
        {"[192.0.2.1]", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]80", NULL},
        {"[]", NULL},
        {"[", NULL},
        {":80", NULL},
        {"1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct forwarded_address address;
        char shown[64];
        bool is_address = forwarded_parse_address(slice_of(cases[i].text), &address);
        if (is_address != (cases[i].shown != NULL) ||
            (is_address && strcmp(show(&address, shown), cases[i].shown) != 0))
            fail_msg("%s", cases[i].text);
    }
}

/* 10.0.0.0/8 are our proxies. */
static bool is_ours(void *context, const struct forwarded_address *address) {
    (void)context;
    return !address->is_ipv6 && address->bytes[0] == 10;
}

static void clients(void **state) {
    (void)state;
    static const struct {
        const char *fields, *shown; /* NULL: none */
    } cases[] = {
        {"", NULL},
        {"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: 198.51.100.9, 192.0.2.1\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: 198.51.100.9, 192.0.2.1, 10.0.0.2, 10.0.0.3\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.2\r\n",
         "192.0.2.1 0"},
        {"X-Forwarded-For: 10.0.0.4, 10.0.0.3\r\n", "10.0.0.4 0"},
        {"X-Forwarded-For: 10.9.9.9, 192.0.2.1, 10.0.0.3\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.3\r\n", NULL},
        {"X-Forwarded-For: unknown, 192.0.2.1\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7 0"},
        {"X-Forwarded-For: ,\r\n", NULL},
        {"X-Forwarded-For: \", 192.0.2.1\r\n", "192.0.2.1 0"},
        {"X-Forwarded-For: \"\\, 192.0.2.1, 10.0.0.3\r\n", "192.0.2.1 0"},
        {"X-Real-IP: 192.0.2.5\r\n", "192.0.2.5 0"},
        {"X-Real-IP: 192.0.2.5\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 0"},
        {"Forwarded: for=192.0.2.1\r\n", "192.0.2.1 0"},
        {"Forwarded: For=\"[2001:db8:cafe::17]:4711\"\r\n", "2001:db8:cafe::17 4711"},
        {"Forwarded: for=192.0.2.43, for=198.51.100.17;by=10.0.0.1\r\n", "198.51.100.17 0"},
        {"Forwarded: for=192.0.2.43;proto=https, for=10.0.0.3\r\n", "192.0.2.43 0"},
        {"Forwarded: for=\"_a, for=192.0.2.1\"\r\n", NULL},
        {"Forwarded: for=192.0.2.9\r\nX-Forwarded-For: unknown\r\n", NULL},
        {"Forwarded: for=192.0.2.1;proto\"\r\n", NULL},
        {"Forwarded: proto=https\r\n", NULL},
        {"Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1 0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request;
        struct forwarded_client client;
        char shown[64];
        request_parse(&request, "GET /", cases[i].fields);
        bool has = forwarded_find_client(&request.head, is_ours, NULL, &client);
        if (has != (cases[i].shown != NULL) ||
            (has && strcmp(show(&client.address, shown), cases[i].shown) != 0))
            fail_msg("%s", cases[i].fields);
    }
}

static void proto_and_host_of_the_same_element(void **state) {
    (void)state;
    struct request request;
    struct forwarded_client client;
    request_parse(
        &request, "GET /",
        "Forwarded: for=203.0.113.1;proto=ftp, for=192.0.2.1;Proto=https;host=\"a:1\", "
        "for=10.0.0.1;proto=http\r\n");
    assert_true(forwarded_find_client(&request.head, is_ours, NULL, &client));
    assert_true(http_slice_equals(client.proto, "https"));
    assert_true(http_slice_equals(client.host, "a:1"));
    request_parse(&request, "GET /", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_true(forwarded_find_client(&request.head, is_ours, NULL, &client));
    assert_int_equal(client.proto.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(clients),
        cmocka_unit_test(proto_and_host_of_the_same_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
