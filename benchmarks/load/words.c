/* Commands in, times and errors out. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void fail(const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (char *c = reason; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = ' ';
    printf("{\"error\": \"%s\"}\n", reason);
    exit(1);
}

static double clock_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        return 0;
    return t.tv_sec + t.tv_nsec / 1e9;
}

double now(void) { return clock_of(CLOCK_MONOTONIC); }

struct times times_now(void)
{
    clockid_t clock;
    struct times t = {now(), clock_of(CLOCK_PROCESS_CPUTIME_ID), 0};
    if (!clock_getcpuclockid(server_pid, &clock))
        t.server_cpu = clock_of(clock);
    return t;
}

void print_times(struct times from, struct times to)
{
    printf("\"seconds\": %.6f, \"load_cpu\": %.6f, \"server_cpu\": %.6f", to.wall - from.wall,
           to.load_cpu - from.load_cpu, to.server_cpu - from.server_cpu);
}

/* The value of a key in `NAME key=value ...`. */
const char *text_of(const char *command, const char *key)
{
    static char value[1024];
    char pattern[64];
    snprintf(pattern, sizeof pattern, " %s=", key);
    const char *at = strstr(command, pattern);
    if (!at)
        fail("%s is missing in: %s", key, command);
    at += strlen(pattern);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, " \n"), at);
    return value;
}

double number_of(const char *command, const char *key) { return atof(text_of(command, key)); }
