/* SPDX-License-Identifier: MIT
 *
 * See cookie_changes.h.
 */
#include "cookie_changes.h"

#include <string.h>

#include "crewman.h"

size_t cookie_changes_size(json_t *data) {
    size_t size = 0;
    for (void *place = json_object_iter(data); place;
         place = json_object_iter_next(data, place))
        size += strlen(json_object_iter_key(place)) +
                json_string_length(json_object_iter_value(place));
    return size;
}

int cookie_changes_apply(const struct cookie_changes *changes, json_t *data) {
    void *place;
    if (changes->clears)
        json_object_clear(data);
    for (place = json_object_iter((json_t *)(uintptr_t)changes->names); place;
         place = json_object_iter_next((json_t *)(uintptr_t)changes->names, place)) {
        const char *name = json_object_iter_key(place);
        json_t *value = json_object_iter_value(place);
        if (json_is_null(value))
            json_object_del(data, name);
        else if (json_object_set(data, name, value) != 0)
            return CREW_ENOMEM;
    }
    return 0;
}
