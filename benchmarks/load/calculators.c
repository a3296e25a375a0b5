/* Command: calculator clients. Every reply is compared with the one expected. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct operation { char ask[128], answer[128]; int ask_length, answer_length; };

static struct operation *operations;
static int n_operations;

static void read_operations(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    if (!file)
        fail("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        operations = realloc(operations, (n_operations + 1) * sizeof *operations);
        struct operation *o = &operations[n_operations++];
        char *tab = strchr(line, '\t');
        o->ask_length = snprintf(o->ask, sizeof o->ask, "%.*s\n", (int)(tab - line), line);
        o->answer_length = snprintf(o->answer, sizeof o->answer, "%s", tab + 1);
    }
    fclose(file);
}

static void ask(struct client *c, int count)
{
    for (; count; count--) {
        struct operation *o = &operations[c->asked];
        c->asked = (c->asked + 1) % n_operations;
        memcpy(room(c, o->ask_length), o->ask, o->ask_length);
        c->owed++;
    }
    push(c);
}

/* Returns how many replies are complete now. */
static int take_answers(struct client *c)
{
    int replies = 0;
    ssize_t length = recv(c->fd, in, sizeof in, 0);
    if (length <= 0)
        fail("client %d: %s", c->number, length ? strerror(errno) : "closed by the server");
    for (char *data = in; length;) {
        struct operation *o = &operations[c->answered];
        ssize_t piece = o->answer_length - c->answer_at;
        if (piece > length)
            piece = length;
        if (memcmp(data, o->answer + c->answer_at, piece))
            fail("client %d: %.*s: got %.*s", c->number, o->ask_length, o->ask, (int)length, data);
        c->answer_at += piece;
        data += piece;
        length -= piece;
        if (c->answer_at == (size_t)o->answer_length) {
            c->answer_at = 0;
            c->answered = (c->answered + 1) % n_operations;
            replies++;
        }
    }
    c->heard += replies;
    lines_heard += replies;
    return replies;
}

void calc(const char *command)
{
    static struct epoll_event events[EVENTS];
    int n = number_of(command, "n"), depth = number_of(command, "depth");
    if (!n_operations)
        read_operations(text_of(command, "cases"));
    while (n_clients < n) {
        struct client *c = add_client(connect_one(false));
        c->asked = c->answered = n_clients % n_operations;
    }
    struct times first = {0}, last;
    u64 requests = 0;
    double start = now() + number_of(command, "warmup");
    double end = start + number_of(command, "seconds");
    for (int i = 0; i < n; i++)
        ask(clients[i], depth);
    for (;;) {
        int ready = epoll_wait(ep, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                push(c);
            if (events[i].events & ~EPOLLOUT)
                ask(c, take_answers(c));
        }
        double time = now();
        if (!first.wall && time >= start) {
            first = times_now();
            requests = lines_heard;
        }
        if (first.wall && time >= end)
            break;
    }
    last = times_now();
    requests = lines_heard - requests;
    while (missing()) {
        int ready = epoll_wait(ep, events, EVENTS, (int)(PATIENCE * 1000));
        if (!ready)
            fail("%llu replies are missing", missing());
        for (int i = 0; i < ready; i++) {
            push(events[i].data.ptr);
            if (events[i].events & ~EPOLLOUT)
                take_answers(events[i].data.ptr);
        }
    }
    printf("{\"requests\": %llu, ", requests);
    print_times(first, last);
    printf("}\n");
}
