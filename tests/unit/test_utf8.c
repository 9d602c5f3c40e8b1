/* SPDX-License-Identifier: MIT
 *
 * UTF-8 against a naive reference that decodes and compares code points: every sequence of one,
 * two and three bytes, all of four that matter; at every place of a vector; cut everywhere; and
 * what fails must fail at the first byte that spoils it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "utf8.h"

/* The length of the character at the front, 0 for none (RFC 3629 by its table of code points).
 */
static size_t naive_length(const unsigned char *p, size_t len) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = p[0] < 0x80             ? 1
                  : (p[0] & 0xe0) == 0xc0 ? 2
                  : (p[0] & 0xf0) == 0xe0 ? 3
                  : (p[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (size == 0 || size > len)
        return 0;
    uint32_t point = size == 1 ? p[0] : p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[size] || point > 0x10ffff || is_surrogate ? 0 : size;
}

static bool naive_is_valid(const unsigned char *p, size_t len) {
    while (len > 0) {
        size_t size = naive_length(p, len);
        if (size == 0)
            return false;
        p += size;
        len -= size;
    }
    return true;
}

static void check(const unsigned char *p, size_t len) {
    if (utf8_is_valid((const char *)p, len) != naive_is_valid(p, len))
        fail_msg("length %zu: %02x %02x %02x %02x", len, p[0], len > 1 ? p[1] : 0,
                 len > 2 ? p[2] : 0, len > 3 ? p[3] : 0);
}

/* The same in the midst of blocks of sixteen, across two of them, and cut by the last one's
 * end. ASCII around it changes nothing. */
static void check_in_blocks(const unsigned char *p, size_t len) {
    static const size_t places[] = {5, 14, 30};
    bool is_valid = naive_is_valid(p, len);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char text[40];
        memset(text, 'a', sizeof(text));
        memcpy(text + places[i], p, len);
        if (utf8_is_valid(text, sizeof(text)) != is_valid)
            fail_msg("at %zu: %02x %02x %02x %02x", places[i], p[0], p[1], p[2],
                     len > 3 ? p[3] : 0);
    }
}

static void every_sequence_up_to_three(void **state) {
    (void)state;
    for (uint32_t word = 0; word < 1u << 24; word++) {
        unsigned char p[4] = {(unsigned char)word, (unsigned char)(word >> 8),
                              (unsigned char)(word >> 16), 'x'};
        check(p, 3);
        check(p, 4); /* with another byte behind, the fast way is taken */
        if (word % 17 == 0)
            check_in_blocks(p, 3);
        if (word < 1u << 16)
            check(p, 2);
        if (word < 1u << 8)
            check(p, 1);
    }
}

static void every_sequence_of_four(void **state) {
    (void)state;
    static const unsigned char third[] = {0x00, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned first = 0xe0; first <= 0xff; first++)
        for (unsigned second = 0; second <= 0xff; second++)
            for (size_t i = 0; i < sizeof(third); i++)
                for (unsigned fourth = 0; fourth <= 0xff; fourth++) {
                    unsigned char p[5] = {(unsigned char)first, (unsigned char)second, third[i],
                                          (unsigned char)fourth, 'x'};
                    check(p, 4);
                    check(p, 5);
                    check_in_blocks(p, 4);
                }
}

static void at_every_place(void **state) {
    (void)state;
    static const char *const pieces[] = {"\xff",
                                         "\x80",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xed\xa0\x80",
                                         "\xf0\x9f\x98\x80",
                                         "\xf4\x90\x80\x80",
                                         "\xe2\x82"};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t size = strlen(pieces[i]);
        for (size_t len = size; len < 150; len++)
            for (size_t at = 0; at + size <= len; at++) {
                unsigned char p[150];
                memset(p, 'a', len);
                memcpy(p + at, pieces[i], size);
                check(p, len);
            }
    }
}

/* Feeding byte by byte fails at the first byte after which no valid text is possible: the
 * reference tries all that could follow. */
static bool can_be_completed(const unsigned char *p, size_t len) {
    unsigned char longer[8];
    memcpy(longer, p, len);
    for (unsigned missing = 0; missing <= 3; missing++)
        for (unsigned choice = 0; choice < 4; choice++) {
            static const unsigned char bounds[] = {0x80, 0x90, 0xa0, 0xbf};
            longer[len] = bounds[choice];
            longer[len + 1] = longer[len + 2] = 0x80;
            if (naive_is_valid(longer, len + missing))
                return true;
        }
    return false;
}

static void fails_at_the_first_bad_byte(void **state) {
    (void)state;
    for (uint32_t word = 0; word < 1u << 16; word++)
        for (unsigned third = 0x70; third <= 0xff; third += 0x0f) {
            unsigned char p[] = {(unsigned char)word, (unsigned char)(word >> 8),
                                 (unsigned char)third};
            struct utf8 utf8 = {0};
            for (size_t len = 1; len <= 3; len++) {
                bool goes_on = utf8_feed(&utf8, (const char *)p + len - 1, 1);
                assert_int_equal(goes_on, can_be_completed(p, len));
                if (!goes_on)
                    break;
                assert_int_equal(utf8_is_complete(&utf8), naive_is_valid(p, len));
            }
        }
}

static bool is_valid_in_three(const unsigned char *p, size_t len, size_t first, size_t second) {
    struct utf8 utf8 = {0};
    const char *text = (const char *)p;
    return utf8_feed(&utf8, text, first) && utf8_feed(&utf8, text + first, second - first) &&
           utf8_feed(&utf8, text + second, len - second) && utf8_is_complete(&utf8);
}

static void random_text_cut_in_three(void **state) {
    (void)state;
    static const char *const alphabet[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    srand(7);
    for (int run = 0; run < 50000; run++) {
        unsigned char p[400];
        size_t len = 0;
        int kind = rand() % 5; /* 4: mixed */
        while (len < 300 && rand() % 100 != 0) {
            const char *piece = alphabet[kind == 4 ? rand() % 4 : kind];
            memcpy(p + len, piece, strlen(piece));
            len += strlen(piece);
        }
        if (len == 0)
            continue;
        if (rand() % 2)
            p[(size_t)rand() % len] = (unsigned char)rand();
        size_t second = (size_t)rand() % (len + 1), first = (size_t)rand() % (second + 1);
        assert_int_equal(utf8_is_valid((const char *)p, len), naive_is_valid(p, len));
        assert_int_equal(is_valid_in_three(p, len, first, second), naive_is_valid(p, len));
    }
}

static void state_is_small(void **state) {
    (void)state;
    assert_true(sizeof(struct utf8) <= 8);
    assert_true(utf8_is_valid(NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_up_to_three),
        cmocka_unit_test(every_sequence_of_four),
        cmocka_unit_test(at_every_place),
        cmocka_unit_test(fails_at_the_first_bad_byte),
        cmocka_unit_test(random_text_cut_in_three),
        cmocka_unit_test(state_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
