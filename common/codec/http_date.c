/* SPDX-License-Identifier: MIT
 *
 * Dates: see http_date.h.
 */
#include "http_date.h"

#include <string.h>

#define DAY_S    86400
#define YEAR_MAX 9999

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";

struct date {
    int year, month, day; /* month 1 to 12 */
    int hour, minute, second;
};

/* Days since 1970-01-01 of the Gregorian calendar; years are counted from March, so that the
 * leap day is the last. */
static int64_t days_of(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct date date_of(int64_t seconds) {
    int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
    int rest = (int)(seconds - days * DAY_S);
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {.hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60};
    date.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}

static void write_number(char *out, int value, int digits) {
    for (; digits > 0; digits--, value /= 10)
        out[digits - 1] = (char)('0' + value % 10);
}

void http_date_format(int64_t seconds, char out[HTTP_DATE_LEN]) {
    int64_t first = days_of(0, 1, 1) * DAY_S, last = days_of(YEAR_MAX + 1, 1, 1) * DAY_S - 1;
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    struct date date = date_of(seconds);
    int64_t days = days_of(date.year, date.month, date.day);
    size_t weekday = (size_t)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", HTTP_DATE_LEN);
    memcpy(out, day_names + 3 * weekday, 3);
    write_number(out + 5, date.day, 2);
    memcpy(out + 8, month_names + 3 * (date.month - 1), 3);
    write_number(out + 12, date.year, 4);
    write_number(out + 17, date.hour, 2);
    write_number(out + 20, date.minute, 2);
    write_number(out + 23, date.second, 2);
}

/* `form`: a letter stands for a digit of a number, @ for the three letters of a month's name;
 * the rest stands for itself. */
static bool match(const char *p, const char *form, struct date *date) {
    *date = (struct date){0};
    for (; *form; form++, p++) {
        int digit = http_char_is_digit(*p) ? *p - '0' : -1;
        int *number = *form == 'd'   ? &date->day
                      : *form == 'y' ? &date->year
                      : *form == 'h' ? &date->hour
                      : *form == 'm' ? &date->minute
                      : *form == 's' ? &date->second
                                     : NULL;
        if (*form == '@') {
            for (int i = 0; i < 12; i++)
                if (memcmp(p, month_names + 3 * i, 3) == 0)
                    date->month = i + 1;
            p += 2;
        } else if (number && *p == ' ' && form[0] == 'd' && form[1] == 'd') {
            continue; /* asctime pads the day with a space; IMF-fixdate may not, see below */
        } else if (number ? digit < 0 : *p != *form) {
            return false;
        } else if (number) {
            *number = *number * 10 + digit;
        }
    }
    return true;
}

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* A leap second, 60, is a form of the grammar and counts as the second before. */
static bool is_date(const struct date *date) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (date->month < 1 || date->day < 1 || date->hour > 23 || date->minute > 59 ||
        date->second > 60)
        return false;
    int length = lengths[date->month - 1] + (date->month == 2 && is_leap(date->year));
    return date->day <= length;
}

static bool is_day_name(const char *p) {
    for (int i = 0; i < 7; i++)
        if (memcmp(p, day_names + 3 * i, 3) == 0)
            return true;
    return false;
}

/* Behind the comma of "Sunday, 06-Nov-94 08:49:37 GMT" (RFC 850). */
static bool match_obsolete(struct http_slice text, int64_t now, struct date *date) {
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
    const char *comma = memchr(text.data, ',', text.len);
    if (!comma || text.data + text.len - comma != 24)
        return false;
    bool is_named = false;
    for (int i = 0; i < 7; i++)
        is_named |= strlen(names[i]) == (size_t)(comma - text.data) &&
                    memcmp(names[i], text.data, strlen(names[i])) == 0;
    if (!is_named || comma[2] == ' ' || !match(comma, ", dd-@-yy hh:mm:ss GMT", date))
        return false;
    int this_year = date_of(now).year;
    date->year += this_year / 100 * 100;
    while (date->year > this_year + 50)
        date->year -= 100;
    while (date->year <= this_year - 50)
        date->year += 100;
    return true;
}

bool http_date_parse(struct http_slice text, int64_t now, int64_t *out_seconds) {
    struct date date;
    bool is_matched;
    if (text.len < 24)
        return false;
    if (text.len == HTTP_DATE_LEN && text.data[3] == ',')
        is_matched = is_day_name(text.data) && text.data[5] != ' ' &&
                     match(text.data + 3, ", dd @ yyyy hh:mm:ss GMT", &date);
    else if (text.len == 24 && text.data[3] == ' ')
        is_matched =
            is_day_name(text.data) && match(text.data + 3, " @ dd hh:mm:ss yyyy", &date);
    else
        is_matched = match_obsolete(text, now, &date);
    if (!is_matched || !is_date(&date))
        return false;
    int64_t seconds = days_of(date.year, date.month, date.day) * DAY_S + date.hour * 3600 +
                      date.minute * 60 + date.second;
    *out_seconds = date.second == 60 ? seconds - 1 : seconds;
    return true;
}
