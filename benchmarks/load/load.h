/* Declarations for all files of the load generator. main.c says what it does. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#define PATIENCE 10.0  /* after this many seconds without a line, missing lines count as lost */
#define LINE 2048      /* no line is longer, not even a welcome with its 20 names */
#define EVENTS 1024

typedef unsigned long long u64;

struct reader;

/* What is spoken: plain lines; JSON lines over TCP; the same over WebSockets. Whoever speaks JSON
   gets its own messages too. */
enum wire { PLAIN, JSON, WEB };

struct client {
    int fd, number;
    bool talks, waits_to_write;
    u64 known;        /* members at its welcome, including itself; 0: not welcomed yet */
    u64 heard;        /* lines received since its welcome */
    u64 owed;         /* lines that it should have received */
    u64 said;         /* messages sent so far of which it gets no copy of its own */
    u64 number_said;  /* all messages sent so far */
    u64 began;        /* lines owed and messages sent when talking began */
    struct reader *reader;
    char *out;         /* output that the socket did not take */
    size_t out_start, out_end, out_size;
    int asked, answered;  /* calculator: operation to ask next, operation that is being answered */
    size_t answer_at;
    size_t head_length;
    u64 frame_left;    /* WebSocket: bytes of the frame that are still to come */
    int header_length; /* and what has come of the next one's header */
    unsigned char header[10];
    bool is_upgraded;  /* whether the answer to its request has come */
    char head[LINE];   /* the beginning of its incomplete first line */
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
extern u64 lines_heard;    /* by all clients, without the welcomes */
extern u64 members_known;  /* by all clients, as their welcomes say */
extern char in[1 << 18];

struct client *connect_one(bool to_stall);
struct client *add_client(struct client *c);
char *room(struct client *c, size_t length);
void push(struct client *c);
bool loop_once(double until);
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
void steady(const char *command);
void ping(const char *command);
void calc(const char *command);

/* frames.c */
extern enum wire wire;
void speak(const char *name);
void greet(struct client *c);
char *message_room(struct client *c, size_t length);
size_t next_piece(struct client *c, char **data, size_t *length);

/* main.c */
extern struct sockaddr_in server;
int server_port(void);
extern pid_t server_pid;
