/* What the files of the load generator share. main.c says what it is. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#define PATIENCE 10.0  /* seconds without a line after which what is missing does not come */
#define LINE 2048      /* no line of this wire is longer, the welcome with its 20 names included */
#define EVENTS 1024

typedef unsigned long long u64;

struct reader;

struct client {
    int fd, number;
    bool talks, waits_to_write;
    u64 known;        /* members at its welcome, itself among them; 0: not welcomed yet */
    u64 heard;        /* lines since its welcome */
    u64 owed;         /* lines that it is to have heard */
    u64 said;         /* messages ever */
    u64 began;        /* owed and said when talking began */
    struct reader *reader;
    char *out;         /* what the socket did not take */
    size_t out_start, out_end, out_size;
    int asked, answered;  /* calculator: operation to ask next, operation that is being answered */
    size_t answer_at;
    size_t head_length;
    char head[LINE];   /* its first line, as far as it has come */
};

struct times { double wall, load_cpu, server_cpu; };

/* words.c */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
const char *text_of(const char *command, const char *key);
double number_of(const char *command, const char *key);
double now(void);
struct times times_now(void);
void print_times(struct times from, struct times to);

/* clients.c */
extern int ep;
extern struct client **clients;
extern int n_clients, n_welcomed;
extern u64 lines_heard;    /* by all, but for the welcomes */
extern u64 members_known;  /* by all, from the welcomes */
extern char in[1 << 18];

struct client *connect_one(bool to_stall);
struct client *add_client(struct client *c);
char *room(struct client *c, size_t length);
void push(struct client *c);
bool turn(double until);
u64 missing(void);
u64 catch_up(double patience);

/* messages.c */
void fill(int size);
void say(struct client *c);
void read_along(struct reader *r, const char *data, size_t length);
void begin_checks(void);
u64 end_checks(bool *one_order);

/* rooms.c, talks.c, calculators.c: the commands */
void join(const char *command);
void stall(const char *command);
void unstall(void);
void drain(const char *command);
void drink(const char *command);
void talk(const char *command);
void ping(const char *command);
void calc(const char *command);

/* main.c */
extern struct sockaddr_in server;
extern pid_t server_pid;
