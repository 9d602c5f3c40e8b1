/* SPDX-License-Identifier: MIT
 *
 * See printable.h. Bytes above 0x7f are left alone: they are letters of UTF-8.
 */
#include "printable.h"

void printable_make(char *text, char instead) {
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = instead;
}
