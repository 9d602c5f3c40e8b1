/* SPDX-License-Identifier: MIT
 *
 * The library of finds.c.
 */
int beside_number(void);

__attribute__((visibility("default"))) int beside_number(void) {
    return NUMBER;
}
