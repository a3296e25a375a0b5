/* Messages: what talkers send, and whether listeners receive just that. */
#include "load.h"

#include <stdio.h>
#include <string.h>

/* Checks everything that one member receives, line by line. */
struct reader {
    char part[LINE];
    size_t length;
    uint32_t *next;    /* for each member, the number of its next message */
    u64 order;    /* a digest of all messages in the order received */
    u64 faults;
};

static struct client *checked[3];
static int n_checked;
static char filler[LINE];
static size_t filler_length;

void say(struct client *c)
{
    static const char begin[] = "{\"type\":\"say\",\"room\":\"lobby\",\"text\":\"", end[] = "\"}";
    bool is_json = wire != PLAIN;
    size_t around = is_json ? sizeof begin + sizeof end - 2 : 0;
    char *line = message_room(c, around + 10 + filler_length + 1);
    char number[16];
    sprintf(number, "%09u ", (unsigned)c->number_said++);
    c->said += !is_json;
    if (is_json)
        line = mempcpy(line, begin, sizeof begin - 1);
    line = mempcpy(line, number, 10);
    line = mempcpy(line, filler, filler_length);
    if (is_json)
        line = mempcpy(line, end, sizeof end - 1);
    *line = '\n';
}

void fill(int size)
{
    if (size < 12 || size > LINE / 2)
        fail("a line has 12 to %d bytes", LINE / 2);
    filler_length = size - 11;
    for (size_t i = 0; i < filler_length; i++)
        filler[i] = 'a' + i % 26;
}

/* One line, `mNUMBER: NNNNNNNNN FILLER`, or a JSON object with both as its last fields. */
static void check_line(struct reader *r, const char *line, size_t length)
{
    static const char between[] = "\",\"text\":\"", before[] = "\"name\":\"m";
    bool is_json = wire != PLAIN;
    const char *end = line + length - (is_json ? 2 : 0), *name = line + 1;
    char *at = NULL;
    if (is_json) {
        name = memmem(line, length, before, sizeof before - 1);
        name = name ? name + sizeof before - 1 : NULL;
    } else if (line[0] != 'm') {
        name = NULL;
    }
    long who = name ? strtol(name, &at, 10) : -1;
    const char *stop = is_json ? between : ": ";
    if (who < 0 || who >= n_clients || strncmp(at, stop, strlen(stop))) {
        r->faults++;
        return;
    }
    unsigned long number = strtoul(at + strlen(stop), &at, 10);
    if (number != r->next[who] || *at != ' ' || end - at - 1 != (long)filler_length ||
        memcmp(at + 1, filler, filler_length))
        r->faults++;
    r->next[who] = number + 1;
    r->order = (r->order ^ (who << 32 ^ number)) * 0x9E3779B97F4A7C15u;
}

void read_along(struct reader *r, const char *data, size_t length)
{
    for (const char *end; (end = memchr(data, '\n', length));) {
        size_t piece = end + 1 - data;
        if (!r->length) {
            check_line(r, data, piece - 1);
        } else if (r->length + piece > LINE) {
            r->faults++;
        } else {
            memcpy(r->part + r->length, data, piece);
            check_line(r, r->part, r->length + piece - 1);
        }
        r->length = 0;
        data += piece;
        length -= piece;
    }
    if (r->length + length > LINE) {
        r->faults++;
        return;
    }
    memcpy(r->part + r->length, data, length);
    r->length += length;
}

static void read_all_of(struct client *c)
{
    struct reader *r = c->reader = calloc(1, sizeof *r);
    r->next = calloc(n_clients, sizeof *r->next);
    for (int i = 0; i < n_clients; i++)
        r->next[i] = clients[i]->number_said;
    checked[n_checked++] = c;
}

void begin_checks(void)
{
    int first = 0, last = n_clients - 1;
    while (clients[first]->talks)
        first++;
    while (clients[last]->talks)
        last--;
    read_all_of(clients[first]);
    if (last != first)
        read_all_of(clients[last]);
    if (clients[0]->talks)
        read_all_of(clients[0]);
}

/* Returns how many lines were wrong, and whether both listeners received the same order. */
u64 end_checks(bool *one_order)
{
    u64 faults = 0, order = checked[0]->reader->order;
    *one_order = true;
    for (; n_checked; n_checked--) {
        struct client *c = checked[n_checked - 1];
        faults += c->reader->faults;
        if (!c->talks && c->reader->order != order)
            *one_order = false;
        free(c->reader->next);
        free(c->reader);
        c->reader = NULL;
    }
    return faults;
}
