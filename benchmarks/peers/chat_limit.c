/* The limit: what one core can do. A bare epoll loop, without anything else that a server needs.

   One pass of the loop reads everything readable, appends it to one text, and makes one send for
   each member: the text without the member's own lines. Only output that would block is kept. No
   name is checked, no text is made safe, no line is too long, and no deadline runs. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 1024
#define WELCOME_NAMES 20

struct text { char *data; size_t length, size; };

struct client {
    int fd;
    bool is_member, waits_to_write;
    char name[64];
    struct text part;     /* a line that has not ended yet */
    struct text pending;  /* output that the socket did not take */
    struct text welcome;  /* for members who joined in this pass */
    size_t from;          /* where the text of this pass begins for them */
    int first_own, last_own;
};

/* A stretch of this pass's text that is not sent to its author. */
struct own { size_t start, end; int next; };

static int ep;
static struct client **members;
static int n_members, members_size;
static struct text batch, less;
static struct own *owns;
static int n_owns, owns_size;
static char in[1 << 18];

static void append(struct text *t, const char *data, size_t length)
{
    if (t->length + length > t->size) {
        t->size = 2 * (t->length + length);
        t->data = realloc(t->data, t->size);
    }
    memcpy(t->data + t->length, data, length);
    t->length += length;
}

static void append_text(struct text *t, const char *text) { append(t, text, strlen(text)); }

static void join(struct client *c, const char *name, size_t length)
{
    char line[256];
    snprintf(c->name, sizeof c->name, "%.*s", (int)length, name);
    if (n_members == members_size)
        members = realloc(members, (members_size = 2 * members_size + 64) * sizeof *members);
    members[n_members++] = c;
    c->is_member = true;
    snprintf(line, sizeof line, "*** %s joined (%d here)\n", c->name, n_members);
    append_text(&batch, line);
    c->from = batch.length;
    snprintf(line, sizeof line, "*** welcome, %s (%d here: ", c->name, n_members);
    append_text(&c->welcome, line);
    for (int i = 0; i < n_members && i < WELCOME_NAMES; i++) {
        append_text(&c->welcome, i ? ", " : "");
        append_text(&c->welcome, members[i]->name);
    }
    snprintf(line, sizeof line, " … and %d more", n_members - WELCOME_NAMES);
    append_text(&c->welcome, n_members > WELCOME_NAMES ? line : "");
    append_text(&c->welcome, ")\n");
}

static void leave(struct client *c)
{
    if (c->is_member) {
        char line[256];
        int i = 0;
        while (members[i] != c)
            i++;
        n_members--;
        memmove(members + i, members + i + 1, (n_members - i) * sizeof *members);
        snprintf(line, sizeof line, "*** %s left (%d here)\n", c->name, n_members);
        append_text(&batch, line);
    }
    close(c->fd);
    free(c->part.data);
    free(c->pending.data);
    free(c->welcome.data);
    free(c);
}

static void say(struct client *c, const char *line, size_t length)
{
    append_text(&batch, c->name);
    append(&batch, ": ", 2);
    append(&batch, line, length);
    append(&batch, "\n", 1);
}

/* Note that this pass's text from `start` on is this client's own. */
static void own(struct client *c, size_t start)
{
    if (start == batch.length)
        return;
    if (n_owns == owns_size)
        owns = realloc(owns, (owns_size = 2 * owns_size + 64) * sizeof *owns);
    owns[n_owns] = (struct own){start, batch.length, -1};
    if (c->last_own < 0)
        c->first_own = n_owns;
    else
        owns[c->last_own].next = n_owns;
    c->last_own = n_owns++;
}

static void receive(struct client *c)
{
    ssize_t got = recv(c->fd, in, sizeof in, 0);
    if (got <= 0) {
        if (!got || errno != EAGAIN)
            leave(c);
        return;
    }
    char *data = in, *end;
    size_t length = got;
    if (c->part.length) {
        append(&c->part, in, got);
        data = c->part.data;
        length = c->part.length;
    }
    size_t start = batch.length;
    for (; (end = memchr(data, '\n', length)); length -= end + 1 - data, data = end + 1) {
        if (end - data == 1 && *data == 'q') {
            own(c, start);
            leave(c);
            return;
        }
        if (c->is_member) {
            say(c, data, end - data);
        } else {
            join(c, data, end - data);
            start = batch.length;
        }
    }
    own(c, start);
    if (data != c->part.data) {
        memmove(in, data, length);
        c->part.length = 0;
        append(&c->part, in, length);
    }
}

static void watch(struct client *c, bool writing)
{
    if (c->waits_to_write == writing)
        return;
    c->waits_to_write = writing;
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &event);
}

static void deliver(struct client *c, const struct text *t)
{
    ssize_t sent = 0;
    if (!c->pending.length && t->length)
        sent = send(c->fd, t->data, t->length, MSG_NOSIGNAL);
    if (sent < 0)
        sent = 0;  /* it would block, or the connection is broken: then a recv will tell */
    if ((size_t)sent < t->length) {
        append(&c->pending, t->data + sent, t->length - sent);
        watch(c, true);
    }
}

static void resume(struct client *c)
{
    ssize_t sent = send(c->fd, c->pending.data, c->pending.length, MSG_NOSIGNAL);
    if (sent <= 0)
        return;
    c->pending.length -= sent;
    memmove(c->pending.data, c->pending.data + sent, c->pending.length);
    watch(c, c->pending.length > 0);
}

static void send_batch(void)
{
    for (int i = 0; i < n_members; i++) {
        struct client *c = members[i];
        if (!c->welcome.length && c->first_own < 0) {
            deliver(c, &batch);
            continue;
        }
        size_t at = c->from;
        less.length = 0;
        append(&less, c->welcome.data, c->welcome.length);
        for (int k = c->first_own; k >= 0; k = owns[k].next) {
            append(&less, batch.data + at, owns[k].start - at);
            at = owns[k].end;
        }
        append(&less, batch.data + at, batch.length - at);
        deliver(c, &less);
        free(c->welcome.data);
        c->welcome = (struct text){0};
        c->from = 0;
        c->first_own = c->last_own = -1;
    }
    batch.length = 0;
    n_owns = 0;
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct client *c = calloc(1, sizeof *c);
        *c = (struct client){.fd = fd, .first_own = -1, .last_own = -1};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    struct rlimit files;
    char *port = argc > 1 ? strrchr(argv[1], ':') : NULL;
    if (!port) {
        fprintf(stderr, "HOST:PORT\n");
        return 2;
    }
    *port++ = 0;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address.sin_port = htons(atoi(port));
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("listening on %s:%d\n", argv[1], ntohs(address.sin_port));
    fflush(stdout);

    ep = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        static struct epoll_event events[EVENTS];
        int ready = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (!c) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                resume(c);
            if (events[i].events & ~EPOLLOUT)
                receive(c);
        }
        if (batch.length)
            send_batch();
    }
}
