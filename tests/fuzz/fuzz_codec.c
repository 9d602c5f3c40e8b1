/* SPDX-License-Identifier: MIT
 *
 * One fuzz target a player (FUZZ_CODEC names it). Beside what the sanitizers see: the input cut
 * into single bytes, and at random, must make the same events as whole. The first two bytes
 * choose the settings and where to cut.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(struct settings *settings, unsigned choice) {
    static const char *const sizes[] = {"0", "5", "100", "1000000"};
    static const char *const flags[] = {"0", "1"};
    settings_put(settings, "max_message", sizes[choice & 3]);
    settings_put(settings, "head_size", choice & 4 ? "60" : "16384");
    settings_put(settings, "fields", choice & 8 ? "2" : "100");
    settings_put(settings, "handshake", flags[(choice >> 4) & 1]);
    settings_put(settings, "direct", flags[(choice >> 5) & 1]);
    settings_put(settings, "deflate_bits", choice & 0x40 ? "15" : "0");
    settings_put(settings, "keeps_context", flags[(choice >> 7) & 1]);
}

static void compare(const struct player *player, const struct settings *settings,
                    const char *data, size_t size, const struct bytes *whole,
                    struct cutting cutting) {
    struct bytes log = {0};
    player_run(player, settings, data, size, cutting, &log);
    if (log.len != whole->len || memcmp(log.data, whole->data, log.len) != 0) {
        fprintf(stderr, "size %zu seed %u\n--- whole\n%s--- cut\n%s", cutting.size,
                cutting.seed, whole->data, log.data);
        abort();
    }
    bytes_done(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct player *player = player_find(FUZZ_CODEC);
    struct settings settings = {0};
    struct bytes whole = {0};
    if (size < 2 || !player)
        return 0;
    choose(&settings, data[0]);
    unsigned seed = data[1] + 1u;
    const char *stream = (const char *)data + 2;
    size -= 2;
    player_run(player, &settings, stream, size, (struct cutting){0}, &whole);
    compare(player, &settings, stream, size, &whole, (struct cutting){.size = 1});
    compare(player, &settings, stream, size, &whole,
            (struct cutting){.size = 1 + seed % 40, .seed = seed});
    bytes_done(&whole);
    return 0;
}
