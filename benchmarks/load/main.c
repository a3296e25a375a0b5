/* The load generator: all clients of one server, in one process and one epoll loop.

       load HOST PORT SERVER_PID [plain|json|web]

   It reads commands from standard input, one a line, `NAME key=value ...`, and answers each with
   one line of JSON. An error is {"error": "..."} and ends it.

       join n= group= limit=             n more members; at most `group` of them without a welcome
       talk talkers= flight= size= warmup= seconds= patience=
       steady talkers= rate= size= warmup= seconds=    so many messages in each second
       ping count= warmup= size= limit=  one message at a time, each by another member
       stall n=                          members that join and never read
       unstall                           these members leave
       drain pid= limit=                 SIGTERM to the server; wait until all are told and closed
       drink n= warmup= seconds=         count the lines that a firehose sends to n clients
       calc n= depth= warmup= seconds= cases=FILE

   __main__.py does the same where there is no compiler, but for json and web; tests check that both
   answer the same. `steady` is here alone. With json and web only join, talk, steady and ping can
   be asked for.

   A message is in flight from when it is handed to its talker's socket until the last member that
   reads has it. `talk` keeps `flight` messages in flight, whatever the server does, and deals them
   out to the talkers in turn. It counts each line that a member gets. At the end `talk` stops
   talking and waits; lines that have not come when nothing has arrived for `patience` seconds are
   `missing`. Two listeners and one talker check the author, number and filler of every line they
   get; `faults` counts the wrong ones. */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

struct sockaddr_in server;
pid_t server_pid;

int server_port(void) { return ntohs(server.sin_port); }

int main(int argc, char **argv)
{
    char command[2048];
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "load HOST PORT SERVER_PID [plain|json|web]\n");
        return 2;
    }
    if (argc == 5)
        speak(argv[4]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    server_pid = atoi(argv[3]);
    ep = epoll_create1(0);
    while (fgets(command, sizeof command, stdin)) {
        char name[32] = "";
        sscanf(command, "%31s", name);
        if (!strcmp(name, "join")) join(command);
        else if (!strcmp(name, "talk")) talk(command);
        else if (!strcmp(name, "steady")) steady(command);
        else if (!strcmp(name, "ping")) ping(command);
        else if (!strcmp(name, "stall")) stall(command);
        else if (!strcmp(name, "unstall")) unstall();
        else if (!strcmp(name, "drain")) drain(command);
        else if (!strcmp(name, "drink")) drink(command);
        else if (!strcmp(name, "calc")) calc(command);
        else fail("unknown command %s", name);
        fflush(stdout);
    }
    return 0;
}
