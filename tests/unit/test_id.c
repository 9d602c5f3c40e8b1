/* SPDX-License-Identifier: MIT
 *
 * Ids: their text and back, and a process that has given out all of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conn.h"

static void text_and_back(void **state) {
    (void)state;
    static const crew_id ids[] = {1, 0x0123456789abcdefu, INT64_MAX, UINT64_MAX, 1ull << 32};
    char text[CREW_ID_TEXT_SIZE];
    crew_id back;
    assert_string_equal(crew_id_text(0x00abcdef00000001u, text), "00abcdef00000001");
    assert_string_equal(crew_id_text(0, text), "0000000000000000");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(crew_id_parse(crew_id_text(ids[i], text), &back), 0);
        assert_true(back == ids[i]);
    }
}

static void what_is_no_id(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "1",
                                        "00abcdef0000000",
                                        "00abcdef000000001",
                                        "00ABCDEF00000001",
                                        "0x0bcdef00000001",
                                        " 0abcdef00000001",
                                        "00abcdef0000000g",
                                        "0000000000000000",
                                        NULL};
    crew_id id = 7;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(crew_id_parse(texts[i], &id), CREW_EINVAL);
    assert_true(id == 7);
}

static void every_part_has_its_room(void **state) {
    (void)state;
    struct crew_conn conn = {0}, last = {0}, none = {0};
    struct conns conns = {.node = 127, .process = (1u << 24) - 1, .next_counter = 1};
    idmap_init(&conns.ids, offsetof(struct crew_conn, id));
    list_init(&conns.all);
    assert_int_equal(conns_remember(&conns, &conn), 0);
    assert_true(conn.id == 0x7fffffff00000001u && !conns_run_out_of_ids(&conns));
    conns.next_counter = UINT32_MAX;
    assert_true(conns_run_out_of_ids(&conns));
    assert_int_equal(conns_remember(&conns, &last), 0);
    assert_true(last.id == 0x7fffffffffffffffu);
    assert_int_equal(conns_remember(&conns, &none), -EOVERFLOW);
    assert_true(none.id == 0 && idmap_find(&conns.ids, conn.id) == &conn);
    idmap_done(&conns.ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(what_is_no_id),
        cmocka_unit_test(every_part_has_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
