/* Commands: how a room fills and empties; and the firehose. */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int stalled[64], n_stalled;

void join(const char *command)
{
    int n = number_of(command, "n"), group = number_of(command, "group");
    int from = n_clients, total = n_clients + n;
    double began = now(), limit = number_of(command, "limit");
    u64 all = (u64)total * total;
    for (int i = 0; i < n_clients; i++)
        clients[i]->heard = clients[i]->owed = 0;
    members_known = (u64)from * from;
    lines_heard = 0;
    /* No member can know of more than all, so the sum tells when each knows of all. */
    while (members_known + lines_heard < all) {
        while (n_clients < total && n_clients - n_welcomed < group)
            add_client(connect_one(false));
        if (now() - began > limit)
            fail("after %g s %d of %d are welcomed, and know %llu of %llu", limit, n_welcomed,
                 total, members_known + lines_heard, all);
        loop_once(began + limit);
    }
    double took = now() - began;
    for (int i = 0; i < n_clients; i++)
        clients[i]->owed = clients[i]->heard;
    printf("{\"members\": %d, \"joined\": %d, \"seconds\": %.6f}\n", n_clients, n, took);
}

static void all_hear(int notices)
{
    for (int i = 0; i < n_clients; i++)
        clients[i]->owed += notices;
    u64 lost = catch_up(PATIENCE);
    if (lost)
        fail("%llu lines do not come", lost);
    printf("{\"stalled\": %d}\n", n_stalled);
}

void stall(const char *command)
{
    int n = number_of(command, "n");
    for (int i = 0; i < n; i++) {
        struct client *c = connect_one(true);
        char name[32];
        int length = sprintf(name, "stalled%d\n", n_stalled);
        if (send(c->fd, name, length, MSG_NOSIGNAL) != length)
            fail("stall: %s", strerror(errno));
        stalled[n_stalled++] = c->fd;
        free(c);
    }
    all_hear(n);
}

void unstall(void)
{
    int n = n_stalled;
    while (n_stalled)
        close(stalled[--n_stalled]);
    all_hear(n);
}

void drain(const char *command)
{
    static const char closing[] = "*** server is closing\n";
    static struct epoll_event events[EVENTS];
    double limit = number_of(command, "limit"), began = now(), told = 0, closed = 0;
    int n_told = 0, n_closed = 0;
    for (int i = 0; i < n_clients; i++)
        clients[i]->head_length = 0;
    kill(number_of(command, "pid"), SIGTERM);
    while (n_closed < n_clients && now() < began + limit) {
        int ready = epoll_wait(ep, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            ssize_t length = recv(c->fd, c->head + c->head_length, LINE - 1 - c->head_length, 0);
            if (length <= 0) {
                /* Close at once, as a client does, so that the server need not linger. */
                close(c->fd);
                closed = now() - began;
                n_closed++;
                continue;
            }
            c->head_length += length;
            c->head[c->head_length] = 0;
            if (strcmp(c->head, closing) == 0) {
                n_told++;
                told = now() - began;
            }
        }
    }
    printf("{\"members\": %d, \"told\": %d, \"closed\": %d, \"told_seconds\": %.6f, "
           "\"closed_seconds\": %.6f}\n",
           n_clients, n_told, n_closed, told, closed);
}

void drink(const char *command)
{
    for (int n = number_of(command, "n"); n_clients < n;)
        add_client(connect_one(false))->known = 1;
    double start = now() + number_of(command, "warmup");
    while (now() < start)
        loop_once(start);
    struct times first = times_now();
    u64 lines = lines_heard;
    double end = first.wall + number_of(command, "seconds");
    while (now() < end)
        loop_once(end);
    struct times last = times_now();
    printf("{\"deliveries\": %llu, ", lines_heard - lines);
    print_times(first, last);
    printf("}\n");
}
