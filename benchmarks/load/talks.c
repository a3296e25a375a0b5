/* Commands: many messages in flight, so many in a second, and one at a time. */
#include "load.h"

#include <stdio.h>

/* How many messages of this talk a member has, including its own. Negative while it is still owed
   lines from before: those are in flight too. */
static long long progress(struct client *c) { return c->heard + c->said - c->began; }

void talk(const char *command)
{
    int talkers = number_of(command, "talkers"), flight = number_of(command, "flight");
    double warmup = number_of(command, "warmup"), seconds = number_of(command, "seconds");
    if (talkers >= n_clients)
        fail("somebody must listen");
    fill(number_of(command, "size"));
    for (int i = 0; i < n_clients; i++) {
        clients[i]->talks = false;
        clients[i]->began = clients[i]->owed + clients[i]->said;
    }
    struct client *who[talkers];
    for (int i = 0; i < talkers; i++)
        (who[i] = clients[(long)i * n_clients / talkers])->talks = true;
    begin_checks();

    long long sent = 0, done = 0;
    u64 first_lines = 0;
    struct client *slowest = clients[n_clients - 1];
    struct times first = {0}, last;
    double start = now() + warmup, end = start + seconds;
    for (;;) {
        /* The minimum can only have changed if its owner has more now. */
        if (progress(slowest) > done || !sent) {
            for (int i = 0; i < n_clients; i++) {
                struct client *c = clients[i];
                if (!c->talks && (slowest->talks || progress(c) < progress(slowest)))
                    slowest = c;
            }
            done = progress(slowest);
            int budget = flight - (sent - done);
            for (int i = 0; i < talkers && budget > 0; i++) {
                /* Every talker sends as many; the remainder goes round. */
                int share = budget / (talkers - i) + (budget % (talkers - i) != 0);
                struct client *c = who[(sent + i) % talkers];
                for (int j = 0; j < share; j++)
                    say(c);
                budget -= share;
                push(c);
            }
            sent = sent > flight + done ? sent : flight + done;
        }
        loop_once(first.wall ? end : start);
        double time = now();
        if (!first.wall && time >= start) {
            first = times_now();
            first_lines = lines_heard;
            end = first.wall + seconds;
        }
        if (first.wall && time >= end)
            break;
    }
    last = times_now();
    u64 deliveries = lines_heard - first_lines;
    bool one_order;
    for (int i = 0; i < n_clients; i++)
        clients[i]->owed = clients[i]->heard + sent - progress(clients[i]);
    u64 lost = catch_up(number_of(command, "patience")), faults = end_checks(&one_order);
    printf("{\"deliveries\": %llu, \"messages\": %lld, \"missing\": %llu, \"faults\": %llu, "
           "\"one_order\": %s, ",
           deliveries, sent, lost, faults, one_order ? "true" : "false");
    print_times(first, last);
    printf("}\n");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void steady(const char *command)
{
    int talkers = number_of(command, "talkers");
    double rate = number_of(command, "rate");
    double warmup = number_of(command, "warmup"), seconds = number_of(command, "seconds");
    int size = number_of(command, "size"), all = rate * (warmup + seconds);
    if (talkers > n_clients)
        fail("there are %d members", n_clients);
    fill(size);
    double *due = calloc(all, sizeof *due), *took = calloc(all, sizeof *took);
    long long sent = 0, done = 0, measured = 0;
    for (int i = 0; i < n_clients; i++)
        clients[i]->began = clients[i]->owed + clients[i]->said;
    struct client *slowest = clients[0];
    struct times first = {0};
    double start = now(), heard_at = start;
    while (done < all) {
        double time = now();
        if (!first.wall && time >= start + warmup)
            first = times_now();
        for (; sent < all && start + sent / rate <= time; sent++) {
            struct client *c = clients[sent % talkers * n_clients / talkers];
            /* From when it should have been said: a stalled server must not stop the clock. */
            due[sent] = start + sent / rate;
            say(c);
            push(c);
        }
        loop_once(sent < all ? start + (sent + 1) / rate : now() + PATIENCE);
        if (progress(slowest) > done) {
            for (int i = 0; i < n_clients; i++)
                if (progress(clients[i]) < progress(slowest))
                    slowest = clients[i];
            heard_at = time = now();
            for (; done < progress(slowest); done++)
                if (due[done] >= start + warmup)
                    took[measured++] = time - due[done];
        }
        if (now() > heard_at + PATIENCE)
            fail("%lld messages have not come", sent - done);
    }
    struct times last = times_now();
    for (int i = 0; i < n_clients; i++)
        clients[i]->owed = clients[i]->heard;
    qsort(took, measured, sizeof *took, compare);
    printf("{\"messages\": %lld, \"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f, ", measured,
           took[measured / 2], took[measured * 99 / 100], took[measured - 1]);
    print_times(first, last);
    printf("}\n");
    free(due);
    free(took);
}

void ping(const char *command)
{
    int count = number_of(command, "count"), warmup = number_of(command, "warmup");
    double limit = now() + number_of(command, "limit");
    double *took = calloc(count, sizeof *took);
    struct times first = {0};
    int measured = 0;
    uint32_t random = 1;
    fill(number_of(command, "size"));
    for (int i = -warmup; i < count && (now() < limit || measured < 1); i++) {
        if (i <= 0)
            first = times_now();
        struct client *c = clients[(random = random * 1664525 + 1013904223) % n_clients];
        u64 all = lines_heard + n_clients - (wire == PLAIN);
        double began = now();
        say(c);
        push(c);
        while (lines_heard < all)
            if (!loop_once(now() + PATIENCE))
                fail("%llu of %d did not get a message", all - lines_heard, n_clients - 1);
        if (i >= 0)
            took[measured++] = now() - began;
    }
    for (int i = 0; i < n_clients; i++)
        clients[i]->owed = clients[i]->heard;
    struct times last = times_now();
    qsort(took, measured, sizeof *took, compare);
    printf("{\"count\": %d, \"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f, ", measured,
           took[measured / 2], took[measured * 99 / 100], took[measured - 1]);
    print_times(first, last);
    printf("}\n");
    free(took);
}
