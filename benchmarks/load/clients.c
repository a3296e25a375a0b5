/* Clients: connecting, sending, receiving, and one pass of the loop. */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int ep;
struct client **clients;
int n_clients, n_welcomed;
u64 lines_heard, members_known;
char in[1 << 18];

/* A client that never reads connects at once, and as if from far away: with the segments of an
   Ethernet and a small window. The loopback would buffer megabytes for it before anything waits. */
struct client *connect_one(bool to_stall)
{
    struct client *c = calloc(1, sizeof *c);
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | (to_stall ? 0 : SOCK_NONBLOCK), 0);
    if (c->fd < 0)
        fail("socket: %s", strerror(errno));
    if (to_stall) {
        int segment = 1460, window = 8192;
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    c->number = n_clients;
    return c;
}

/* Returns where to write this many bytes for the next push. */
char *room(struct client *c, size_t length)
{
    if (c->out_end + length > c->out_size) {
        c->out_size = 2 * (c->out_end + length);
        c->out = realloc(c->out, c->out_size);
    }
    c->out_end += length;
    return c->out + c->out_end - length;
}

/* Send what is waiting; let epoll tell when the rest can go. */
void push(struct client *c)
{
    if (c->out_start == c->out_end)
        return;
    ssize_t sent = send(c->fd, c->out + c->out_start, c->out_end - c->out_start, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS)
        fail("member %d: send: %s", c->number, strerror(errno));
    if (sent > 0)
        c->out_start += sent;
    bool all = c->out_start == c->out_end;
    if (all)
        c->out_start = c->out_end = 0;
    if (all == c->waits_to_write) {
        c->waits_to_write = !all;
        struct epoll_event event = {.events = EPOLLIN | (all ? 0 : EPOLLOUT), .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &event);
    }
}

/* Add a client, and send its name. */
struct client *add_client(struct client *c)
{
    clients = realloc(clients, (n_clients + 1) * sizeof *clients);
    clients[n_clients++] = c;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event);
    greet(c);
    push(c);
    return c;
}

/* Counts line ends, in pieces whose count fits a byte: the compiler adds 16 at once. */
static u64 count_lines(const char *data, size_t length)
{
    u64 lines = 0;
    while (length) {
        size_t piece = length < 240 ? length : 240;
        uint8_t some = 0;
        for (size_t i = 0; i < piece; i++)
            some += data[i] == '\n';
        lines += some;
        data += piece;
        length -= piece;
    }
    return lines;
}

/* Read the first line, which tells how many are here; in JSON the second. Returns how many bytes it
   had. */
static size_t welcome(struct client *c, const char *data, size_t length)
{
    const char *end = memchr(data, '\n', length);
    size_t piece = end ? (size_t)(end - data) : length;
    if (c->head_length + piece >= LINE)
        fail("member %d: its first line is not a welcome", c->number);
    memcpy(c->head + c->head_length, data, piece);
    c->head_length += piece;
    c->head[c->head_length] = 0;
    if (!end)
        return length;
    if (wire != PLAIN && !strncmp(c->head, "{\"type\":\"welcome\"", 17)) {
        c->head_length = 0;
        return piece + 1;
    }
    bool is_json = wire != PLAIN && !strncmp(c->head, "{\"type\":\"entered\"", 17);
    const char *count = is_json ? strstr(c->head, "\"count\":") : strchr(c->head, '(');
    if ((!is_json && strncmp(c->head, "*** welcome", 11)) || !count)
        fail("member %d: in place of a welcome: %s", c->number, c->head);
    c->known = strtoul(count + (is_json ? 8 : 1), NULL, 10);
    members_known += c->known;
    n_welcomed++;
    return piece + 1;
}

/* Hear some bytes of lines. Returns the number of lines. */
static u64 hear_piece(struct client *c, const char *data, size_t length)
{
    while (!c->known && length) {
        size_t used = welcome(c, data, length);
        data += used;
        length -= used;
    }
    if (c->reader)
        read_along(c->reader, data, length);
    return count_lines(data, length);
}

/* Read once. Returns the number of lines, or -1 at the end of the input. */
static int64_t hear(struct client *c)
{
    ssize_t length = recv(c->fd, in, sizeof in, 0);
    if (length < 0) {
        if (errno == EAGAIN)
            return 0;
        fail("member %d: recv: %s", c->number, strerror(errno));
    }
    if (!length)
        return -1;
    char *data = in;
    size_t left = length;
    u64 lines = 0;
    for (size_t piece; left && (piece = next_piece(c, &data, &left)); data += piece, left -= piece)
        lines += hear_piece(c, data, piece);
    c->heard += lines;
    lines_heard += lines;
    return lines;
}

/* One pass of the loop: every client with input reads once. False: nothing came in time. */
bool loop_once(double until)
{
    static struct epoll_event events[EVENTS];
    double left = until - now();
    int ready = epoll_wait(ep, events, EVENTS, left > 0 ? (int)(left * 1000) + 1 : 0);
    for (int i = 0; i < ready; i++) {
        struct client *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            push(c);
        if (events[i].events & ~EPOLLOUT && hear(c) < 0)
            fail("member %d: the server closed the connection", c->number);
    }
    return ready > 0;
}

/* How many lines clients have too few or too many. */
u64 missing(void)
{
    u64 lines = 0;
    for (int i = 0; i < n_clients; i++)
        lines += llabs((int64_t)(clients[i]->owed - clients[i]->heard));
    return lines;
}

/* Read until all have what they are owed, or nothing comes any more. Returns what is missing. */
u64 catch_up(double patience)
{
    u64 lines;
    while ((lines = missing()) && loop_once(now() + patience))
        ;
    return lines;
}
