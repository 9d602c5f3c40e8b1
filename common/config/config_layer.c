/* SPDX-License-Identifier: MIT
 *
 * Which layer wins, a row at a time.
 */
#include "config_layer.h"

#include <assert.h>

#include "config_check.h"
#include "config_value.h"
#include "memory.h"

static void store_default(const struct config_row *row, void *object) {
    struct config_value value;
    char why[256];
    long index;
    json_t *json = memory_expect(json_loads(row->fallback, JSON_DECODE_ANY, NULL));
    int rc = config_value_parse(row, json, &value, &index, why, sizeof(why));
    assert(rc == 0);
    if (rc == 0)
        config_value_store(row, &value, NULL, object);
    json_decref(json);
}

static bool store_from(const struct config_layer *layer, const struct config_row *row,
                       void *object) {
    struct config_value value;
    char why[512];
    long index;
    const json_t *json = config_check_lookup(layer->block, row->path);
    if (!json || config_value_parse(row, json, &value, &index, why, sizeof(why)) < 0)
        return false;
    config_value_store(row, &value, layer->source->folder, object);
    return true;
}

size_t config_layer_store(const struct config_layer *layers, size_t count,
                          const struct config_row *row, void *object) {
    for (size_t i = 0; i < count; i++)
        if (store_from(&layers[i], row, object))
            return i;
    store_default(row, object);
    return count;
}
