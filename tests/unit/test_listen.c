/* SPDX-License-Identifier: MIT
 *
 * Listen addresses: what they become, what is refused and with which words, and which overlap.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "listen.h"

#define PROTOCOLS                                                                              \
    "expected the protocol tcp, text, frame, websocket, http, udp, udp+text or udp+frame"

static struct listen_address parse(const char *text) {
    struct listen_address address;
    char why[256] = "";
    if (listen_parse(text, &address, why, sizeof(why)) != 0)
        fail_msg("%s: %s", text, why);
    return address;
}

/* "host port", or a path. */
static void show(const struct listen_address *address, char *text, size_t size) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->addr;
    char host[INET6_ADDRSTRLEN] = "";
    if (address->is_unix) {
        snprintf(text, size, "%s", ((const struct sockaddr_un *)&address->addr)->sun_path);
        return;
    }
    if (in->sin_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        assert_int_equal(address->len, sizeof(*in));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        assert_int_equal(address->len, sizeof(*in6));
    }
    snprintf(text, size, "%s %u", host, ntohs(in->sin_port));
}

static void test_good(void **state) {
    static const struct {
        const char *text;
        enum listen_protocol protocol;
        const char *place;
    } good[] = {
        {"websocket://0.0.0.0:8282", LISTEN_WEBSOCKET, "0.0.0.0 8282"},
        {"text://127.0.0.1:23", LISTEN_TEXT, "127.0.0.1 23"},
        {"frame://localhost:1", LISTEN_FRAME, "127.0.0.1 1"},
        {"tcp://[::]:65535", LISTEN_TCP, ":: 65535"},
        {"tcp://*:80", LISTEN_TCP, ":: 80"},
        {"tcp://[2001:db8::1]:8080", LISTEN_TCP, "2001:db8::1 8080"},
        {"text://unix:/run/x.sock", LISTEN_TEXT, "/run/x.sock"},
        {"websocket://unix:/run/x y.sock", LISTEN_WEBSOCKET, "/run/x y.sock"},
        {"unix:///run/raw.sock", LISTEN_TCP, "/run/raw.sock"},
        {"udp://0.0.0.0:53", LISTEN_UDP, "0.0.0.0 53"},
        {"udp+text://[::]:514", LISTEN_UDP_TEXT, ":: 514"},
        {"udp+frame://127.0.0.1:9", LISTEN_UDP_FRAME, "127.0.0.1 9"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        char text[256];
        struct listen_address address = parse(good[i].text);
        show(&address, text, sizeof(text));
        assert_int_equal(address.protocol, good[i].protocol);
        assert_string_equal(text, good[i].place);
    }
}

static void test_none(void **state) {
    (void)state;
    assert_int_equal(parse("").protocol, LISTEN_NONE);
}

static void test_bad(void **state) {
    static const char *const form =
        "expected \"<protocol>://<host>:<port>\" or \"<protocol>://unix:/path\"";
    static const char *const host =
        "expected a numeric host like 0.0.0.0, 127.0.0.1 or [::], or \"localhost\" or \"*\"";
    static const char *const port = "expected a port from 1 to 65535";
    const char *const bad[][2] = {
        {"8282", form},
        {"0.0.0.0:8282", form},
        {"websocket:/0.0.0.0:1", form},
        {"websockt://0.0.0.0:1", PROTOCOLS "; did you mean \"websocket\"?"},
        {"TCP://0.0.0.0:1", PROTOCOLS "; did you mean \"tcp\"?"},
        {"://0.0.0.0:1", PROTOCOLS},
        {"none://0.0.0.0:1", PROTOCOLS},
        {"gopher://0.0.0.0:1", PROTOCOLS},
        {"a-protocol-with-a-name-that-goes-on-and-on-and-on://0.0.0.0:1", PROTOCOLS},
        {"udp://unix:/run/x.sock", "expected a host and a port, as udp has no unix sockets"},
        {"tcp://0.0.0.0", "expected \":\" and a port after the host"},
        {"tcp://[::1]", "expected \":\" and a port after the host"},
        {"tcp://", "expected \":\" and a port after the host"},
        {"tcp://0.0.0.0:", port},
        {"tcp://0.0.0.0:0", port},
        {"tcp://0.0.0.0:65536", port},
        {"tcp://0.0.0.0:99999999999", port},
        {"tcp://0.0.0.0:80x", port},
        {"tcp://0.0.0.0:-1", port},
        {"tcp://0.0.0.0: 80", port},
        {"tcp://:80", host},
        {"tcp://example.com:80", host},
        {"tcp://256.0.0.1:80", host},
        {"tcp://1.2.3:80", host},
        {"tcp://[::g]:80", host},
        {"tcp://[127.0.0.1]:80", host},
        {"tcp://[]:80", host},
        {"tcp://[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:1111:2222:3333]:80", host},
        {"tcp://::1:80", "expected an IPv6 address in brackets, like [::1]:8282"},
        {"tcp://unix:run/x.sock", "expected an absolute path after \"unix:\""},
        {"tcp://unix:", "expected an absolute path after \"unix:\""},
        {"tcp://unix:/", "expected an absolute path after \"unix:\""},
        {"unix://run/x.sock", "expected an absolute path after \"unix:\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct listen_address address = {.len = 4711};
        char why[256] = "";
        assert_int_equal(listen_parse(bad[i][0], &address, why, sizeof(why)), -EINVAL);
        assert_string_equal(why, bad[i][1]);
        assert_int_equal(address.len, 4711);
    }
}

static void test_unix_path_length(void **state) {
    struct listen_address address;
    char why[256], text[160] = "tcp://unix:/";
    size_t begin = strlen("tcp://unix:");
    (void)state;
    memset(text + begin + 1, 'p', 106);
    assert_int_equal(listen_parse(text, &address, why, sizeof(why)), 0);
    text[begin + 107] = 'p';
    assert_int_equal(listen_parse(text, &address, why, sizeof(why)), -EINVAL);
    assert_string_equal(why, "expected a socket path of at most 107 bytes");
}

static void test_overlaps(void **state) {
    static const struct {
        const char *a, *b;
        bool overlap;
    } pairs[] = {
        {"udp://0.0.0.0:53", "tcp://0.0.0.0:53", false},
        {"udp://0.0.0.0:53", "udp+text://127.0.0.1:53", true},
        {"tcp://1.2.3.4:80", "text://1.2.3.4:80", true},
        {"tcp://1.2.3.4:80", "tcp://1.2.3.4:81", false},
        {"tcp://1.2.3.4:80", "tcp://1.2.3.5:80", false},
        {"tcp://0.0.0.0:80", "tcp://1.2.3.4:80", true},
        {"tcp://[::]:80", "tcp://1.2.3.4:80", true},
        {"tcp://[::]:80", "tcp://[::1]:80", true},
        {"tcp://*:80", "tcp://0.0.0.0:80", true},
        {"tcp://0.0.0.0:80", "tcp://[::1]:80", false},
        {"tcp://[::1]:80", "tcp://127.0.0.1:80", false},
        {"tcp://unix:/a", "text://unix:/a", true},
        {"tcp://unix:/a", "tcp://unix:/ab", false},
        {"tcp://unix:/a", "tcp://[::]:80", false},
        {"", "", false},
        {"", "tcp://[::]:80", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct listen_address a = parse(pairs[i].a), b = parse(pairs[i].b);
        if (listen_overlaps(&a, &b) != pairs[i].overlap ||
            listen_overlaps(&b, &a) != pairs[i].overlap)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_none),
        cmocka_unit_test(test_bad),      cmocka_unit_test(test_unix_path_length),
        cmocka_unit_test(test_overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
